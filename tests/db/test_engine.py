"""The engine: late address, counted pool, bounded waits, recovery."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from db.embedded import EmbeddedPostgres
from db.engine import PoolOptions, TollbridgeEngine, address
from db.errors import DatabaseUnavailableError, NotConfiguredError, PoolExhaustedError
from tests.database import connected


async def test_nothing_works_before_configure() -> None:
    engine = TollbridgeEngine()
    with pytest.raises(NotConfiguredError, match="configure"):
        await engine.open_pool()
    with pytest.raises(NotConfiguredError, match="configure"):
        await engine.run_ddl("select 1")


async def test_ping_needs_an_open_pool(empty_database: str) -> None:
    engine = TollbridgeEngine()
    engine.configure(empty_database)
    with pytest.raises(NotConfiguredError, match="open_pool"):
        await engine.ping()


async def test_ping_measures(small: TollbridgeEngine) -> None:
    assert 0 < await small.ping() < 2


async def test_the_session_is_as_ordered(empty_database: str) -> None:
    engine = TollbridgeEngine()
    engine.configure(empty_database, PoolOptions(application_name="worker", statement_timeout_s=1.5))
    await engine.open_pool()
    try:
        names = ("application_name", "timezone", "statement_timeout", "search_path")
        values = [(await engine._run_in_pool(f"show {name}"))[0][0] for name in names]
        assert values == ["worker", "UTC", "1500ms", '"$user", public']
    finally:
        await engine.close_pool()


async def test_a_statement_that_takes_too_long_ends(empty_database: str) -> None:
    engine = TollbridgeEngine()
    engine.configure(empty_database, PoolOptions(statement_timeout_s=0.1))
    await engine.open_pool()
    try:
        with pytest.raises(asyncpg.QueryCanceledError):
            await engine.run_ddl("select pg_sleep(5)")
    finally:
        await engine.close_pool()


async def test_the_last_close_closes(small: TollbridgeEngine) -> None:
    await small.open_pool()
    await small.close_pool()
    await small.ping()
    await small.close_pool()
    assert small.pool is None
    await small.close_pool()
    await small.open_pool()
    await small.ping()


async def test_opening_twice_at_once_makes_one_pool(empty_database: str) -> None:
    engine = TollbridgeEngine()
    engine.configure(empty_database, PoolOptions(min_size=1))
    await asyncio.gather(engine.open_pool(), engine.open_pool())
    async with connected(empty_database) as other:
        sessions = (
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert await other.fetchval(sessions) == 1
    await engine.close_pool()
    await engine.ping()
    await engine.close_pool()
    assert engine.pool is None


async def test_an_open_pool_keeps_its_address(small: TollbridgeEngine) -> None:
    small.configure(small.dsn)
    with pytest.raises(NotConfiguredError, match="close it before"):
        small.configure("postgresql://elsewhere/x")


async def test_a_full_pool_says_so_and_recovers(small: TollbridgeEngine) -> None:
    async with small.transaction(), asyncio.timeout(5):
        other = await small.take_connection()
        with pytest.raises(PoolExhaustedError, match="none of the 2 connections"):
            await small.take_connection()
        await small.give_back(other)
    await small.ping()


async def test_terminated_connections_are_replaced(small: TollbridgeEngine) -> None:
    await small.ping()
    async with connected(small.dsn) as other:
        await other.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = current_database() and pid <> pg_backend_pid()"
        )
        await asyncio.sleep(0.1)
    for _ in range(3):
        await small.ping()


async def test_the_pool_outlives_a_restart_of_postgresql(made_home: Path) -> None:
    server = EmbeddedPostgres(made_home, settings={"fsync": "off"})
    engine = TollbridgeEngine()
    engine.configure(await asyncio.to_thread(server.start), PoolOptions(max_size=3))
    await engine.open_pool()
    try:
        pid = server.postmaster_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
        with pytest.raises(DatabaseUnavailableError):
            await engine.ping()
        again = EmbeddedPostgres(made_home, settings={"fsync": "off"})
        await asyncio.to_thread(again.start)
        await engine.ping()
        async with engine.transaction():
            pass
        await asyncio.to_thread(again.stop)
    finally:
        await engine.close_pool()
        await asyncio.to_thread(server.stop)


async def test_an_unreachable_server_is_named_without_its_password() -> None:
    engine = TollbridgeEngine()
    engine.configure("postgresql://me:secret@127.0.0.1:1/nowhere")
    with pytest.raises(DatabaseUnavailableError, match=r"127\.0\.0\.1:1/nowhere") as raised:
        await engine.open_pool()
    assert "secret" not in str(raised.value)


async def test_a_missing_database_is_named(empty_database: str) -> None:
    engine = TollbridgeEngine()
    engine.configure(empty_database.replace("_empty_", "_missing_"))
    with pytest.raises(DatabaseUnavailableError, match="does not exist"):
        await engine.open_pool()


def test_a_pool_of_a_closed_loop_is_forgotten() -> None:
    from tests.database import server_dsn

    engine = TollbridgeEngine()
    engine.configure(server_dsn())

    async def use() -> None:
        await engine.open_pool()
        await engine.ping()

    asyncio.run(use())
    asyncio.run(use())


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://me:secret@db.example:5433/app?sslmode=require", "db.example:5433/app"),
        ("postgresql://postgres@/postgres?host=%2Fvar%2Fpg&port=5432", "/var/pg/postgres"),
        ("postgresql:///app", "localhost/app"),
    ],
)
def test_address_shows_no_password(dsn: str, shown: str) -> None:
    assert address(dsn) == shown


def test_piccolos_command_line_sees_the_tables(empty_database: str) -> None:
    program = (
        "from piccolo.conf.apps import Finder; "
        "print(len(Finder().get_app_registry().get_table_classes('tollbridge')), type(Finder().get_app_registry()))"
    )
    environment = {
        **os.environ,
        "PICCOLO_CONF": "db.piccolo_conf",
        "TOLLBRIDGE_DATABASE_URL": empty_database,
    }
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
