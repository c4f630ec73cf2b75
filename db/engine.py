"""The one door to PostgreSQL: `DB`, a Piccolo engine that learns its address when the process starts.

Piccolo tables name their engine when their class is made, long before settings are read. So `DB` exists at
import time without an address; `configure(dsn)` gives it one, `await open_pool()` connects, and until then every
statement fails with `NotConfiguredError`.

    configure("postgresql://tollbridge@db/tollbridge", PoolOptions(max_size=20))
    await open_pool()
    async with DB.transaction():
        ...
    await close_pool()

The pool is counted: an `open_pool` inside an open one joins it, and the last `close_pool` closes it. A pool
belongs to the event loop that opened it. When PostgreSQL restarts, connections that died are replaced as they
are next taken; a statement that was under way fails and is not repeated, since nobody can know whether it ran.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
from piccolo.engine.postgres import PostgresEngine
from piccolo.querystring import QueryString

from db.errors import (
    DatabaseUnavailableError,
    NotConfiguredError,
    PoolExhaustedError,
    TransactionMisuseError,
)
from db.transaction import Transaction

OLDEST_SERVER = 15
CONNECT_TIMEOUT_S = 10.0
CLOSE_TIMEOUT_S = 10.0

UNREACHABLE = (OSError, TimeoutError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)


class PooledConnection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg ships no types
    """A connection that goes back to the pool as it is.

    asyncpg would ask PostgreSQL to forget the session's state each time, which is a round trip for every statement;
    nothing of ours leaves any: no session settings, no session locks, no cursors, no listeners (migrations and queue
    have connections of their own). A transaction left open is ended all the same.
    """

    def get_reset_query(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How many connections, and how long anything may take. Seconds; None switches a limit off."""

    min_size: int = 1
    max_size: int = 10
    acquire_timeout_s: float = 10.0
    statement_timeout_s: float | None = 30.0
    # A transaction that waits for something else than the database holds row locks: end it.
    idle_in_transaction_timeout_s: float | None = 60.0
    application_name: str = "tollbridge"

    def server_settings(self) -> dict[str, str]:
        """Session settings. `search_path` is left alone: every name in our SQL carries its schema."""
        return {
            "application_name": self.application_name,
            "timezone": "UTC",
            # Ours are looked up by key: a plan for each value costs more than it could ever save.
            "plan_cache_mode": "force_generic_plan",
            "statement_timeout": _milliseconds(self.statement_timeout_s),
            "idle_in_transaction_session_timeout": _milliseconds(self.idle_in_transaction_timeout_s),
        }


