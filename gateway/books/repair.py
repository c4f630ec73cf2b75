"""What may mend a break: asking, or poking what then decides by itself. Never a second way of moving money.

Whether it did shows the next run. Who asks over HTTP only leaves a wish, which a worker heeds.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import structlog

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Repair, known
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.billing.errors import StripeError
from gateway.books import breaks
from gateway.books.settlements import fetch
from gateway.books.stripe_side import read_credit_notes
from gateway.clock import business_now
from gateway.collect.lookup import OF_ATTEMPT, all_of, look_up
from gateway.collect.outcomes import store_outcome
from gateway.logs import told
from gateway.runtime import Runtime
from gateway.waiting import until
from processors.errors import CallError
from processors.outcome import Found, NotFound

log = structlog.get_logger()

AT_ONCE: Final = 100
"""Wishes that a worker heeds in one turn."""

BREAK: Final = "select * from tollbridge.reconciliation_break where account = $1 and id = $2"
ASK: Final = """
    update tollbridge.reconciliation_break set repair_asked_at = coalesce(repair_asked_at, $3), repaired_by = $4
    where account = $1 and id = $2 and to_run is null returning id
"""
ASKED: Final = """
    select account, id, repaired_by from tollbridge.reconciliation_break
    where repair_asked_at is not null and to_run is null
      and account in (select a.id from tollbridge.account a where a.enabled) order by repair_asked_at limit $1
"""
DONE: Final = """
    update tollbridge.reconciliation_break
    set repair_asked_at = null, repaired_at = $3, repaired_by = $4, repair_outcome = $5
    where account = $1 and id = $2
"""


class BreakClosedError(Exception):
    """The books agree again: there is nothing to mend."""


async def ask_for(by: Author, account: str, wanted: str) -> None:
    """Leave the wish to mend a break. Raises NotThereError, BreakClosedError."""
    now = await business_now()
    async with DB.transaction():
        row = await sql.row(BREAK, account, wanted)
        if row is None:
            raise NotThereError("break", wanted)
        if await sql.row(ASK, account, wanted, now, by.name) is None:
            raise BreakClosedError(f"break {wanted} is gone")
        await by.note(account, "break.repair_asked", wanted, after={"repair": row["repair"]})


async def wait_for(account: str, wanted: str, wait_s: float) -> None:
    """Wait until a worker has tried, at most `wait_s` seconds of machine time."""

    async def tried(row: asyncpg.Record | None) -> bool:
        return row is None or row["repair_asked_at"] is None

    async def read() -> asyncpg.Record | None:
        return await sql.row(BREAK, account, wanted)

    await until(tried, read, wait_s)


async def heed(runtime: Runtime) -> int:
    """Mend what somebody wants mended; how many were tried."""
    asked = await sql.rows(ASKED, AT_ONCE)
    for row in asked:
        await mend(runtime, row["repaired_by"], row["account"], row["id"])
    return len(asked)


async def mend(runtime: Runtime, by: str, account: str, wanted: str) -> str:
    """Try the repair of a break; what came of it. Raises NotThereError, BreakClosedError."""
    row = await sql.row(BREAK, account, wanted)
    if row is None:
        raise NotThereError("break", wanted)
    if row["to_run"] is not None:
        raise BreakClosedError(f"break {wanted} is gone")
    now = await business_now()
    try:
        outcome = await _mend(runtime, row, now)
    except Exception as error:
        # Whatever it was: a wish that stays would be tried before every run of the books, and keep all others waiting.
        log.warning("repair_failed", account=account, id=wanted, error=type(error).__name__)
        outcome = f"failed: {told(error, CallError, StripeError)}"
    await sql.rows(DONE, account, wanted, await business_now(), by, sql.storable(outcome, 500))
    return outcome


async def _mend(runtime: Runtime, row: asyncpg.Record, now: datetime) -> str:
    account = row["account"]
    match known(Repair, row["repair"]):
        case Repair.LOOK_UP_CHARGE:
            return await _look_up(runtime, account, row["attempt"], now)
        case Repair.POKE_INVOICE:
            async with DB.transaction():
                await poke.poke(Kind.INVOICE, account, [row["invoice"]], now, stale=True)
            return "the invoice is about to be read"
        case Repair.READ_CREDIT_NOTES:
            await read_credit_notes(runtime, account, row["invoice"])
            return "its credit notes were read"
        case Repair.FETCH_SETTLEMENTS:
            fetched = await fetch(runtime, account, row["connection"])
            return fetched.error or f"{fetched.files} settlement files came, {len(fetched.refused)} were refused"
        case Repair.ASK_HUMAN:
            async with DB.transaction():
                await breaks.ask_human(row, now)
            return "a case was opened"


async def _look_up(runtime: Runtime, account: str, attempt: str, now: datetime) -> str:
    """Ask for the charge, as its attempt's resolver does, and store what the processor says of it."""
    row = await sql.row(OF_ATTEMPT, account, attempt)
    if row is None:
        raise NotThereError("attempt", attempt)
    match await look_up(runtime, row):
        case Found() as found:
            for outcome in all_of(found):
                await store_outcome(account, attempt, outcome, now, wake=True, proven=True)
            return f"the processor says: {type(found.outcome).__name__.lower()}"
        case NotFound():
            return "the processor shows no such charge"
        case failed:
            return f"the look-up failed: {failed.reason}"
