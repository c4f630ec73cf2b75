"""The account's meters as we know them.

They are read again when an event of Stripe's or their age says so, in the stream's turn; and at once when a name comes
that we don't know, but not more often than every half minute, whoever asks.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec
import structlog

from db import sql
from db.engine import DB
from gateway.billing import lists
from gateway.billing.errors import StripeError
from gateway.billing.meters import MeterShape
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.domain.usage import Meter
from gateway.runtime import Runtime
from gateway.waiting import until

log = structlog.get_logger()

READ_EVERY: Final = timedelta(minutes=15)
"""Events of Stripe's may be lost, or not subscribed to: older knowledge is refreshed beside the usage that comes."""
ASKED_EVERY: Final = timedelta(seconds=30)
"""A name that nobody has given to a meter must not cause a call each time it comes. Machine time."""
AGAIN: Final = timedelta(seconds=5)
"""The same, where Stripe has not answered."""
GIVEN_UP: Final = timedelta(seconds=20)
"""Whoever asked and has said nothing since is gone."""
ANSWER_S = 5.0
"""So long one request waits for the reading that another has begun."""

KNOWN: Final = """
    select distinct on (m.event_name) m.*, s.read_at from tollbridge.meter m
    left join tollbridge.usage_stream s on s.account = m.account and s.id = m.account
    where m.account = $1 and m.event_name = any($2) order by m.event_name, m.active desc, m.id
"""
UNKNOWN: Final = """
    select exists (select 1 from tollbridge.usage_stream where account = $1)
        and not exists (select 1 from tollbridge.meter where account = $1 and id = $2)
"""
STREAM: Final = """
    select answered_at >= asked_at as ended, answered from tollbridge.usage_stream where account = $1 and id = $1
"""
MAKE: Final = """
    insert into tollbridge.usage_stream (account, id, created_at) values ($1, $1, $2) on conflict do nothing
"""
ASK: Final = """
    update tollbridge.usage_stream set asked_at = clock_timestamp()
    where account = $1 and id = $1 and (asked_at is null or asked_at < clock_timestamp() - case
        when answered_at >= asked_at and answered then $2::interval
        when answered_at >= asked_at then $3::interval else $4::interval end)
    returning id
"""
UNANSWERED: Final = """
    update tollbridge.usage_stream set answered_at = clock_timestamp(), answered = false
    where account = $1 and id = $1
"""
HOLD: Final = "select id from tollbridge.usage_stream where account = $1 and id = $1 for no key update"
GONE: Final = "delete from tollbridge.meter where account = $1 and not (id = any($2))"
STORE: Final = """
    insert into tollbridge.meter (account, id, event_name, active, formula, customer_key, value_key, time_window)
    select $1, * from unnest($2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::text[])
    on conflict (account, id) do update set active = excluded.active, formula = excluded.formula,
        customer_key = excluded.customer_key, value_key = excluded.value_key, time_window = excluded.time_window
"""
READ: Final = """
    update tollbridge.usage_stream set read_at = $2, answered_at = clock_timestamp(), answered = true,
        -- What a poke has marked since is not for a request to clear.
        stale = case when $3::bigint is null then stale else poked <> $3 end
    where account = $1 and id = $1 and (read_at is null or read_at <= $2)
"""


class Known(msgspec.Struct, frozen=True):
    """The meters of some event names. `sound`: the names that have an active one. `old`: it is time to read again."""

    meters: dict[str, Meter]
    sound: frozenset[str]
    old: bool = False


async def known(account: str, names: Collection[str]) -> dict[str, Meter]:
    """Those of these event names, as they were read last; the active one where a name had several."""
    return {row["event_name"]: _meter(row) for row in await sql.rows(KNOWN, account, sorted(set(names)))}


async def for_names(account: str, names: Collection[str], now: datetime) -> Known:
    """Those of these event names, without asking Stripe."""
    rows = await sql.rows(KNOWN, account, sorted(set(names)))
    old = any(row["read_at"] is None or now - row["read_at"] > READ_EVERY for row in rows)
    sound = frozenset(row["event_name"] for row in rows if row["active"])
    return Known({row["event_name"]: _meter(row) for row in rows}, sound, old)


async def asked(runtime: Runtime, account: str) -> bool:
    """Read them from Stripe, since a name came that has no active one; whether they are known now as they have been
    within half a minute."""
    await sql.rows(MAKE, account, await business_now())
    if await sql.row(ASK, account, ASKED_EVERY, AGAIN, GIVEN_UP) is not None:
        try:
            await refresh(runtime, account)
        except StripeError as error:
            log.warning("meters_not_read", account=account, error=type(error).__name__)
            await sql.rows(UNANSWERED, account)
            return False
        return True

    async def look() -> asyncpg.Record | None:
        return await sql.row(STREAM, account)

    async def rests(row: asyncpg.Record | None) -> bool:
        return row is not None and bool(row["ended"])

    row = await until(rests, look, ANSWER_S)
    return row is not None and bool(row["ended"] and row["answered"])


async def learn(runtime: Runtime, account: str, meter: str) -> None:
    """Read them again if Stripe speaks of one that we don't know, and usage is sent from here. Raises StripeError."""
    if await sql.value(UNKNOWN, account, meter):
        await refresh(runtime, account)


async def refresh(runtime: Runtime, account: str, *, poked: int | None = None) -> None:
    """Read them all and keep them. `poked`: the counter that was read before, by whoever holds the stream.

    Raises StripeError.
    """
    asked_at = await business_now()
    with in_lane(Lane.MIRROR if poked is not None else Lane.CHECKOUT):
        shapes = await lists.meters(await runtime.stripe(account))
    async with DB.transaction():
        await sql.rows(HOLD, account)
        await sql.rows(GONE, account, [shape.id for shape in shapes])
        await sql.rows(STORE, account, *_columns(shapes))
        await sql.rows(READ, account, asked_at, poked)


def _columns(shapes: Collection[MeterShape]) -> list[list[object]]:
    rows = [
        (
            shape.id,
            shape.event_name,
            shape.status == "active",
            shape.default_aggregation.formula,
            shape.customer_mapping.event_payload_key,
            shape.value_settings.event_payload_key,
            shape.event_time_window or "",
        )
        for shape in shapes
    ]
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(7)]


def _meter(row: asyncpg.Record) -> Meter:
    return Meter(row["id"], row["event_name"], row["active"], row["formula"], row["customer_key"], row["value_key"])
