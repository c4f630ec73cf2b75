"""A real worker over the test's database, and waiting for what it does: with a deadline, never by guess."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.runtime import Runtime, running
from gateway.settings import Settings
from gateway.workers.run import work
from tests.support.inbox import KEYRING

SETTINGS = Settings(sweep_interval_s=0.2, workers=4)

Holds = Callable[[], Awaitable[bool]]


@pytest.fixture
async def runtime(database: str) -> AsyncIterator[Runtime]:
    async with running(SETTINGS, KEYRING) as runtime:
        yield runtime


async def until(holds: Holds, within_s: float = 20.0) -> None:
    """Wait until it holds; the database may be away meanwhile."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if await holds():
                return
        except Exception:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"it did not come to hold within {within_s:g} s")


@asynccontextmanager
async def worker(settings: Settings = SETTINGS) -> AsyncIterator[asyncio.Event]:
    """A worker in this process; yields the event that stops it."""
    stop = asyncio.Event()
    task = asyncio.create_task(work(settings, KEYRING, stop))
    try:
        yield stop
    finally:
        stop.set()
        await task
