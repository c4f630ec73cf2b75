"""The timers of a worker: each turn reads business time, does its part, and survives whatever happens to it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import date, datetime, timedelta
from typing import Final, TypeAlias

import structlog

from db import sql
from db.ids import new_id
from gateway.books import repair, runs
from gateway.books.reconcile import reconcile
from gateway.clock import business_now
from gateway.inbox.endpoint_rows import retire_due
from gateway.inbox.intake import Listed
from gateway.reconcile.catch_up import catch_up
from gateway.runtime import Runtime
from gateway.workers.purge import purge
from gateway.workers.sweep import sweep

log = structlog.get_logger()

BEAT_S: Final = 10.0
CATCH_UP_S: Final = 60.0
BOOKS_S: Final = 10.0

Turn: TypeAlias = Callable[[], Awaitable[None]]

SILENCE: Final = timedelta(minutes=1)
"""Without a beat of any worker for longer, nobody worked: six beats of each were missed."""

BEAT = "select tollbridge.beat($1, $2)"


async def every(seconds: float, name: str, turn: Turn, stop: asyncio.Event) -> None:
    """Take a turn at once and then every so many seconds of machine time, until `stop`. A turn that raises is logged.

    Slightly irregular, so that processes that were started together don't stay together.
    """
    while not stop.is_set():
        try:
            await turn()
        except Exception as error:
            log.warning("timer_failed", timer=name, error=type(error).__name__)
        try:
            async with asyncio.timeout(seconds * random.uniform(0.9, 1.1)):
                await stop.wait()
        except TimeoutError:
            continue


def beating() -> Turn:
    """Says that this worker lives, and after a gap for how long nobody did: that is downtime of ours (law 7)."""
    worker = new_id("wrk")

    async def beat() -> None:
        gap: timedelta | None = await sql.value(BEAT, worker, SILENCE)
        if gap is not None:
            log.warning("nobody_worked", for_s=round(gap.total_seconds()))

    return beat


def catching_up(runtime: Runtime) -> Turn:
    """Walks Stripe's lists on, where a walk is due; and removes the endpoints there that others have replaced."""

    async def turn() -> None:
        await retire_due(runtime, await business_now())
        new = await catch_up(runtime, await business_now(), Listed(runtime.keyring))
        if new:
            log.info("caught_up", new=new)

    return turn


def reconciling(runtime: Runtime) -> Turn:
    """Mends what somebody asked to be mended, and compares the books: once a day, and when somebody asks."""

    async def turn() -> None:
        now = await business_now()
        await repair.heed(runtime)
        await runs.ask_daily(now)
        holding = await runs.take(now)
        if holding is not None:
            summary = await reconcile(runtime, holding)
            log.info("reconciled", account=holding.run.account, breaks=summary.open, new=summary.new, gone=summary.gone)

    return turn


def sweeping(runtime: Runtime) -> Turn:
    """Sweeps; and purges once in each day of business time."""
    purged: date | None = None

    async def turn() -> None:
        nonlocal purged
        now: datetime = await business_now()
        woken = await sweep(runtime, now)
        if woken:
            log.info("swept", woken=woken)
        if purged != now.date():
            gone = await purge(runtime, now)
            log.info("purged", rows=gone)
            purged = now.date()

    return turn
