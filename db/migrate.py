"""Brings a database to the schema that this version needs. Runs at every start, and by `tollbridge migrate`.

**Migrations are SQL files**, `db/migrations/NNNN_name.sql`, run in order of their number, each in one transaction,
and recorded in `tollbridge.migration` with a checksum. Decided against Piccolo's auto-migrations: what keeps money
right here (partial unique indexes, triggers that forbid updates, checks over several columns) stands in SQL and
cannot be said in them; and they take no lock, so two processes that start together crash.

**Any number of processes may start at once.** An advisory lock lets one work while the others wait, then find
nothing to do. A process that dies releases its lock with its connection; its unfinished migration is rolled back.

**An applied file never changes.** Its checksum is compared at every run, and a difference is refused: the database
would otherwise silently differ from the files. A database that already knows *newer* migrations is accepted, since
in a rolling deploy old processes still restart; so a migration must leave the previous version working.

PgQueuer's tables are installed and upgraded by its own code, in the schema `tollbridge_queue`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from db.engine import UNREACHABLE, address, refuse_old_server
from db.errors import DatabaseUnavailableError, MigrationError
from db.queue import QUEUE_SCHEMA, queries

MIGRATIONS = Path(__file__).parent / "migrations"
QUEUE = "pgqueuer"

# Any constant; it must only differ from other advisory locks in the same database.
LOCK = 0x746F6C6C62726467
LOCK_WAIT_S = 300
# A migration that waits for a table makes everybody behind it wait too, so it soon gives up and is run again.
TABLE_LOCK_WAIT_S = 30

FILE_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
# Only where it fills a line with its semicolon: a PL/pgSQL block begins with BEGIN, too.
TRANSACTION_CONTROL = re.compile(
    r"^\s*(begin|commit|rollback|start transaction)(\s+(work|transaction))?\s*;", re.IGNORECASE | re.MULTILINE
)

CREATE_MIGRATION_TABLE = """
create table if not exists tollbridge.migration (
    name text primary key,
    sha256 text not null check (length(sha256) = 64),
    applied_at timestamptz not null default clock_timestamp()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file."""

    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Checksum of the text, with line ends made alike: a checkout on Windows is no change."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the database at `dsn` up to date; returns the names of what was applied, in order.

    Raises `MigrationError`, or `DatabaseUnavailableError`. Needs CREATE on the database the first time.
    """
    migrations = load(folder)
    async with _connection(dsn) as connection, _locked(connection, dsn):
        await _create_schema(connection, "tollbridge")
        await connection.execute(CREATE_MIGRATION_TABLE)
        applied = []
        for migration in await _missing(connection, migrations):
            await _apply(connection, migration)
            applied.append(migration.name)
        await _create_schema(connection, QUEUE_SCHEMA)
        if await _converge_queue(connection):
            applied.append(QUEUE)
        return applied


async def pending(dsn: str, folder: Path = MIGRATIONS) -> list[str]:
    """Names of what `migrate` would apply now. Changes nothing. Raises as `migrate` does."""
    migrations = load(folder)
    async with _connection(dsn) as connection:
        names = [migration.name for migration in await _missing(connection, migrations)]
        queue = queries(connection)
        if not await queue.schema_is_installed() or (await queue.plan_upgrade()).statements:
            names.append(QUEUE)
        return names


def load(folder: Path) -> list[Migration]:
    """The migrations of a folder in their order. Raises `MigrationError` for a bad or doubled name."""
    numbers: dict[str, str] = {}
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path} is no migration name: call it NNNN_lower_case_words.sql")
        if other := numbers.get(match[1]):
            raise MigrationError(f"{path.name} and {other} have the same number: renumber the newer one")
        numbers[match[1]] = path.name
        sql = path.read_text(encoding="utf-8")
        if control := TRANSACTION_CONTROL.search(sql):
            raise MigrationError(
                f"{path.name} contains {control[0].strip()!r}: each file runs in a transaction that is opened for it"
            )
        migrations.append(Migration(path.stem, sql))
    return migrations


@asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[Any]:
    where = address(dsn)
    try:
        connection = await asyncpg.connect(
            dsn,
            timeout=10,
            # A migration may take as long as it needs, whatever the role's defaults say.
            server_settings={
                "application_name": "tollbridge migrate",
                "timezone": "UTC",
                "statement_timeout": "0",
                "idle_in_transaction_session_timeout": "0",
            },
        )
    except (*UNREACHABLE, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as e:
        raise DatabaseUnavailableError(
            f"cannot connect to PostgreSQL at {where}: {e}. Check that it runs and that the address is right."
        ) from e
    try:
        refuse_old_server(connection, where)
        yield connection
    finally:
        await connection.close(timeout=10)


@asynccontextmanager
async def _locked(connection: Any, dsn: str) -> AsyncIterator[None]:
    await connection.execute(f"set lock_timeout = '{LOCK_WAIT_S}s'")
    try:
        await connection.execute("select pg_advisory_lock($1)", LOCK)
    except asyncpg.LockNotAvailableError as e:
        raise MigrationError(
            f"another process has been migrating {address(dsn)} for {LOCK_WAIT_S} s. Look at pg_stat_activity for "
            "application_name 'tollbridge migrate'; end it if it hangs, then start again."
        ) from e
    await connection.execute(f"set lock_timeout = '{TABLE_LOCK_WAIT_S}s'")
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", LOCK)


async def _create_schema(connection: Any, schema: str) -> None:
    # "if not exists" demands the right to create even where a DBA has made the schema already.
    if not await connection.fetchval("select exists (select from pg_namespace where nspname = $1)", schema):
        await connection.execute(f"create schema {schema}")


async def _missing(connection: Any, migrations: list[Migration]) -> list[Migration]:
    if await connection.fetchval("select to_regclass('tollbridge.migration')") is None:
        return migrations
    applied = dict(await connection.fetch("select name, sha256 from tollbridge.migration"))
    for migration in migrations:
        if applied.get(migration.name, migration.sha256) != migration.sha256:
            raise MigrationError(
                f"{migration.name}.sql has changed since it was applied to this database. Restore the file and "
                "write the change as a new migration; a development database can be dropped and made again."
            )
    return [migration for migration in migrations if migration.name not in applied]


async def _apply(connection: Any, migration: Migration) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "insert into tollbridge.migration (name, sha256) values ($1, $2)", migration.name, migration.sha256
            )
    except asyncpg.LockNotAvailableError as e:
        raise MigrationError(
            f"{migration.name}.sql waited {TABLE_LOCK_WAIT_S} s for a table that another session holds, and was rolled "
            "back. Run it again; if it fails again, look for long transactions in pg_stat_activity."
        ) from e
    except asyncpg.PostgresError as e:
        raise MigrationError(f"{migration.name}.sql failed and was rolled back: {_explain(e, migration.sql)}") from e


def _explain(error: Any, sql: str) -> str:
    details = [str(error)]
    if position := getattr(error, "position", None):
        details.append(f"at line {sql.count(chr(10), 0, int(position)) + 1}")
    details += [str(text) for text in (error.detail, error.hint) if text]
    return "; ".join(details)


async def _converge_queue(connection: Any) -> bool:
    queue = queries(connection)
    if not await queue.schema_is_installed():
        async with connection.transaction():
            await queue.install(create_schema=False)
        return True
    # Its statements cannot share a transaction (ALTER TYPE ... ADD VALUE); it plans again under a lock of its own.
    return bool((await queue.apply_upgrade()).statements)
