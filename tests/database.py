"""The PostgreSQL of a test run: one server, one migrated template, one database for each xdist worker.

The controller starts the embedded server and makes the template before any worker starts, and tells the workers by
environment variables. The server's home stays in the system's temporary directory, so runs at the same time share the
server, and a run that was killed leaves nothing that the next one does not clean up. It runs without fsync: what a
test run stores may die with the machine.

TOLLBRIDGE_TEST_DATABASE_URL names a server to use instead; its role must be a superuser, since emptying the
append-only tables means switching their triggers off.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from db.embedded import EmbeddedPostgres
from db.errors import DatabaseError
from db.migrate import migrate

EXTERNAL_VARIABLE = "TOLLBRIDGE_TEST_DATABASE_URL"
SERVER_VARIABLE = "TOLLBRIDGE_TEST_SERVER"
RUN_VARIABLE = "TOLLBRIDGE_TEST_RUN"
PROBLEM_VARIABLE = "TOLLBRIDGE_TEST_PROBLEM"

NOT_DURABLE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
NAME = re.compile(r"tollbridge_test_(\d+)_")
SEED = "tollbridge_seed"
GROWN = 256 * 1024
"""Bytes beyond which a table is truncated after all, and rid of the rows that were only deleted."""
RESTART = """
    select setval(format('%I.%I', schemaname, sequencename)::regclass, 1, false) from pg_sequences
    where schemaname in ('tollbridge', 'tollbridge_queue') and last_value is not null
"""


class TestServer:
    """What the controller holds for the whole run."""

    __test__ = False

    def __init__(self) -> None:
        self._embedded: EmbeddedPostgres | None = None
        self._run = f"tollbridge_test_{os.getpid()}"

    def start(self) -> None:
        """Start, migrate the template, and tell the workers; a failure is told too, to the tests that need it."""
        for variable in (SERVER_VARIABLE, PROBLEM_VARIABLE):
            os.environ.pop(variable, None)
        os.environ[RUN_VARIABLE] = self._run
        try:
            dsn = os.environ.get(EXTERNAL_VARIABLE) or self._start_embedded()
            os.environ[SERVER_VARIABLE] = dsn
            asyncio.run(self._make_template(dsn))
        except (DatabaseError, OSError, asyncpg.PostgresError) as e:
            os.environ[PROBLEM_VARIABLE] = f"{type(e).__name__}: {e}"

    def stop(self) -> None:
        """Drop what this run made and leave the server."""
        if dsn := os.environ.pop(SERVER_VARIABLE, None):
            asyncio.run(self._drop(dsn))
        if self._embedded is not None:
            self._embedded.stop()

    def _start_embedded(self) -> str:
        self._embedded = EmbeddedPostgres(shared_home() / "postgres", settings=NOT_DURABLE)
        return self._embedded.start()

    async def _make_template(self, dsn: str) -> None:
        async with connected(dsn) as connection:
            if self._embedded is not None:
                await _drop_databases(connection, lambda pid: not _alive(pid))
            await connection.execute(f"create database {template()}")
        await migrate(with_database(dsn, template()))

    async def _drop(self, dsn: str) -> None:
        async with connected(dsn) as connection:
            await _drop_databases(connection, lambda pid: pid == os.getpid())


class Cleaner:
    """Empties a database made from the template: what a migration has put into a table is put back."""

    def __init__(self, take: Callable[[], Awaitable[Any]], give_back: Callable[[Any], Awaitable[None]]) -> None:
        self._take = take
        self._give_back = give_back
        self._tables: list[str] = []
        self._seeded: list[str] = []
        self._full = ""

    async def prepare(self) -> None:
        """Find the tables and keep a copy of the seeded ones."""
        connection = await self._take()
        try:
            found = await connection.fetch(
                "select schemaname, tablename from pg_tables where schemaname in ('tollbridge', 'tollbridge_queue') "
                "and tablename <> 'migration'"
            )
            tables = [f"{schema}.{table}" for schema, table in found]
            await connection.execute(f"create schema if not exists {SEED}")
            for table in tables:
                if await connection.fetchval(f"select exists (select from {table})"):
                    copy = f"{SEED}.{table.replace('.', '_')}"
                    await connection.execute(f"create table if not exists {copy} as table {table}")
                    self._seeded.append(table)
            self._tables = [table for table in tables if table not in self._seeded]
            # Most tests touch few tables: asking which are not empty costs a hundredth of truncating all.
            self._full = " union all ".join(
                f"select '{t}', pg_relation_size('{t}') > {GROWN} where exists (select from {t})" for t in self._tables
            )
        finally:
            await self._give_back(connection)

    async def clean(self) -> None:
        """Empty every table. A session that a test left with locks is ended after five seconds."""
        try:
            await self._clean()
        except asyncpg.LockNotAvailableError:
            connection = await self._take()
            try:
                await connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
                )
            finally:
                await self._give_back(connection)
            await self._clean()

    async def _clean(self) -> None:
        connection = await self._take()
        try:
            full = await connection.fetch(self._full) if self._full else []
            async with connection.transaction():
                await connection.execute("set local session_replication_role = replica; set local lock_timeout = '5s'")
                if full:
                    await connection.execute(self._emptying({row[0]: row[1] for row in full}))
                    await connection.fetch(RESTART)
                for table in self._seeded:
                    copy = f"{SEED}.{table.replace('.', '_')}"
                    await connection.execute(f"delete from {table}; insert into {table} table {copy}")
        finally:
            await self._give_back(connection)

    def _emptying(self, full: dict[str, bool]) -> str:
        """Few rows are deleted for a tenth of what it costs to truncate their table: that makes all its files anew.

        `full` tells of each table that has rows whether it has grown. The lock is what truncating takes: whoever still
        has a transaction open there is found.
        """
        grown = [table for table, has_grown in full.items() if has_grown]
        statements = [
            f"lock table {', '.join(self._tables)} in access exclusive mode",
            *([f"truncate {', '.join(grown)} cascade"] if grown else []),
            *(f"delete from {table}" for table, has_grown in full.items() if not has_grown),
        ]
        return ";".join(statements)


def server_dsn() -> str:
    """Address of the run's server, for creating databases. Raises RuntimeError if it did not start."""
    if SERVER_VARIABLE not in os.environ:
        raise RuntimeError(f"no PostgreSQL for this test run: {os.environ.get(PROBLEM_VARIABLE)}")
    return os.environ[SERVER_VARIABLE]


