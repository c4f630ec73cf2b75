"""A lane: one PgQueuer manager with one entry point, on its own connection, started again whenever it fails.

Routing has a lane of its own, so that webhooks are routed while every slot for invoices waits for a slow processor.
What PgQueuer needs to be told was found by trying it: bare, it ends when PostgreSQL restarts;
a lost listener is noticed late; a handler longer than the heartbeat's time-out is run twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, TypeAlias

import msgspec
import pgqueuer
from pgqueuer.core.qm import QueueManager
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.types import Channel

from db.engine import CLOSE_TIMEOUT_S, DB
from db.errors import DatabaseUnavailableError
from db.queue import SETTINGS, queries_over

DEQUEUE_TIMEOUT: Final = timedelta(seconds=5)
"""How long a wake-up may go unnoticed when its notification was lost."""
HEARTBEAT: Final = timedelta(seconds=10)
"""A killed worker's jobs run elsewhere after this."""
RESTART_DELAY: Final = timedelta(seconds=1)
LARGEST_BATCH: Final = 50
BREATH_S: Final = 0.02
"""Between two looks at the queue at least. Every job makes several notices, and every lane of every worker hears them
all: without a breath most looks find nothing, and they were two thirds of all statements in a burst."""
FULL_LOOK: Final = timedelta(milliseconds=100)
"""Until the next look while all slots are taken: a slot that becomes free tells nobody."""

Handler: TypeAlias = Callable[[bytes | None], Awaitable[None]]


async def run_lane(
    entrypoint: str, handler: Handler, at_once: int, stop: asyncio.Event, *, before: Callable[[], Awaitable[None]]
) -> None:
    """Run jobs, `at_once` at a time, until `stop`; then finish those under way. `before` comes before each start.

    Cancelling it cancels its jobs, which PgQueuer then deletes: the sweep finds their objects again.
    """
    await pgqueuer.run(
        lambda: _manager(entrypoint, handler, before),
        dequeue_timeout=DEQUEUE_TIMEOUT,
        batch_size=min(LARGEST_BATCH, max(1, at_once // 2)),  # PgQueuer asks for room for two batches
        heartbeat_timeout=HEARTBEAT,
        max_concurrent_tasks=max(2, at_once),
        shutdown_on_listener_failure=True,
        restart_on_failure=True,
        restart_delay=RESTART_DELAY,
        shutdown=stop,
    )


class _Heard(msgspec.Struct, frozen=True):
    type: str = ""
    operation: str = ""


NEW_JOBS: Final = _Heard("table_changed_event", "insert")


class _Ear(AsyncpgDriver):
    """Of changes to the queue it hands on new jobs alone, and one notice of them between two looks."""

    heard = False

    async def add_listener(self, channel: str, callback: Callable[[str | bytes | bytearray], None]) -> None:
        def hand_on(payload: str | bytes | bytearray) -> None:
            notice = msgspec.json.decode(payload, type=_Heard)
            if notice.type == NEW_JOBS.type:
                if self.heard or notice != NEW_JOBS:
                    return
                self.heard = True
            callback(payload)

        await super().add_listener(channel, hand_on)


class _Lane(QueueManager):
    """A manager that looks at the queue when there is something to find."""

    looked_at = 0.0

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[Job, None]:
        await asyncio.sleep(max(0.0, self.looked_at + BREATH_S - time.monotonic()))
        self.looked_at = time.monotonic()
        ear = self.queries.driver
        assert isinstance(ear, _Ear)
        ear.heard = False
        async for job in super().fetch_jobs(batch_size, global_concurrency_limit, heartbeat_timeout):
            yield job

    async def _effective_dequeue_timeout(self, dequeue_timeout: timedelta) -> timedelta:
        """PgQueuer asks the database three things here, for the sake of delayed jobs, which we have none of."""
        return FULL_LOOK if self.job_context else dequeue_timeout


@asynccontextmanager
async def _manager(
    entrypoint: str, handler: Handler, before: Callable[[], Awaitable[None]]
) -> AsyncIterator[QueueManager]:
    connection = await DB.get_new_connection()
    lost = False
    try:
        await before()
        manager = _Lane(queries_over(_Ear(connection)), Channel(SETTINGS.channel))

        @manager.entrypoint(entrypoint, on_failure="hold")
        async def run(job: Job) -> None:
            await handler(job.payload)

        def end(_: object) -> None:
            # An idle manager would notice only at its next query.
            nonlocal lost
            lost = True
            manager.shutdown.set()

        connection.add_termination_listener(end)
        yield manager
        if lost:
            raise DatabaseUnavailableError(f"the connection of lane {entrypoint!r} was lost")
    finally:
        await connection.close(timeout=CLOSE_TIMEOUT_S)
