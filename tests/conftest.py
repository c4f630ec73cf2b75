"""Fixtures that every ring of tests shares. The database is described in `tests.database`."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
from collections.abc import AsyncIterator
from functools import cache
from uuid import uuid4

import pytest

from db.engine import DB, PoolOptions, TollbridgeEngine
from tests.database import Cleaner, TestServer, fresh_database, template
from tests.support.points import install_points
from tests.support.process import Loop, install_pools
from tests.support.world import Doors, World, open_doors
from tests.support.world import world as new_world

SERVER = pytest.StashKey[TestServer]()


class _Policy(asyncio.DefaultEventLoopPolicy):
    """The loop of all tests knows processes that die."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return Loop()


def pytest_configure(config: pytest.Config) -> None:
    """The controller alone starts the server; xdist's workers inherit its environment."""
    asyncio.set_event_loop_policy(_Policy())
    # Every client reads the authorities' certificates anew; thousands of clients here never meet one of them.
    ssl.create_default_context = cache(ssl.create_default_context)
    if hasattr(config, "workerinput") or config.option.collectonly:
        return
    config.stash[SERVER] = TestServer()
    config.stash[SERVER].start()


def pytest_collection_finish() -> None:
    """What ten thousand tests are made of lives as long as the run: garbage is looked for elsewhere, and seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop it again, unless another run on this checkout still uses it."""
    if SERVER in config.stash:
        config.stash[SERVER].stop()


@pytest.fixture(scope="session")
async def database_url() -> AsyncIterator[str]:
    """DSN of this worker's database, made from the migrated template."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    async with fresh_database(worker, template=template()) as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def engine(database_url: str) -> AsyncIterator[TollbridgeEngine]:
    """`DB`, its pool open in the session's loop. Code under test may open and close it too: opens are counted."""
    DB.configure(database_url, PoolOptions(max_size=20))
    await DB.open_pool()
    install_pools()
    install_points()
    yield DB
    await DB.close_pool()


@pytest.fixture(scope="session")
async def cleaner(engine: TollbridgeEngine) -> Cleaner:
    """Knows how to empty this worker's database."""
    cleaner = Cleaner(engine.take_connection, engine.give_back)
    await cleaner.prepare()
    return cleaner


@pytest.fixture
async def database(cleaner: Cleaner, database_url: str) -> str:
    """DSN of this worker's database: migrated, bound to `DB`, and empty but for what migrations put there."""
    await cleaner.clean()
    return database_url


@pytest.fixture
async def empty_database() -> AsyncIterator[str]:
    """DSN of a database with nothing in it, dropped after the test."""
    async with fresh_database(f"empty_{uuid4().hex[:12]}") as dsn:
        yield dsn


@pytest.fixture(scope="session")
async def doors(engine: TollbridgeEngine) -> AsyncIterator[Doors]:
    """The servers behind which every test's world stands."""
    async with open_doors() as doors:
        yield doors


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    """One shop, its Stripe and its processor. Rooms whose tests end with checks have their own."""
    async with new_world(doors) as made:
        yield made
