"""Setting up what sends us an account's events at Stripe: `tollbridge accounts setup-webhook`, and the API's way to it.

Asked again it finds what it made, by our rows and by our mark at Stripe, and mends it. It makes no second one, and
leaves none whose secret is not here: the secret is answered once, so where that answer was lost another is made,
stored, and only then the lost one removed. With `roll` a new one stands beside the old for a day, both secrets valid;
an event that both deliver is stored once, since it has one id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from db.engine import DB
from gateway.accounts import accounts, stripe_key, webhook_secrets
from gateway.accounts.accounts import Account
from gateway.accounts.audit import Author, bounded
from gateway.accounts.errors import CheckFailedError, FieldError
from gateway.billing import webhook_endpoints
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError, StripeForbiddenError
from gateway.billing.webhook_endpoints import Endpoint
from gateway.clock import business_now
from gateway.inbox import endpoint_rows
from gateway.inbox.endpoint_rows import BESIDE_FOR, Known
from gateway.runtime import Runtime
from processors.values import Secret

UNIMPORTANT: Final = "billing_portal.configuration.updated"
"""An event that nothing waits for."""


class SetUp(msgspec.Struct, frozen=True):
    """What was done to each endpoint, by its id at Stripe, and what is left to a human."""

    done: Mapping[str, str]
    notes: Sequence[str]


class _Work(msgspec.Struct, frozen=True):
    """What one run works on, and what it has done."""

    runtime: Runtime
    stripe: StripeClient
    by: Author
    account: Account
    url: str
    roll: bool
    done: dict[str, str] = {}
    notes: list[str] = []


class _Found(msgspec.Struct, frozen=True):
    """The endpoints of one kind that concern the account, as Stripe shows them.

    `serving`: the one that stays and whose deliveries are let in; `lost`: ours, and their secret is not here;
    `by_hand`: somebody else's at our address, of which we have no row; `elsewhere`: they bear our mark and send to
    another address. A mark is a hint (law 11): a copy of our database, restored elsewhere, has the account's id too.
    """

    serving: Endpoint | None
    lost: list[Endpoint]
    by_hand: list[Endpoint]
    elsewhere: list[Endpoint]


async def set_up(runtime: Runtime, by: Author, wanted: str, *, thin: bool | None = None, roll: bool = False) -> SetUp:
    """Have Stripe send this account's events here: as snapshots or thin, None for as it does now, at first snapshots.

    Raises NotThereError, FieldError, CheckFailedError where the key lacks the permission, and StripeError.
    """
    # The audit log would not take it, but only after Stripe has changed.
    bounded(by.reason)
    account = await accounts.show(wanted)
    if not runtime.settings.public_url and not account.api_base:
        raise FieldError("public_url", "set TOLLBRIDGE_PUBLIC_URL: Stripe must be told where it reaches us")
    await stripe_key.check(runtime, by, account.id)
    url = endpoint_rows.address(runtime, account.name)
    async with endpoint_rows.alone(account.id):
        account = await accounts.show(account.id)
        work = _Work(runtime, await runtime.stripe(account.id), by, account, url, roll)
        await _work(work, await _thin_now(account.id) if thin is None else thin)
    return SetUp(work.done, work.notes)


async def _work(work: _Work, thin: bool) -> None:
    kinds = endpoint_rows.events_of(thin=thin)
    try:
        for kind, events in kinds.items():
            if events:
                await _one_kind(work, events, thin=kind)
        if work.roll and not kinds.get(not thin):
            await _leave(work, thin=not thin)
    except StripeForbiddenError as error:
        raise CheckFailedError(f"{error}. {by_hand(work.account.name, work.url)}") from error


def by_hand(name: str, url: str) -> str:
    """What somebody does instead whose key may not."""
    return (
        f"Or by hand: in Stripe's Dashboard add a webhook endpoint for {url} with the events that "
        f"`tollbridge accounts show {name}` lists, and give its signing secret here: "
        f"tollbridge accounts update {name} --add-webhook-secret env:NAME"
    )


async def _thin_now(account: str) -> bool:
    staying = [one.thin for one in await endpoint_rows.known(account) if one.retire_at is None]
    return bool(staying) and all(staying)


async def _one_kind(work: _Work, events: Sequence[str], *, thin: bool) -> None:
    found = await _look(work, thin=thin)
    if found.serving is None and not work.roll:
        found = await _adopt(work, found)
    if found.serving is not None and not work.roll:
        await _mend(work, found.serving, events)
    else:
        await _make(work, events, found, thin=thin)
    await _remove_lost(work, found, thin=thin)
    for one in [] if work.roll else found.by_hand:
        work.notes.append(
            f"{one.id} was made for this address by somebody else, and its signing secret may not be here: "
            "delete it at Stripe, or add its secret"
        )
    for one in found.elsewhere:
        work.notes.append(
            f"{one.id} was made for this account and sends to {one.url}: where no other installation of yours is "
            "served by it, delete it at Stripe"
        )


async def _look(work: _Work, *, thin: bool) -> _Found:
    """What is at Stripe, beside what we know. What we knew of and is not there any more is forgotten."""
    there = {one.id: one for one in await webhook_endpoints.listed(work.stripe, thin=thin)}
    rows: dict[str, Known] = {}
    async with DB.transaction():
        for row in await endpoint_rows.known(work.account.id):
            if row.thin is not thin:
                continue
            if row.id in there and row.let_in:
                rows[row.id] = row
            else:
                await endpoint_rows.forget(work.by, work.account.id, row.id)
    unknown = [one for one in there.values() if one.id not in rows]
    return _Found(
        next((there[row.id] for row in rows.values() if row.retire_at is None), None),
        [one for one in unknown if one.made_for == work.account.id and one.url == work.url],
        [one for one in unknown if one.made_for != work.account.id and one.url == work.url],
        [one for one in unknown if one.made_for == work.account.id and one.url != work.url],
    )


async def _adopt(work: _Work, found: _Found) -> _Found:
    """Take what somebody made for our address where secrets were given to us, though which is its own is not told."""
    ours = {row.secret for row in await endpoint_rows.known(work.account.id)}
    given = [one for one in (await accounts.show(work.account.id)).webhook_secrets if one.id not in ours]
    if not found.by_hand or not given:
        return found
    one, *others = found.by_hand
    async with DB.transaction():
        await endpoint_rows.put(work.account.id, one, None)
        await _note(work, "stripe_endpoint.adopted", one)
    work.done[one.id] = "adopted"
    return _Found(one, found.lost, others, found.elsewhere)


async def _mend(work: _Work, one: Endpoint, events: Sequence[str]) -> None:
    if one.events == frozenset(events) and one.url == work.url and one.enabled:
        work.done.setdefault(one.id, "unchanged")
        return
    await webhook_endpoints.mend(work.stripe, one, work.url, events)
    async with DB.transaction():
        await _note(work, "stripe_endpoint.updated", one)
    work.done[one.id] = "updated"


async def _make(work: _Work, events: Sequence[str], found: _Found, *, thin: bool) -> None:
    """A new one, whose secret is here before anything else is done. What it takes the place of goes a day later.

    Until then it has no event that Stripe waits for: while an endpoint refuses those, nothing is finalized.
    """
    account = work.account.id
    at_first = [f"v1.{UNIMPORTANT}" if thin else UNIMPORTANT]
    made = await webhook_endpoints.create(work.stripe, account, work.url, at_first, thin=thin)
    try:
        async with DB.transaction():
            if work.roll:
                await _retire(work, found, thin=thin)
            signing = await webhook_secrets.add(work.runtime.keyring, work.by, account, Secret(made.secret))
            await endpoint_rows.put(account, made, signing)
            await _note(work, "stripe_endpoint.added", made)
    except Exception:
        with suppress(StripeError):
            await webhook_endpoints.remove(work.stripe, made.id, thin=thin)
        raise
    await webhook_endpoints.mend(work.stripe, made, work.url, events)
    work.done[made.id] = "created"


async def _leave(work: _Work, *, thin: bool) -> None:
    """The kind that was rolled away from."""
    found = await _look(work, thin=thin)
    async with DB.transaction():
        await _retire(work, found, thin=thin)
    await _remove_lost(work, found, thin=thin)


async def _retire(work: _Work, found: _Found, *, thin: bool) -> None:
    """What there is of a kind goes a day later. In the caller's transaction."""
    await endpoint_rows.retire(work.account.id, thin=thin)
    for one in found.by_hand:
        await endpoint_rows.put(work.account.id, one, None, retire_at=await business_now() + BESIDE_FOR)


async def _remove_lost(work: _Work, found: _Found, *, thin: bool) -> None:
    for one in found.lost:
        await webhook_endpoints.remove(work.stripe, one.id, thin=thin)
        work.done[one.id] = "removed: its signing secret was lost"


async def _note(work: _Work, action: str, one: Endpoint) -> None:
    after = {"url": work.url, "thin": one.thin, "api_version": one.api_version}
    await work.by.note(work.account.id, action, one.id, name=work.account.name, after=after)
