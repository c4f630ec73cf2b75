"""Ways in which an account can be broken while a test looks, each mended again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from db import sql
from db.encryption import Keyring, generate_key
from db.ids import new_id
from gateway.sandbox.stripe.permissions import RESOURCES
from gateway.sandbox.stripe.permissions import Level as May
from gateway.sandbox.stripe.store import Collection
from tests.api.seed import add_case, insert
from tests.support.world import World

Break = Callable[[World], AbstractAsyncContextManager[None]]


def now() -> datetime:
    return datetime.now(UTC)


def rows(broken: str, mended: str) -> Break:
    """By statements; $1 is the account."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        await sql.rows(broken, world.shop.account)
        yield
        await sql.rows(mended, world.shop.account)

    return breaking


def account(column: str, value: Any) -> Break:
    """A column of the account's row."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        update = f"update tollbridge.account set {column} = $2 where id = $1"
        before = await sql.value(f"select {column} from tollbridge.account where id = $1", world.shop.account)
        await sql.rows(update, world.shop.account, value)
        yield
        await sql.rows(update, world.shop.account, before)

    return breaking


def policies(**changed: Any) -> Break:
    return account("policies", msgspec.json.encode({"stripe_mails_off": True, **changed}).decode())


def public_url(url: Callable[[World], str], *, private: bool = True) -> Break:
    """Where we say that the world reaches us."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        before = world.runtime.settings
        changed = msgspec.structs.replace(before, public_url=url(world), outbound_private=private)
        world.runtime.settings = changed
        yield
        world.runtime.settings = before

    return breaking


def row_of(kind: str, **changed: Any) -> Break:
    """Fields of every object of a kind at Stripe; a dict is merged."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        objects = list(getattr(world.stripe_account(), kind).values())
        before = [dict(one) for one in objects]
        for one in objects:
            for name, value in changed.items():
                one[name] = {**one[name], **value} if isinstance(value, dict) and one[name] else value
        yield
        for one, was in zip(objects, before, strict=True):
            one.clear()
            one.update(was)

    return breaking


def lacks(resource: str, level: str = "none") -> Break:
    """A restricted key that may do everything else."""

    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        key = world.stripe.keys.open(world.shop.stripe_key)
        key.permissions = dict.fromkeys(RESOURCES, May.WRITE) | {resource: May(level)}
        yield
        key.permissions = None

    return breaking


@asynccontextmanager
async def expired_key(world: World) -> AsyncIterator[None]:
    key = world.stripe.keys.expire(world.shop.stripe_key)
    yield
    key.expires_at = None


@asynccontextmanager
async def no_endpoint(world: World) -> AsyncIterator[None]:
    account = world.stripe_account()
    kept, account.webhook_endpoints = account.webhook_endpoints, Collection("webhook endpoint")
    yield
    account.webhook_endpoints = kept


@asynccontextmanager
async def second_endpoint(world: World) -> AsyncIterator[None]:
    endpoints = world.stripe_account().webhook_endpoints
    [first] = endpoints.values()
    endpoints.add("we_second", {**first, "id": "we_second"})
    yield
    del endpoints["we_second"]


@asynccontextmanager
async def lost_event(world: World) -> AsyncIterator[None]:
    take = "delete from tollbridge.delivery where account = $1 and kind = 'invoice.paid' returning *"
    [row] = await sql.rows(take, world.shop.account)
    yield
    await insert("delivery", **dict(row))


@asynccontextmanager
async def waiting_event(world: World) -> AsyncIterator[None]:
    """For an endpoint of the merchant's own."""
    event = next(one for one in world.stripe_account().events.values() if one.type == "invoice.paid")
    event.waiting.add("we_of_somebody")
    yield
    event.waiting.clear()


@asynccontextmanager
async def mailed(world: World) -> AsyncIterator[None]:
    events = world.stripe_account().events
    event = next(one for one in events.values() if one.type == "invoice.paid")
    events.add("evt_mailed", replace(event, id="evt_mailed", type="invoice.sent"))
    yield
    del events["evt_mailed"]


def both(*breaks: Break) -> Break:
    @asynccontextmanager
    async def breaking(world: World) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for one in breaks:
                await stack.enter_async_context(one(world))
            yield

    return breaking


lost_and_waiting = both(lost_event, waiting_event)
REFUSED = rows(
    "insert into tollbridge.refused_delivery values "
    "($1, 'stripe', clock_timestamp() - interval '5 minutes', 'signature_wrong', 7)",
    "delete from tollbridge.refused_delivery where account = $1",
)


@asynccontextmanager
async def others_processor(world: World) -> AsyncIterator[None]:
    update = "update tollbridge.connection set options = $2 where id = $1"
    before = await sql.value("select options from tollbridge.connection where id = $1", world.shop.connection)
    await sql.rows(update, world.shop.connection, before.replace('"pa_', '"pa_other'))
    yield
    await sql.rows(update, world.shop.connection, before)


@asynccontextmanager
async def unreadable_secret(world: World) -> AsyncIterator[None]:
    row = await sql.row("select id, secret from tollbridge.webhook_secret where account = $1", world.shop.account)
    assert row is not None
    other = Keyring.parse(f"gone:{generate_key()}", generate_key())
    sealed = other.encrypt(b"whsec_made_up", table="webhook_secret", column="secret", row=row["id"])
    update = "update tollbridge.webhook_secret set secret = $2 where id = $1"
    await sql.rows(update, row["id"], sealed)
    yield
    await sql.rows(update, row["id"], row["secret"])


@asynccontextmanager
async def open_case(world: World) -> AsyncIterator[None]:
    case = await add_case(world.shop.account, "att_1")
    yield
    await sql.rows("delete from tollbridge.review_case where id = $1", case)


@asynccontextmanager
async def failing_endpoint(world: World) -> AsyncIterator[None]:
    at = await sql.value("select tollbridge.business_now() - interval '1 hour'")
    endpoint = {"id": "whe_1", "account": world.shop.account, "url": "https://shop.example/hook"}
    await insert("webhook_endpoint", **endpoint, created_at=at, failing_since=at)
    yield
    await sql.rows("delete from tollbridge.webhook_endpoint where id = 'whe_1'")


@asynccontextmanager
async def untold(world: World) -> AsyncIterator[None]:
    at = await sql.value("select tollbridge.business_now() - interval '1 hour'")
    whose = {"account": world.shop.account}
    event = await sql.value("select id from tollbridge.outbound_event where account = $1 limit 1", world.shop.account)
    await insert("webhook_endpoint", id="whe_2", url="https://shop.example/hook", created_at=at, **whose)
    told = {"event": event, "endpoint": "whe_2", "state": "pending"}
    await insert("event_delivery", id=new_id("edl"), begun_at=at, due_at=at, **told, **whose)
    yield
    await sql.rows("delete from tollbridge.event_delivery where endpoint = 'whe_2'")
    await sql.rows("delete from tollbridge.webhook_endpoint where id = 'whe_2'")


@asynccontextmanager
async def usage(world: World) -> AsyncIterator[None]:
    """The account reports usage."""
    await insert("usage_stream", account=world.shop.account, id=world.shop.account, created_at=now(), stale=False)
    yield
    await sql.rows("delete from tollbridge.usage_stream where account = $1", world.shop.account)


@asynccontextmanager
async def two_modes(world: World) -> AsyncIterator[None]:
    subscriptions = world.stripe_account().subscriptions
    [first] = subscriptions.values()
    subscriptions.add("sub_old", {**first, "id": "sub_old", "billing_mode": {"type": "classic", "flexible": None}})
    yield
    del subscriptions["sub_old"]
