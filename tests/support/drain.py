"""The worker's turns without a worker: sweep, then run the queued jobs in a fixed order, until a sweep
finds nothing.

It runs the product's own functions on what the product has queued; only PgQueuer is left out, and with it every race.
What escapes from them fails the test, where a worker would log it and go on, unless the test says that it `survives`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from db import sql
from db.outbox import ENTRYPOINT as DELIVER
from db.poke import ENTRYPOINT as ADVANCE
from db.poke import WakeUp
from db.queue import SETTINGS
from gateway.clock import business_now
from gateway.inbox.intake import ENTRYPOINT as ROUTE
from gateway.inbox.route import Router
from gateway.outbound.deliver import Deliverer
from gateway.outbound.post import posting
from gateway.runtime import Runtime
from gateway.workers.entrypoints import advance, advance_job, deliver_job, route_job
from gateway.workers.sweep import sweep

STORED = """
    select id from tollbridge.delivery where state = 'stored' and (try_at is null or try_at <= $1)
      and account in (select a.id from tollbridge.account a where a.enabled) order by id
"""
TAKE = f"delete from {SETTINGS.qualified.queue_table} returning entrypoint, payload"


async def drain(
    runtime: Runtime, *, limit: int = 200, seen: list[bytes] | None = None, survives: bool = False, at_once: int = 1
) -> int:
    """Do all there is to do now; returns how many jobs that took. Fails if it does not end within `limit` rounds.

    The payloads of the jobs are added to `seen`. With `at_once` above one their order is left to chance.
    """
    turn = _Forgiving(runtime) if survives else _Strict(runtime)
    worked = 0
    for turns in range(limit):
        now = await business_now()
        # Those too whose job died with its worker: PgQueuer would give it to another one after a while.
        stored = {row["id"] for row in await sql.rows(STORED, now)}
        # What has fallen due meanwhile comes along with the first jobs; then a sweep says that nothing is left.
        jobs = await _taken() if turns else []
        if not turns or not (stored or jobs):
            await turn.sweep(now)
            jobs = await _taken()
        if seen is not None:
            seen.extend(payload for _, payload in jobs)
        for payload in (payload for entrypoint, payload in jobs if entrypoint == ROUTE):
            stored.update(msgspec.json.decode(payload, type=list[str]))
        wanting = sorted({payload for entrypoint, payload in jobs if entrypoint == ADVANCE})
        endpoints = sorted({payload for entrypoint, payload in jobs if entrypoint == DELIVER})
        if not stored and not wanting and not endpoints:
            return worked
        worked += len(stored) + len(wanting) + len(endpoints)
        await turn.route(sorted(stored))
        for some in batched(wanting, at_once):
            if at_once == 1:
                await turn.advance(*some)
            else:
                await asyncio.gather(*map(turn.advance, some))
        await turn.deliver(endpoints)
    raise AssertionError(f"after {limit} rounds there is still work: something wakes itself for ever")


async def _taken() -> list[tuple[str, bytes]]:
    return [(job["entrypoint"], bytes(job["payload"])) for job in await sql.rows(TAKE)]


def batched(payloads: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    """In their order, so many together."""
    for begin in range(0, len(payloads), size):
        yield payloads[begin : begin + size]


class _Strict:
    """What escapes is a defect."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    async def sweep(self, now: datetime) -> None:
        await sweep(self.runtime, now)

    async def route(self, ids: list[str]) -> None:
        await Router(self.runtime).route(ids)

    async def advance(self, payload: bytes) -> None:
        await advance(self.runtime, msgspec.json.decode(payload, type=WakeUp))

    async def deliver(self, endpoints: list[bytes]) -> None:
        if not endpoints:
            return
        async with posting(private=self.runtime.settings.outbound_private) as poster:
            for endpoint in endpoints:
                await Deliverer(self.runtime, poster).deliver(msgspec.json.decode(endpoint, type=str))


class _Forgiving(_Strict):
    """What escapes is logged, and the sweep repairs it: for a test that breaks connections on purpose."""

    async def sweep(self, now: datetime) -> None:
        with suppress(Exception):  # as the worker's timers do
            await sweep(self.runtime, now)

    async def route(self, ids: list[str]) -> None:
        await route_job(Router(self.runtime), msgspec.json.encode(ids))

    async def advance(self, payload: bytes) -> None:
        await advance_job(self.runtime, payload)

    async def deliver(self, endpoints: list[bytes]) -> None:
        if not endpoints:
            return
        async with posting(private=self.runtime.settings.outbound_private) as poster:
            for endpoint in endpoints:
                await deliver_job(Deliverer(self.runtime, poster), endpoint)
