"""Coming to rest: webhooks are delivered, the worker works and clocks move on, until nothing is left to do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from db import sql
from db.queue import SETTINGS
from gateway.clock import business_now, move_clock
from gateway.inbox.intake import Listed
from gateway.inbox.route import Router
from gateway.reconcile.catch_up import catch_up
from gateway.runtime import Runtime
from gateway.sandbox.practice import PracticeProcessor
from gateway.sandbox.stripe import StripeSandbox
from tests.support import points
from tests.support.canaries import Record
from tests.support.crash import let_claims_run_out
from tests.support.drain import drain
from tests.support.process import DeadProcessError, Process

T = TypeVar("T")

ROUNDS = 40
POLL_S = 0.005
SWEPT_EVERY = 20
WANTED = f"""
    select exists (select from {SETTINGS.qualified.queue_table})
        or exists (select from tollbridge.delivery where state = 'stored')
"""


class Resting:
    """What a world does by itself."""

    stripe: StripeSandbox
    practice: PracticeProcessor
    runtime: Runtime
    record: Record
    kills: int

    async def settle(self) -> None:
        """Deliver every webhook, let the worker do everything there is to do, until nothing moves."""
        kills, rests = self.kills, False
        for _ in range(ROUNDS):
            sent = (await self.stripe.flush()).sent + (await self.practice.flush()).sent
            if rests and not sent:
                return
            worked = await self.work()
            if not sent and not worked:
                return
            kills, rests = self.kills, self.kills == kills  # one that was killed has left something
        raise AssertionError("the world does not come to rest")

    async def work(self) -> bool:
        """Everything that a worker finds to do now. One that is killed on the way is replaced by a new one."""
        if not points.watched():
            return bool(await drain(self.runtime, seen=self.record.payloads))
        worker = Process("worker", self.kills)
        try:
            return bool(await worker.run(self._work_in(worker)))
        except DeadProcessError:
            self.kills += 1
            await worker.end_sessions()
            await let_claims_run_out()
            return True

    async def _work_in(self, worker: Process) -> int:
        """A worker that may die has sessions of its own, which die with it."""
        await worker.connect()
        try:
            return await drain(self.runtime, seen=self.record.payloads)
        finally:
            await worker.pool.close()

    async def hear(self) -> None:
        """Deliver and route every webhook, and nothing more: the objects that they poke wait for a worker."""
        await self.stripe.flush()
        await self.practice.flush()
        stored = await sql.rows("select id from tollbridge.delivery where state = 'stored' order by id")
        await Router(self.runtime).route([row["id"] for row in stored])

    async def during(self, request: Awaitable[T]) -> T:
        """Answer a request that waits on the worker, while the worker works."""
        task, polls = asyncio.ensure_future(request), 0
        while not task.done():
            # What falls due meanwhile the sweep finds, now and then.
            if polls % SWEPT_EVERY == 0 or await sql.value(WANTED):
                await self.work()
            await asyncio.wait({task}, timeout=POLL_S)
            polls += 1
        return task.result()

    async def later(self, **by: float) -> None:
        """Move every clock on, then come to rest."""
        await self.move(**by)
        await self.settle()

    async def move(self, **by: float) -> None:
        """Move every clock on, and nothing else."""
        seconds = int(timedelta(**by).total_seconds())
        self.stripe.advance(seconds)
        self.practice.advance(seconds)
        await move_clock(timedelta(seconds=seconds))

    async def catch_up(self) -> int:
        """What the catch-up timer does in a turn: walk Stripe's lists, as far as a walk is due; how much was new."""
        return await catch_up(self.runtime, await business_now(), Listed(self.runtime.keyring))
