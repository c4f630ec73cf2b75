"""The circuit breaker of a connection: while its processor does not answer, charges wait, and one at a time asks again.

Only charge calls count, since a processor may take no charges and still answer look-ups (or the other way round). What
was sent before the circuit opened is found out at its own pace; whatever answer a repeat of it gets closes the circuit.
An open circuit is downtime of the connection, from the first call of the run that had no answer.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import structlog

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from gateway.runtime import Runtime
from processors.outcome import ChargeOutcome, NotSent, Unknown

log = structlog.get_logger()

RUN_TO_OPEN: Final = 5
"""Calls in a row without an answer. Fewer are everyday: a restarted balancer, one lost packet, two invoices at once."""
RUN_GAP: Final = timedelta(hours=2)
"""Calls further apart are no run. A single invoice whose call was lost asks again within half an hour, mostly."""
PROBE_PAUSES: Final = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 600))
"""Before the first, second, ... probe; the last one repeats. Ten minutes more cost no invoice its due date, and a
processor that comes back is not met by everybody at once."""

FAILED: Final = """
    insert into tollbridge.circuit as c (connection, account, failures, failing_since, failed_at)
    values ($2, $1, 1, $3, $3)
    on conflict (connection) do update set failed_at = greatest(c.failed_at, $3),
        failures = case when c.opened_at is null and c.failed_at < $4 then 1 else c.failures + 1 end,
        failing_since = case when c.opened_at is null and c.failed_at < $4 then $3 else c.failing_since end
    returning failures, failing_since, opened_at
"""
OPEN: Final = "update tollbridge.circuit set opened_at = $2, probe_at = $3 where connection = $1"
DOWN: Final = """
    insert into tollbridge.downtime (connection, from_at) values ($1, $2) on conflict do nothing
"""
CLOSE: Final = "delete from tollbridge.circuit where connection = $1 returning opened_at"
UP: Final = """
    update tollbridge.downtime set until_at = greatest($2, from_at) where connection = $1 and until_at is null
"""
WAITING: Final = """
    select i.id from tollbridge.invoice i
    where i.account = $1 and i.status = 'open' and i.waits_for = 'processor'
      and exists (select 1 from tollbridge.payment_method p
                  where p.account = i.account and p.customer = i.customer and p.connection = $2
                    and p.status <> 'revoked')
"""
HOLD: Final = "select opened_at, probe_at, probes from tollbridge.circuit where connection = $1 for no key update"
PROBE: Final = "update tollbridge.circuit set probe_at = $2, probes = probes + 1 where connection = $1"


def is_answer(outcome: ChargeOutcome) -> bool:
    """Whether the processor said anything at all."""
    return not isinstance(outcome, Unknown) and not (isinstance(outcome, NotSent) and not outcome.answered)


async def heard(
    runtime: Runtime, account: str, connection: str, outcome: ChargeOutcome, now: datetime, *, was_failing: bool
) -> None:
    """Take note of what a charge call came to. `was_failing`: the view knew of calls without an answer.

    Where nothing fails this asks the database nothing.
    """
    if not is_answer(outcome):
        runtime.failing.add(connection)
        await _failed(account, connection, now)
    elif was_failing or connection in runtime.failing:
        runtime.failing.discard(connection)
        await _answered(account, connection, now)


async def take_probe(connection: str, now: datetime) -> bool:
    """Whether a charge may go out now: the circuit is closed, or this one is its next probe. In the caller's
    transaction, which writes the intent."""
    DB.current("a probe")
    row = await sql.row(HOLD, connection)
    if row is None or row["opened_at"] is None:
        return True
    if row["probe_at"] > now:
        return False
    await sql.rows(PROBE, connection, now + _pause(row["probes"] + 1))
    return True


async def _failed(account: str, connection: str, now: datetime) -> None:
    async with DB.transaction():
        row = await sql.row(FAILED, account, connection, now, now - RUN_GAP)
        assert row is not None
        if row["opened_at"] is not None or row["failures"] < RUN_TO_OPEN:
            return
        await sql.rows(OPEN, connection, now, now + _pause(0))
        await sql.rows(DOWN, connection, row["failing_since"])
    log.warning("circuit_opened", account=account, connection=connection, failures=row["failures"])


async def _answered(account: str, connection: str, now: datetime) -> None:
    async with DB.transaction():
        row = await sql.row(CLOSE, connection)
        if row is None or row["opened_at"] is None:
            return
        await sql.rows(UP, connection, now)
    # A transaction of its own: invoices are locked before circuits elsewhere. Those that it misses wake by the clock.
    async with DB.transaction():
        waiting = await sql.rows(WAITING, account, connection)
        await poke.poke(Kind.INVOICE, account, [row["id"] for row in waiting], now)
    log.info("circuit_closed", account=account, connection=connection, waiting=len(waiting))


def _pause(probes: int) -> timedelta:
    return PROBE_PAUSES[min(probes, len(PROBE_PAUSES) - 1)]
