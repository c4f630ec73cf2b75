"""The worker as a whole: its lanes and timers, and an end in bounded time.

stop = asyncio.Event()
stop_on_signals(stop)
await work(settings, keyring, stop)
"""

from __future__ import annotations

import asyncio
import signal
from functools import partial
from typing import Final

import structlog

from db.encryption import Keyring
from db.engine import DB
from db.outbox import ENTRYPOINT as DELIVER
from db.poke import ENTRYPOINT as ADVANCE
from gateway.inbox.intake import ENTRYPOINT as ROUTE
from gateway.inbox.route import Router
from gateway.outbound.deliver import Deliverer
from gateway.outbound.post import posting
from gateway.runtime import Runtime, running
from gateway.settings import Settings
from gateway.workers.entrypoints import advance_job, deliver_job, route_job
from gateway.workers.lanes import run_lane
from gateway.workers.timers import BEAT_S, BOOKS_S, CATCH_UP_S, beating, catching_up, every, reconciling, sweeping

log = structlog.get_logger()

ROUTES_AT_ONCE: Final = 4
ENDPOINTS_AT_ONCE: Final = 10
DRAIN_S: Final = 25.0
"""How long jobs under way may take after `stop`; a container is usually killed after 30 s."""


async def work(settings: Settings, keyring: Keyring, stop: asyncio.Event) -> None:
    """Work until `stop`, then finish what is under way, for 25 s at most.

    The database must be configured; its pool is opened here. Raises db.errors.DatabaseUnavailableError if it can't be
    reached at the start; what happens to it later is survived.
    """
    await DB.open_pool()
    try:
        async with running(settings, keyring) as runtime, posting(private=settings.outbound_private) as poster:
            await _work(runtime, Deliverer(runtime, poster), stop)
    finally:
        await DB.close_pool()


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT set `stop`."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def _work(runtime: Runtime, deliverer: Deliverer, stop: asyncio.Event) -> None:
    settings, beat = runtime.settings, beating()
    # How long nobody worked must stand there before anything is charged or given up: now, and after an outage of the
    # database, in which no beat was stored.
    lane = partial(run_lane, before=beat)
    tasks = [
        asyncio.create_task(lane(ROUTE, partial(route_job, Router(runtime)), ROUTES_AT_ONCE, stop), name="route"),
        asyncio.create_task(lane(ADVANCE, partial(advance_job, runtime), settings.workers, stop), name="advance"),
        asyncio.create_task(lane(DELIVER, partial(deliver_job, deliverer), ENDPOINTS_AT_ONCE, stop), name="deliver"),
        asyncio.create_task(every(BEAT_S, "beat", beat, stop), name="beat"),
        asyncio.create_task(every(settings.sweep_interval_s, "sweep", sweeping(runtime), stop), name="sweep"),
        asyncio.create_task(every(CATCH_UP_S, "catch_up", catching_up(runtime), stop), name="catch_up"),
        asyncio.create_task(every(BOOKS_S, "books", reconciling(runtime), stop), name="books"),
    ]
    ended = asyncio.create_task(stop.wait())
    log.info("worker_started", at_once=settings.workers)
    try:
        # None of them ends before `stop`; if one does, the worker must not live on as half of itself.
        await asyncio.wait([*tasks, ended], return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        _, late = await asyncio.wait(tasks, timeout=DRAIN_S)
        if late:
            log.warning("worker_stopped_in_the_middle", tasks=sorted(task.get_name() for task in late))
    finally:
        for task in (*tasks, ended):
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
