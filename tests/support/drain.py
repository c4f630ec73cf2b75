"""The worker's turns without a worker: sweep, then run the queued jobs in a fixed order, until nothing wants work.

It runs the product's own functions on what the product has queued; only PgQueuer is left out, and with it every race.
What escapes from them fails the test, where a worker would log it and go on.
"""

from __future__ import annotations

import msgspec

from db import sql
from db.poke import ENTRYPOINT as ADVANCE
from db.poke import WakeUp
from db.queue import SETTINGS
from gateway.clock import business_now
from gateway.inbox.intake import ENTRYPOINT as ROUTE
from gateway.inbox.route import route_deliveries
from gateway.runtime import Runtime
from gateway.workers.entrypoints import advance
from gateway.workers.sweep import sweep

STORED = """
    select id from tollbridge.delivery where state = 'stored' and (try_at is null or try_at <= $1) order by id
"""
TAKE = f"delete from {SETTINGS.qualified.queue_table} returning entrypoint, payload"


async def drain(runtime: Runtime, *, limit: int = 200, seen: list[bytes] | None = None) -> int:
    """Do all there is to do now; returns how many jobs that took. Fails if it does not end within `limit` rounds.

    The payloads of the jobs are added to `seen`.
    """
    worked = 0
    for _ in range(limit):
        now = await business_now()
        # Those too whose job died with its worker: PgQueuer would give it to another one after a while.
        stored = {row["id"] for row in await sql.rows(STORED, now)}
        await sweep(runtime, now)
        jobs = [(job["entrypoint"], bytes(job["payload"])) for job in await sql.rows(TAKE)]
        if seen is not None:
            seen.extend(payload for _, payload in jobs)
        for payload in (payload for entrypoint, payload in jobs if entrypoint == ROUTE):
            stored.update(msgspec.json.decode(payload, type=list[str]))
        wanting = sorted({payload for entrypoint, payload in jobs if entrypoint == ADVANCE})
        if not stored and not wanting:
            return worked
        worked += len(stored) + len(wanting)
        await route_deliveries(runtime, sorted(stored))
        for payload in wanting:
            await advance(runtime, msgspec.json.decode(payload, type=WakeUp))
    raise AssertionError(f"after {limit} rounds there is still work: something wakes itself for ever")
