"""A lane: one PgQueuer manager with one entry point, on its own connection, started again whenever it fails.

Routing has a lane of its own, so that webhooks are routed while every slot for invoices waits for a slow processor.
What PgQueuer needs to be told was found by trying it (facts of the stack, §3): bare, it ends when PostgreSQL restarts;
a lost listener is noticed late; a handler longer than the heartbeat's time-out is run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final, TypeAlias

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

Handler: TypeAlias = Callable[[bytes | None], Awaitable[None]]


async def run_lane(entrypoint: str, handler: Handler, at_once: int, stop: asyncio.Event) -> None:
    """Run jobs, at most `at_once` at a time, until `stop`; then finish those under way.

    Cancelling it cancels its jobs, which PgQueuer then deletes: the sweep finds their objects again.
    """
    await pgqueuer.run(
        lambda: _manager(entrypoint, handler),
        dequeue_timeout=DEQUEUE_TIMEOUT,
        batch_size=min(LARGEST_BATCH, max(1, at_once // 2)),  # PgQueuer asks for room for two batches
        heartbeat_timeout=HEARTBEAT,
        max_concurrent_tasks=max(2, at_once),
        shutdown_on_listener_failure=True,
        restart_on_failure=True,
        restart_delay=RESTART_DELAY,
        shutdown=stop,
    )


@asynccontextmanager
async def _manager(entrypoint: str, handler: Handler) -> AsyncIterator[QueueManager]:
    connection = await DB.get_new_connection()
    lost = False
    try:
        manager = QueueManager(queries_over(AsyncpgDriver(connection)), Channel(SETTINGS.channel))

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
