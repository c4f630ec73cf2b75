"""Accepting usage: each event once by its identifier, all that is right of a batch in one statement.

What was answered as accepted is committed, and Stripe is not asked for it: the account's stream sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from db.states import UsageState
from gateway.clock import business_now
from gateway.domain.usage import Owner, Refusal, Refused, Reported, Usage, checked
from gateway.runtime import Runtime
from gateway.usage import meters, owners
from gateway.usage.errors import UsageRefusedError

MOST: Final = 1000
"""Events in one batch."""

# In one order, so that two batches with the same identifiers never wait for each other crosswise.
INSERT: Final = """
    insert into tollbridge.usage_event
        (id, account, identifier, customer, subscription, event_name, value, used_at, state, created_at)
    select w.id, $1, w.identifier, w.customer, w.subscription, w.event_name, w.value, w.used_at, 'accepted', $9
    from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
        as w (id, identifier, customer, subscription, event_name, value, used_at)
    order by w.identifier
    on conflict (account, identifier) do nothing returning identifier, id
"""
STORED: Final = "select * from tollbridge.usage_event where account = $1 and identifier = any($2)"
TAKEN: Final = Refused(Refusal.TAKEN, "identifier", "stands for other usage already")
NOT_READ: Final = Refused(
    Refusal.UNAVAILABLE,
    "event_name",
    "Stripe can't be asked for its meter now: report it again, what is right is stored",
)


class Result(msgspec.Struct, frozen=True):
    """What became of one event; `id` and `state` where it is stored, now or since before."""

    identifier: str
    status: Literal["accepted", "duplicate", "refused"]
    id: str = ""
    state: UsageState | None = None
    refused: Refused | None = None


async def accept_one(runtime: Runtime, account: str, told: Reported) -> Result:
    """Accept what came alone; raises UsageRefusedError."""
    [result] = await accept(runtime, account, [told])
    if result.refused is not None:
        raise UsageRefusedError(result.refused)
    return result


async def accept(runtime: Runtime, account: str, told: Sequence[Reported]) -> list[Result]:
    """Accept what is right of these; one result for each, in their order.

    Raises UsageRefusedError where one could not be judged, since Stripe can't be asked: what is right is stored all the
    same, and the whole may be reported again.
    """
    now = await business_now()
    known = await meters.for_names(runtime, account, {one.event_name for one in told}, now)
    whose = await owners.find(account, told)
    judged = [_judged(one, known, whose[one.customer, one.subscription], now) for one in told]
    first: dict[str, Usage] = {}
    for one in judged:
        if isinstance(one, Usage):
            first.setdefault(one.identifier, one)
    new = await _store(account, list(first.values()), now, stale=known.old)
    stored = await _stored(account, [identifier for identifier in first if identifier not in new])
    results = [_result(*pair, first, new, stored) for pair in zip(told, judged, strict=True)]
    if any(result.refused is NOT_READ for result in results):
        raise UsageRefusedError(NOT_READ)
    return results


def _judged(told: Reported, known: meters.Known, owner: Owner | Refused, now: datetime) -> Usage | Refused:
    meter = known.meters.get(told.event_name)
    if not known.sure and not isinstance(owner, Refused) and (meter is None or not meter.active):
        return NOT_READ
    return checked(told, meter, owner, now)


async def _store(account: str, usage: Sequence[Usage], now: datetime, *, stale: bool) -> dict[str, str]:
    """Insert what is new; its ids by identifier."""
    if not usage:
        return {}
    columns = [
        sorted(new_id("use") for _ in usage),  # sent in the order of their ids
        [one.identifier for one in usage],
        [one.customer for one in usage],
        [one.subscription for one in usage],
        [one.event_name for one in usage],
        [one.value for one in usage],
        [one.used_at for one in usage],
    ]
    async with DB.transaction():
        new = {row["identifier"]: row["id"] for row in await sql.rows(INSERT, account, *columns, now)}
        if new:
            await poke.poke(Kind.USAGE, account, [account], now, stale=stale)
    return new


async def _stored(account: str, identifiers: Sequence[str]) -> dict[str, asyncpg.Record]:
    if not identifiers:
        return {}
    return {row["identifier"]: row for row in await sql.rows(STORED, account, list(identifiers))}


def _result(
    told: Reported,
    usage: Usage | Refused,
    first: dict[str, Usage],
    new: dict[str, str],
    stored: dict[str, asyncpg.Record],
) -> Result:
    if isinstance(usage, Refused):
        return Result(told.identifier, "refused", refused=usage)
    if (made := new.get(usage.identifier)) is not None:
        if usage is first[usage.identifier]:
            return Result(told.identifier, "accepted", made, UsageState.ACCEPTED)
        known, state = first[usage.identifier], UsageState.ACCEPTED
    else:
        row = stored[usage.identifier]
        made, known, state = row["id"], _usage(row), UsageState(row["state"])
    if not usage.same_as(known):
        return Result(told.identifier, "refused", refused=TAKEN)
    return Result(told.identifier, "duplicate", made, state)


def _usage(row: asyncpg.Record) -> Usage:
    return Usage(
        row["identifier"], row["customer"], row["subscription"], row["event_name"], row["value"], row["used_at"]
    )