class TollbridgeEngine(PostgresEngine):
    """Piccolo's engine with a late address, a transaction that leaks nothing, and bounded waits."""

    def __init__(self) -> None:
        super().__init__(config={})
        self._options = PoolOptions()
        self._openers = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    async def check_version(self) -> None:
        """Nothing: Piccolo would connect here, at import time. `open_pool` checks instead."""

    # ------------------------------------------------------------------ life

    def configure(self, dsn: str, options: PoolOptions | None = None) -> None:
        """Set the address. The same address may be set again at any time, another one only while the pool is closed.

        Raises `NotConfiguredError` when the pool is open on another address.
        """
        options = options or self._options
        if self.pool is not None and (dsn, options) != (self.config.get("dsn"), self._options):
            raise NotConfiguredError(
                f"the pool is open on {address(self.dsn)}; close it before configuring another address"
            )
        self._options = options
        self.config.clear()
        self.config.update(dsn=dsn, timeout=CONNECT_TIMEOUT_S, server_settings=options.server_settings())

    @property
    def dsn(self) -> str:
        """The configured address, password included: never log it, see `address`."""
        if "dsn" not in self.config:
            raise NotConfiguredError("no database is configured: call db.engine.configure(dsn) when the process starts")
        return str(self.config["dsn"])

    async def open_pool(self) -> None:
        """Connect. Raises `DatabaseUnavailableError` if PostgreSQL is unreachable or older than 15."""
        self._forget_pool_of_a_dead_loop()
        if self.pool is None:
            options, where = self._options, address(self.dsn)
            try:
                pool = await asyncpg.create_pool(
                    **self.config,
                    min_size=options.min_size,
                    max_size=options.max_size,
                    connection_class=PooledConnection,
                )
                async with pool.acquire() as connection:
                    refuse_old_server(connection, where)
            except (*UNREACHABLE, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as e:
                raise DatabaseUnavailableError(
                    f"cannot connect to PostgreSQL at {where}: {e}. Check that it runs and that the address is right."
                ) from e
            if self._loop is None:
                self.pool, self._loop = pool, asyncio.get_running_loop()
            else:
                # Another task opened one while this one connected.
                await pool.close()
        self._openers += 1

    async def close_pool(self) -> None:
        """Take back one `open_pool`; the last one closes the connections, by force after 10 s."""
        self._openers = max(0, self._openers - 1)
        if self.pool is None or self._openers:
            return
        pool, self.pool, self._loop = self.pool, None, None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await pool.close()
        except TimeoutError:
            pool.terminate()

    async def start_connection_pool(self, **_: Any) -> None:
        """Piccolo's name for `open_pool`."""
        await self.open_pool()

    async def close_connection_pool(self) -> None:
        """Piccolo's name for `close_pool`."""
        await self.close_pool()

    async def ping(self, timeout_s: float = 2.0) -> float:
        """Seconds that a round trip takes. Raises `DatabaseUnavailableError`, `PoolExhaustedError`."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                await self._run_in_pool("select 1")
        except (*UNREACHABLE, asyncpg.InterfaceError) as e:
            raise DatabaseUnavailableError(
                f"PostgreSQL at {address(self.dsn)} did not answer within {timeout_s:g} s: {e!r}"
            ) from e
        return time.perf_counter() - began

    def _forget_pool_of_a_dead_loop(self) -> None:
        if self.pool is None or self._loop is asyncio.get_running_loop():
            return
        if self._loop is not None and not self._loop.is_closed():
            raise NotConfiguredError(
                "the pool belongs to another event loop that still runs: open and close it in the loop that uses it"
            )
        self.pool, self._loop, self._openers = None, None, 0

    # ---------------------------------------------------------- transactions

    def transaction(self, allow_nested: bool = True) -> Transaction:
        """A transaction block; nested ones join the outer one (see `db.transaction`)."""
        return Transaction(engine=self, allow_nested=allow_nested)

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Part of a transaction that may fail: rolled back alone if the block raises, and the exception goes on.

        Raises `TransactionMisuseError` outside a transaction.
        """
        tx = self.current("a savepoint")
        name = f"savepoint_{tx.get_savepoint_id()}"
        await tx.connection.execute(f"savepoint {name}")
        try:
            yield
        except BaseException:
            await tx.connection.execute(f"rollback to savepoint {name}; release savepoint {name}")
            raise
        await tx.connection.execute(f"release savepoint {name}")

    def current(self, what: str) -> Transaction:
        """The transaction that this task has open; `what` needs it and stands in the error if there is none.

        Raises `TransactionMisuseError`.
        """
        tx = self.current_transaction.get()
        if not isinstance(tx, Transaction):
            raise TransactionMisuseError(f"{what} belongs inside `async with DB.transaction()`")
        tx.refuse_other_tasks(what)
        return tx

    def in_transaction(self) -> bool:
        """True inside a transaction block, also in tasks and threads that the block has started and still waits for."""
        tx = self.current_transaction.get()
        return isinstance(tx, Transaction) and not tx.finished

    def assert_no_transaction(self, what: str) -> None:
        """Refuse `what` (such as "POST /v1/invoices/{id}/pay") inside a transaction.

        A network call there would hold row locks and a connection for as long as somebody else's server likes,
        and a rollback could not take it back. Raises `TransactionMisuseError`.
        """
        if self.in_transaction():
            raise TransactionMisuseError(
                f"{what} was called inside a transaction. Commit the intent first, call, then store the outcome "
                "in a second transaction."
            )

    # ------------------------------------------------------------ statements

    async def take_connection(self) -> Any:
        """A connection of the pool, or a new one where no pool is open (the piccolo CLI).

        Raises `PoolExhaustedError` if none comes free in time, `NotConfiguredError` without an address.
        """
        if self.pool is None:
            return await self.get_new_connection()
        try:
            return await self.pool.acquire(timeout=self._options.acquire_timeout_s)
        except TimeoutError as e:
            raise PoolExhaustedError(
                f"none of the {self._options.max_size} connections to {address(self.dsn)} came free within "
                f"{self._options.acquire_timeout_s:g} s; the statement was not sent. Look for long transactions, "
                "or raise the pool's size."
            ) from e

    async def give_back(self, connection: Any) -> None:
        """Return what `take_connection` gave."""
        if self.pool is None:
            await connection.close()
        else:
            await self.pool.release(connection)

    async def get_new_connection(self) -> Any:
        """A connection outside the pool. Raises `NotConfiguredError` without an address."""
        return await asyncpg.connect(**{**self.config, "dsn": self.dsn})

    async def run_querystring(self, querystring: QueryString, in_pool: bool = True) -> Any:
        """Run a statement of Piccolo's, in this task's transaction if it has one open."""
        self._refuse_other_tasks()
        return await super().run_querystring(querystring, in_pool)

    async def run_ddl(self, ddl: str, in_pool: bool = True) -> Any:
        """Run DDL of Piccolo's, in this task's transaction if it has one open."""
        self._refuse_other_tasks()
        return await super().run_ddl(ddl, in_pool)

    def _refuse_other_tasks(self) -> None:
        tx = self.current_transaction.get()
        if isinstance(tx, Transaction):
            tx.refuse_other_tasks("a statement")

    async def _run_in_pool(self, query: str, args: Sequence[Any] | None = None) -> Any:
        if self.pool is None:
            raise NotConfiguredError("the pool is not open: await db.engine.open_pool() when the process starts")
        pool = self.pool
        connection = await self.take_connection()
        try:
            return await connection.fetch(query, *(args or ()))
        finally:
            await pool.release(connection)


def address(dsn: str) -> str:
    """Host, port and database of a DSN, without its password: fit for logs and errors."""
    parts = urlsplit(dsn)
    hosts = parse_qs(parts.query).get("host")
    host = parts.netloc.rpartition("@")[2] or (hosts[0] if hosts else "localhost")
    return f"{host}{parts.path}"


def refuse_old_server(connection: Any, where: str) -> None:
    """Raise `DatabaseUnavailableError` for a PostgreSQL before 15."""
    version = connection.get_server_version()
    if version.major < OLDEST_SERVER:
        raise DatabaseUnavailableError(
            f"PostgreSQL at {where} is version {version.major}; Tollbridge needs {OLDEST_SERVER} or newer"
        )


def _milliseconds(seconds: float | None) -> str:
    return "0" if seconds is None else str(round(seconds * 1000))


DB = TollbridgeEngine()

configure = DB.configure
open_pool = DB.open_pool
close_pool = DB.close_pool
ping = DB.ping
in_transaction = DB.in_transaction
assert_no_transaction = DB.assert_no_transaction
