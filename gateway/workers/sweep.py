"""The sweep: every object, delivery and endpoint whose wake-up was lost, late or never sent, is woken.

It is what makes the queue expendable: counters, due times and claims stand in rows, and whatever they ask
for is found here. An erasure that its server has left unfinished is finished here too, since it is of no object that
could be woken. It calls nobody and decides nothing.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from db import outbox, poke, sql
from db.engine import DB
from db.poke import Kind, WakeUp
from db.queue import SETTINGS
from gateway.customers import erase
from gateway.inbox import deliveries
from gateway.outbound.deliver import waiting_endpoints
from gateway.runtime import Runtime

LOCK_KEY: Final = 7_236_611_905
PAGE: Final = 1_000
PAGES: Final = 20
DELIVERIES_PER_JOB: Final = 100
MOST_QUEUED: Final = 20_000
"""Beyond this many queued jobs the workers are behind already, and more wake-ups would only be more rows."""

LOCK = "select pg_try_advisory_xact_lock($1)"
QUEUED = f"select count(*) from (select 1 from {SETTINGS.qualified.queue_table} where status = 'queued' limit $1) q"  # noqa: S608


async def sweep(runtime: Runtime, now: datetime) -> int:
    """Wake what wants a worker at `now`, business time; returns how many. Nothing while another process sweeps.

    Finishes the erasures that were left, too.
    """
    woken = await _wake(now)
    await erase.finish_begun(runtime, now)
    return woken


async def _wake(now: datetime) -> int:
    """The lock is the transaction's: a holder that hangs loses it with its idle transaction, after a minute at most."""
    async with DB.transaction():
        if not await sql.value(LOCK, LOCK_KEY):
            return 0
        if int(await sql.value(QUEUED, MOST_QUEUED)) >= MOST_QUEUED:
            return 0
        return await _objects(now) + await _deliveries(now) + await _endpoints(now)


async def _objects(now: datetime) -> int:
    """Page by page: the rows stay as they are until a worker gets there, so the limit grows."""
    seen: set[WakeUp] = set()
    kinds = list(Kind)
    for page in range(1, PAGES + 1):
        found = await poke.lost_wake_ups(kinds, now, page * PAGE)
        new = [wake_up for wake_up in found if wake_up not in seen]
        await poke.wake(new)
        seen.update(new)
        of_kind = Counter(wake_up.kind for wake_up in found)
        kinds = [kind for kind in kinds if of_kind[kind] == page * PAGE]
        if not new or not kinds:
            break
    return len(seen)


async def _deliveries(now: datetime) -> int:
    ids = await deliveries.lost_deliveries(now, PAGE)
    for start in range(0, len(ids), DELIVERIES_PER_JOB):
        await deliveries.wake(ids[start : start + DELIVERIES_PER_JOB])
    return len(ids)


async def _endpoints(now: datetime) -> int:
    ids = await waiting_endpoints(now, PAGE)
    await outbox.wake(ids)
    return len(ids)