def run_name() -> str:
    """What the names of this run's databases begin with."""
    return os.environ[RUN_VARIABLE]


def template() -> str:
    """Name of the run's migrated database. Raises RuntimeError if the migrations failed."""
    if problem := os.environ.get(PROBLEM_VARIABLE):
        raise RuntimeError(f"no migrated database for this test run: {problem}")
    return f"{os.environ[RUN_VARIABLE]}_template"


def with_database(dsn: str, name: str) -> str:
    """The same server, another database."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{name}"))


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection, closed afterwards."""
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=10)


@asynccontextmanager
async def fresh_database(name: str, *, template: str = "template1") -> AsyncIterator[str]:
    """A database of this run, dropped afterwards; yields its DSN."""
    server, full = server_dsn(), f"{os.environ[RUN_VARIABLE]}_{name}"
    async with connected(server) as connection:
        await connection.execute(f"create database {full} template {template}")
    try:
        yield with_database(server, full)
    finally:
        async with connected(server) as connection:
            await connection.execute(f"drop database if exists {full} with (force)")


def shared_home() -> Path:
    """A directory that the runs of one account on one checkout share; others cannot put theirs in its place."""
    checkout = hashlib.sha256(str(Path(__file__).resolve().parent).encode()).hexdigest()[:8]
    directory = Path(tempfile.gettempdir()) / f"tollbridge-test-{os.geteuid()}-{checkout}"
    directory.mkdir(exist_ok=True)
    if directory.is_symlink() or directory.stat().st_uid != os.geteuid():
        raise PermissionError(f"{directory} belongs to somebody else: remove it")
    directory.chmod(0o755)
    return directory


async def _drop_databases(connection: Any, whose: Callable[[int], bool]) -> None:
    for (name,) in await connection.fetch("select datname from pg_database where datname like 'tollbridge_test_%'"):
        match = NAME.match(name)
        if match and whose(int(match[1])):
            await connection.execute(f'drop database if exists "{name}" with (force)')


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
