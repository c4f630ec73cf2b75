"""Runs: a comparison is asked for, by somebody or once a day, taken up by one process, and kept for ever.

A process that dies lets go when its claim runs out; whoever takes the run up then begins it again, under its number.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import asyncpg
import msgspec
import structlog

from db import sql
from db.engine import DB
from db.ids import new_id
from db.states import ReconciliationState, known
from gateway.accounts.audit import Author
from gateway.books.processor_side import Compared
from gateway.books.stripe_side import InvoicesCompared

log = structlog.get_logger()

EVERY: Final = timedelta(days=1)
CLAIM_S: Final = 120.0
BEAT_S: Final = 20.0
TIMER: Final = "timer"

# One at a time: whoever asks while one is wanted or under way is given that.
ASK: Final = """
    insert into tollbridge.reconciliation (id, account, number, state, asked_by, whole, live, created_at)
    select $1, $2, coalesce(max(number), 0) + 1, 'queued', $3, $4, $5, $6
    from tollbridge.reconciliation where account = $2
    on conflict do nothing returning *
"""
STANDING: Final = """
    select * from tollbridge.reconciliation where account = $1 and state in ('queued', 'running')
"""
# An account's first is a day after it was made: before there is nothing to compare.
DUE: Final = """
    select a.id from tollbridge.account a
    where a.enabled and greatest(a.created_at, (select max(r.created_at) from tollbridge.reconciliation r
                                                where r.account = a.id and r.asked_by = $2)) <= $1
"""
TAKE: Final = """
    update tollbridge.reconciliation set state = 'running', began_at = $2,
        claim_until = clock_timestamp() + make_interval(secs => $3)
    where id = (select r.id from tollbridge.reconciliation r
                where ($1 = '' or r.id = $1) and (r.state = 'queued' or r.state = 'running'
                    and r.claim_until < clock_timestamp())
                  and exists (select 1 from tollbridge.account a where a.id = r.account and a.enabled)
                order by r.created_at limit 1 for update skip locked)
    returning *
"""
HOLD: Final = """
    update tollbridge.reconciliation set claim_until = clock_timestamp() + make_interval(secs => $3)
    where id = $1 and state = 'running' and began_at = $2 returning id
"""
SINCE: Final = "update tollbridge.reconciliation set since_at = $2 where id = $1"
FINISH: Final = """
    update tollbridge.reconciliation set state = $3, summary = $4, error = $5, finished_at = $6, claim_until = null
    where id = $1 and state = 'running' and began_at = $2 returning id
"""
LAST: Final = """
    select began_at, summary from tollbridge.reconciliation
    where account = $1 and state = 'finished' order by number desc limit 1
"""

# The one of this number; without one, the last that is over.
NUMBERED: Final = """
    select * from tollbridge.reconciliation
    where account = $1 and (number = $2 or $2 is null and state in ('finished', 'failed'))
    order by number desc limit 1
"""


class LostError(Exception):
    """Another process has taken the run up: this one writes nothing more of it."""


class ConnectionSummary(msgspec.Struct, kw_only=True):
    """One connection's part of a run. `compared` is false where no settlement file ever came. What happened since
    `young_from` may be in transit."""

    id: str
    name: str
    compared: bool
    covered_from: datetime | None
    covered_to: datetime | None
    looked_at: datetime
    young_from: datetime
    files: int
    rows: int
    error: str
    result: Compared = msgspec.field(default_factory=Compared)


class Summary(msgspec.Struct, kw_only=True):
    """What a run came to. `breaks` are those that stand, by kind; `new` and `gone` since the run before."""

    connections: list[ConnectionSummary] = []
    invoices: InvoicesCompared = msgspec.field(default_factory=InvoicesCompared)
    breaks: dict[str, int] = {}
    new: int = 0
    gone: int = 0

    @property
    def open(self) -> int:
        return sum(self.breaks.values())


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run."""

    id: str
    account: str
    number: int
    state: ReconciliationState
    asked_by: str
    whole: bool
    live: bool
    since_at: datetime | None
    summary: Summary
    error: str
    created_at: datetime
    began_at: datetime | None
    finished_at: datetime | None


class Holding:
    """A run that this process holds."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._lost = False

    def check(self) -> None:
        """Raises LostError once another process holds it."""
        if self._lost:
            raise LostError(self.run.id)

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Say now and then that it is held, however long a statement takes."""
        beating = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beating.cancel()
            await asyncio.wait([beating])

    async def _beat(self) -> None:
        while not self._lost:
            await asyncio.sleep(BEAT_S)
            try:
                self._lost = await sql.row(HOLD, self.run.id, self.run.began_at, CLAIM_S) is None
            except Exception as error:  # the claim outlasts several that fail
                log.warning("run_not_held", id=self.run.id, error=type(error).__name__)


class Last(msgspec.Struct, frozen=True):
    """The last run that came to its end."""

    began_at: datetime
    summary: Summary


async def ask(by: Author, account: str, now: datetime, *, whole: bool = False, live: bool = False) -> Run:
    """Ask for a run; the one that is asked for already, or under way, is as good."""
    async with DB.transaction():
        row = await sql.row(ASK, new_id("rcn"), account, by.name, whole, live, now)
        if row is not None:
            told = {"whole": whole, "live": live}
            await by.note(account, "reconciliation.asked", row["id"], after=told)
            return run_of(row)
    row = await sql.row(STANDING, account)
    # It may have ended just now.
    return run_of(row) if row is not None else await ask(by, account, now, whole=whole, live=live)


async def ask_daily(now: datetime) -> int:
    """Ask for the run of every account whose last was a day ago; how many."""
    due = [row["id"] for row in await sql.rows(DUE, now - EVERY, TIMER)]
    for account in due:
        await ask(Author(TIMER), account, now, live=True)
    return len(due)


async def take(now: datetime, run: str = "") -> Holding | None:
    """Hold a run that is wanted (this one, or the oldest), or that a dead process left; None where there is none."""
    row = await sql.row(TAKE, run, now, CLAIM_S)
    return None if row is None else Holding(run_of(row))


async def last(account: str) -> Last | None:
    row = await sql.row(LAST, account)
    return None if row is None else Last(row["began_at"], msgspec.json.decode(row["summary"], type=Summary))


async def numbered(account: str, number: int | None) -> Run | None:
    """The run of this number, or the last that is over."""
    row = await sql.row(NUMBERED, account, number)
    return None if row is None else run_of(row)


async def finish(holding: Holding, summary: Summary, error: str, now: datetime) -> None:
    """The end of a run, in the caller's transaction; raises LostError."""
    DB.current("finishing a run")
    run = holding.run
    state = ReconciliationState.FAILED if error else ReconciliationState.FINISHED
    told = msgspec.json.encode(summary).decode()
    if await sql.row(FINISH, run.id, run.began_at, state, told, sql.storable(error, 500), now) is None:
        raise LostError(run.id)


async def note_since(run: str, since: datetime | None) -> None:
    await sql.rows(SINCE, run, since)


def run_of(row: asyncpg.Record) -> Run:
    """A run's row."""
    fields: dict[str, Any] = {name: row[name] for name in Run.__struct_fields__ if name not in ("state", "summary")}
    summary = msgspec.json.decode(row["summary"], type=Summary)
    return Run(**fields, state=known(ReconciliationState, row["state"]), summary=summary)
