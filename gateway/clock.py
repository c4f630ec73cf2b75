"""The two times.

*Business time* is what due dates, ladders, polls and ages use: the system's time plus an offset that only the
sandbox's clock control moves. It is read from the database once for each job, and elsewhere whenever it is asked for,
so that every process agrees.
*Machine time* (claims, time-outs, signature tolerance) is never moved, and never read here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from db import sql
from db.engine import DB
from gateway.moment import forget, note, once

OFFSET = "business_clock"


class LiveClockError(Exception):
    """Business time is never moved beside a live account."""


async def business_now() -> datetime:
    """Business time, aware and in UTC."""
    return datetime.now(UTC) + await once(OFFSET, _offset)


def told_offset(offset_s: int) -> None:
    """The offset came along with what else was read: within a job it need not be asked for."""
    note(OFFSET, timedelta(seconds=offset_s))


async def _offset() -> timedelta:
    return timedelta(seconds=await sql.value("select offset_s from tollbridge.business_clock") or 0)


async def stood_for() -> timedelta | None:
    """For how long business time has run on by itself, in machine time; None where it was never moved."""
    stood: timedelta | None = await sql.value("select clock_timestamp() - moved_at from tollbridge.business_clock")
    return stood


async def move_clock(by: timedelta) -> datetime:
    """Move business time forward, for the sandbox; raises LiveClockError where any account is live."""
    async with DB.transaction():
        if await sql.value("select exists (select 1 from tollbridge.account where livemode)"):
            raise LiveClockError("business time can't be moved: this database holds a live account")
        await sql.rows("update tollbridge.business_clock set offset_s = offset_s + $1", int(by.total_seconds()))
    forget(OFFSET)
    return await business_now()
