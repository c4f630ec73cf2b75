"""One run: fetch what processors have settled, compare, keep what differs, and close what does no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final, TypeAlias

import asyncpg
import msgspec
import structlog

from db import cases, sql
from db.engine import DB
from db.states import BreakKind
from gateway.billing.errors import StripeError
from gateway.books import breaks, processor_side, runs, sources, stripe_side
from gateway.books.runs import ConnectionSummary, Holding, Last, LostError, Run, Summary
from gateway.books.settlements import Fetched, fetch
from gateway.clock import business_now
from gateway.connections import UnknownAdapterError, capabilities_of
from gateway.domain.breaks import Finding
from gateway.domain.case_kinds import CaseKind
from gateway.domain.invoice_books import REFUND_PATIENCE
from gateway.domain.matching import Standing
from gateway.domain.policy import Policy
from gateway.logs import told
from gateway.runtime import Runtime
from gateway.turns.cases import open_case
from processors.capabilities import Capabilities, Lookup
from processors.errors import CallError

log = structlog.get_logger()

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
OVERLAP: Final = timedelta(days=1)
"""Runs overlap: what one transaction stored while the last run looked bears an earlier time."""

CONNECTIONS: Final = "select * from tollbridge.connection where account = $1 order by priority, created_at, id"
POLICIES: Final = "select policies from tollbridge.account where id = $1"
STAND: Final = """
    select kind, count(*) as breaks, count(*) filter (where from_run = $2 and first_seen_at >= $3) as new
    from tollbridge.reconciliation_break where account = $1 and to_run is null group by kind
"""

Told: TypeAlias = Callable[[str, int], None]
"""Hears what is compared, and how much of it was since it last heard."""


def _nothing(_what: str, _more: int) -> None:
    return None


async def reconcile(runtime: Runtime, holding: Holding, progress: Told = _nothing) -> Summary:
    """Do a run to its end. One that comes to nothing says why, and the next compares what it did not."""
    run, now = holding.run, await business_now()
    try:
        async with holding.kept():
            summary = await _compare(runtime, holding, now, progress)
    except LostError:
        raise
    except Exception as error:
        reason = told(error, StripeError, CallError)
        log.error("reconciliation_failed", account=run.account, error=type(error).__name__, exc_info=error)
        async with DB.transaction():
            await runs.finish(holding, Summary(), reason, await business_now())
            await open_case(run.account, CaseKind.RECONCILIATION_FAILED, breaks.SUBJECT, reason, now)
        raise
    return summary


async def _compare(runtime: Runtime, holding: Holding, now: datetime, progress: Told) -> Summary:
    run = holding.run
    last = None if run.whole else await runs.last(run.account)
    since = None if last is None else last.began_at - OVERLAP - REFUND_PATIENCE
    await runs.note_since(run.id, since)
    policy = msgspec.json.decode(await sql.value(POLICIES, run.account), type=Policy)
    summary, found = Summary(), partial(_found, run, now)
    for row in await sql.rows(CONNECTIONS, run.account):
        summary.connections.append(await _connection(runtime, holding, row, policy, last, found, progress))
    heard = _hear(holding, "invoices", progress)
    summary.invoices = await stripe_side.compare(
        runtime, run.account, since, live=run.live, found=found, progress=heard
    )
    await _end(holding, summary, now)
    return summary


async def _connection(
    runtime: Runtime,
    holding: Holding,
    row: asyncpg.Record,
    policy: Policy,
    last: Last | None,
    found: processor_side.Found,
    progress: Told,
) -> ConnectionSummary:
    run, capabilities = holding.run, _capabilities(row["adapter"])
    fetched = Fetched()
    fetches = bool(row["enabled"] and capabilities is not None and capabilities.settlement_files)
    if fetches:
        fetched = await fetch(runtime, run.account, row["id"])
        await found(fetched.refused)
        if fetched.error:
            await breaks.keep(run.account, run.number, row["id"], BreakKind.SETTLEMENT_REFUSED)
    await sql.rows(sources.NAME_ROWS, run.account, row["id"])
    covered = await sql.row(sources.COVERED, run.account, row["id"])
    assert covered is not None
    standing = await _standing(row["id"], capabilities, policy, covered, fetches=fetches)
    summary = ConnectionSummary(
        id=row["id"],
        name=row["name"],
        compared=covered["files"] > 0,
        covered_from=standing.covered_from,
        covered_to=standing.covered_to,
        looked_at=standing.now,
        young_from=standing.now - standing.due_after,
        files=fetched.files,
        rows=fetched.rows,
        error=fetched.error,
    )
    if summary.compared:
        since, heard = _since(standing, last), _hear(holding, f"settlements of {row['name']}", progress)
        summary.result = await processor_side.compare(run.account, standing, since, run.number, found, heard)
    elif fetches:
        oldest = await sql.value(sources.OLDEST, run.account, row["id"])
        if oldest is not None and standing.now - oldest > standing.due_after:
            await found([processor_side.late(standing, oldest)])
    return summary


async def _standing(
    connection: str, capabilities: Capabilities | None, policy: Policy, covered: asyncpg.Record, *, fetches: bool
) -> Standing:
    usual = capabilities.settlement if capabilities else timedelta()
    return Standing(
        connection=connection,
        now=await business_now(),
        due_after=usual + timedelta(days=policy.settlement_margin_days),
        covered_from=covered["covered_from"],
        covered_to=covered["covered_to"],
        can_look_up=capabilities is not None and capabilities.lookup is not Lookup.NONE,
        can_fetch=fetches,
    )


def _since(standing: Standing, last: Last | None) -> datetime:
    """From when on what came is compared: all that the last run could not judge for good, be it that it was in transit
    then, or that no file told of it yet."""
    was = next((c for c in last.summary.connections if c.id == standing.connection), None) if last else None
    if last is None or was is None or was.covered_from is None or was.covered_to is None:
        return BEGINNING
    if standing.covered_from is None or standing.covered_from < was.covered_from:
        return BEGINNING
    return min(last.began_at, was.covered_to) - standing.due_after - OVERLAP


def _hear(holding: Holding, what: str, progress: Told) -> Callable[[int], Awaitable[None]]:
    async def heard(more: int) -> None:
        progress(what, more)
        holding.check()

    return heard


async def _found(run: Run, now: datetime, findings: Sequence[Finding]) -> None:
    await breaks.store(run.account, run.number, findings, now)


async def _end(holding: Holding, summary: Summary, now: datetime) -> None:
    """Close what is gone, count what stands, and say so: an open case while anything differs."""
    run = holding.run
    async with DB.transaction():
        summary.gone = await breaks.close(run.account, run.number, now)
        rows = await sql.rows(STAND, run.account, run.number, now)
        summary.breaks = dict(sorted(Counter({row["kind"]: int(row["breaks"]) for row in rows}).items()))
        summary.new = sum(int(row["new"]) for row in rows)
        await runs.finish(holding, summary, "", await business_now())
        await cases.close_by_itself(run.account, breaks.SUBJECT, [CaseKind.RECONCILIATION_FAILED], now)
        await breaks.see_to_case(run.account, now)


def _capabilities(adapter: str) -> Capabilities | None:
    """None for an adapter that is not installed any more: what it moved stands in the ledger all the same."""
    try:
        return capabilities_of(adapter)
    except UnknownAdapterError:
        return None
