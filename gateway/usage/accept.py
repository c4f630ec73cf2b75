"""Accepting usage: each event once by its identifier, all that an account has reported meanwhile in one transaction.

What was answered as accepted is committed, and Stripe is not asked for it: the account's stream sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
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
from gateway.usage import meters, owners

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


class Report(msgspec.Struct, frozen=True):
    """What one caller has reported. `asked`: whether Stripe, asked because of it, has shown its meters; None: it was
    not asked."""

    told: Sequence[Reported]
    asked: bool | None = None


class Result(msgspec.Struct, frozen=True):
    """What became of one event; `id` and `state` where it is stored, now or since before."""

    identifier: str
    status: Literal["accepted", "duplicate", "refused"]
    id: str = ""
    state: UsageState | None = None
    refused: Refused | None = None


async def accept(account: str, reports: Sequence[Report]) -> list[list[Result] | None]:
    """Accept what is right of all these; for each report the results of its events, in their order.

    None: nothing was done with it, since it names a meter for which Stripe must be asked first. The others don't wait
    for that.
    """
    now = await business_now()
    known = await meters.for_names(account, {one.event_name for report in reports for one in report.told}, now)
    ready = [report for report in reports if _is_ready(report, known)]
    told = [one for report in ready for one in report.told]
    whose = await owners.find(account, told)
    judged = [
        _judged(one, known, whose[one.customer, one.subscription], now, asked=report.asked)
        for report in ready
        for one in report.told
    ]
    first: dict[str, Usage] = {}
    for one in judged:
        if isinstance(one, Usage):
            first.setdefault(one.identifier, one)
    new = await _store(account, list(first.values()), now, stale=known.old)
    stored = await _stored(account, [identifier for identifier in first if identifier not in new])
    results = iter([_result(*pair, first, new, stored) for pair in zip(told, judged, strict=True)])
    return [list(islice(results, len(one.told))) if _is_ready(one, known) else None for one in reports]


def _is_ready(report: Report, known: meters.Known) -> bool:
    return report.asked is not None or all(one.event_name in known.sound for one in report.told)


def _judged(
    told: Reported, known: meters.Known, owner: Owner | Refused, now: datetime, *, asked: bool | None
) -> Usage | Refused:
    if asked is False and not isinstance(owner, Refused) and told.event_name not in known.sound:
        return NOT_READ
    return checked(told, known.meters.get(told.event_name), owner, now)


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
