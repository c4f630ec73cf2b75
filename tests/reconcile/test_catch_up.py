"""The walks through Stripe's lists: page by page, from where the last turn ended, and each thing once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from db import sql
from db.engine import DB
from db.states import Walk
from gateway.billing import lists
from gateway.clock import business_now
from gateway.inbox.intake import take_in
from gateway.reconcile import catch_up as module
from gateway.reconcile import cursor as cursors
from tests.support.world import Doors, World
from tests.support.world import world as new_world

STORED = "select count(*) from tollbridge.delivery where source = 'stripe'"


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


async def _lose_a_renewal(world: World) -> str:
    """A renewal of which no event arrives, a while after everything was walked; its id."""
    signup = await world.signup("ok")
    await world.later(days=27)
    await world.catch_up()
    await world.settle()
    world.stripe.delivery.set(drop=True)
    await world.later(days=4, hours=2)
    world.stripe.delivery.set(drop=False)
    return str(world.invoices_of(signup.subscription)[-1]["id"])


async def _cursor(walk: str) -> str:
    return str(await sql.value("select page_after from tollbridge.catch_up where walk = $1", walk))


async def test_between_two_walks_only_undelivered_events_are_listed(world: World) -> None:
    await world.signup("ok")
    await world.later(minutes=5)
    await world.catch_up()
    await world.later(minutes=5)
    assert await world.catch_up() == 0, "webhooks had brought everything"
    first, second = world.stripe_calls("GET", "/v1/events")
    assert second.params["delivery_success"] in (False, "false")
    assert int(second.params["created"]["lte"]) > int(first.params["created"]["lte"])


async def test_nothing_is_walked_before_its_time(world: World) -> None:
    await world.signup("ok")
    await world.later(hours=7)
    await world.catch_up()
    calls = len(world.stripe.calls)
    assert await world.catch_up() == 0
    assert len(world.stripe.calls) == calls


async def test_many_pages_over_several_turns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    renewal = await _lose_a_renewal(world)
    world.stripe.calls.clear()
    monkeypatch.setattr(lists, "PAGE", 1)
    monkeypatch.setattr(module, "MOST_PAGES", 1)
    before = await sql.value(STORED)
    for _ in range(30):
        await world.catch_up()
        if not await _cursor("events"):
            break
    asked = [call.params.get("starting_after") for call in world.stripe_calls("GET", "/v1/events")]
    assert len(asked) == len(set(asked)) >= 2, "no page twice"
    assert await sql.value(STORED) > before
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2


async def test_a_turn_that_dies_is_taken_up_where_it_was(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    renewal = await _lose_a_renewal(world)
    monkeypatch.setattr(lists, "PAGE", 1)
    pages: list[int] = []

    async def dying(account: str, events: Sequence[bytes]) -> int:
        new = await take_in(world.runtime.keyring, account, events)
        pages.append(len(events))
        if len(pages) == 2:
            raise RuntimeError("the process is gone")
        return new

    await module.catch_up(world.runtime, await business_now(), dying)
    cursor, stored = await _cursor("events"), await sql.value(STORED)
    assert cursor, "the first page was taken in"
    await module.catch_up(world.runtime, await business_now(), partial(take_in, world.runtime.keyring))
    assert cursor in [call.params.get("starting_after") for call in world.stripe_calls("GET", "/v1/events")]
    assert await sql.value(STORED) > stored
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_a_cursor_that_stripe_has_forgotten_begins_the_walk_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewal = await _lose_a_renewal(world)
    monkeypatch.setattr(lists, "PAGE", 1)
    monkeypatch.setattr(module, "MOST_PAGES", 1)
    await world.catch_up()
    await sql.rows("update tollbridge.catch_up set page_after = 'evt_forgotten' where walk = 'events'")
    monkeypatch.undo()
    await world.catch_up()
    assert await _cursor("events") == ""
    await world.catch_up()
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert await world.open_cases() == []


async def test_what_is_not_open_at_stripe_any_more_is_looked_at(world: World) -> None:
    signup, renewal = await world.renew("decline_lost_stolen")
    await world.catch_up()
    await world.settle()
    world.stripe.delivery.set(drop=True)
    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.later(hours=7)
    assert (await world.gateway_invoice(renewal))["status"] == "open"
    world.stripe_account().events.clear()
    assert await world.catch_up() == 2
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "closed"
    assert not (await world.access(signup.subscription))["granted"]
    await world.later(hours=7)
    assert await world.catch_up() == 0


async def test_a_key_that_may_not_list_is_put_before_a_human(world: World) -> None:
    await world.signup("ok")
    world.stripe.faults.add("error_before", method="GET", path="/v1/events", status=403, times=5)
    await world.later(minutes=6)
    for _ in range(5):
        assert await world.open_cases() == []
        await world.catch_up()
    assert await world.open_cases() == ["catch_up_failed"]
    await world.catch_up()
    assert await world.open_cases() == [], "closed by itself"


async def test_whoever_was_slower_than_its_claim_writes_nothing_over_it(world: World) -> None:
    await world.signup("ok")
    await world.later(minutes=6)
    now = await business_now()
    [(account, walk, done_to)] = [one for one in await cursors.due(now) if one[1] is Walk.EVENTS]
    slow = await cursors.take(account, walk, done_to, now, 0.0)
    assert slow is not None
    await world.catch_up()
    assert await cursors.fail(slow, page_after="evt_old", counts=True) == 0
    async with DB.transaction():
        with pytest.raises(cursors.LostError):
            await cursors.turn_page(slow, "evt_old", 60)
        with pytest.raises(cursors.LostError):
            await cursors.finish(slow)
    row = await sql.row("select done_to, began_at, page_after, failures from tollbridge.catch_up where walk = 'events'")
    assert tuple(row or ())[1:] == (None, "", 0)
