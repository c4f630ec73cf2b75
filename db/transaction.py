"""A transaction that gives its connection back.

Piccolo 1.38 leaks the pooled connection and leaves the transaction in its context variable when COMMIT or
ROLLBACK raises (a deferred constraint, a serialization failure, a dead connection). After a few of those the
pool is empty and every query hangs. This class repairs that, and closes three more holes:

* A COMMIT after a failed statement whose error was caught is answered by PostgreSQL with ROLLBACK, and no
  error. Here it raises `TransactionAbortedError`: a caller must never believe that a row is stored.
* The transaction lives in a context variable, which child tasks inherit. Two tasks on one connection corrupt
  each other, and a child that outlives the block uses a connection that serves somebody else by then.
  So only the task that opened a transaction may use it.
* A cancelled block still gives its connection back.

**Nested blocks join the outer one.** `async with DB.transaction()` inside another opens no savepoint: the
inner block commits nothing and rolls nothing back; if it raises and the caller swallows the exception, its
writes are still committed with the outer block. Where part of the work may fail, use `DB.savepoint()`.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import asyncpg
from piccolo.engine.postgres import PostgresTransaction

from db.errors import DatabaseUnavailableError, TransactionAbortedError, TransactionMisuseError

if TYPE_CHECKING:
    from db.engine import TollbridgeEngine

ANOTHER_TASK = (
    "{what}: the transaction was opened by task {owner!r} and cannot be used from task {task!r}. Do the work one "
    "after the other in the task that opened it; start background tasks outside the transaction or with "
    "context=contextvars.Context(); use asyncio.timeout, not wait_for, which on Python 3.11 makes a task."
)


class Transaction(PostgresTransaction):
    """Open with `async with DB.transaction() as tx:`; never reused."""

    __slots__ = ("_finished", "_owner", "_pool")

    engine: TollbridgeEngine
    _parent: Transaction | None

    async def __aenter__(self) -> Transaction:
        """Take a connection and BEGIN, or join the transaction that this task has open."""
        if self._parent is not None:
            self._parent.refuse_other_tasks("a nested transaction")
            return self._parent
        self._owner = asyncio.current_task()
        self._finished = False
        self._pool = self.engine.pool
        self.connection = await self.engine.take_connection()
        try:
            await self.begin()
        except BaseException:
            await self._give_back()
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> Literal[False]:
        """COMMIT, or ROLLBACK if the block raised.

        Raises `TransactionAbortedError` if PostgreSQL answers COMMIT with ROLLBACK, and asyncpg's error if
        COMMIT itself fails. A ROLLBACK that fails is not reported: the connection is dead then, the server
        has rolled back by itself, and the exception of the block says more.
        """
        if self._parent is not None:
            return False
        try:
            if exception is None:
                if not self._committed and not self._rolled_back:
                    await self.commit()
            elif not self._committed and not self._rolled_back:
                await self._roll_back_quietly()
        finally:
            self._finished = True
            try:
                await self._give_back()
            finally:
                self.engine.current_transaction.reset(self.context)
        return False

    @property
    def finished(self) -> bool:
        """True once the block has ended, also for a child task that still sees the transaction in its context."""
        return self._finished

    async def begin(self) -> None:
        """Send BEGIN. Ours and not asyncpg's object, whose commit() hides the server's answer."""
        await self.connection.execute("BEGIN")

    async def commit(self) -> None:
        """Send COMMIT and believe only the answer COMMIT.

        Raises `TransactionAbortedError`; `DatabaseUnavailableError` if the connection was lost before, so that nothing
        is stored; asyncpg's ConnectionDoesNotExistError if it was lost during COMMIT, when nobody knows.
        """
        try:
            answer = await self.connection.execute("COMMIT")
        except asyncpg.InterfaceError as e:
            raise DatabaseUnavailableError(
                "the connection to PostgreSQL was lost before COMMIT: nothing of this transaction is stored"
            ) from e
        if answer != "COMMIT":
            self._rolled_back = True
            raise TransactionAbortedError(
                f"PostgreSQL answered COMMIT with {answer}: nothing of this transaction is stored. A statement failed "
                "and its error was caught inside the block; put that statement into `async with DB.savepoint()`."
            )
        self._committed = True

    async def rollback(self) -> None:
        """Send ROLLBACK."""
        await self.connection.execute("ROLLBACK")
        self._rolled_back = True

    def refuse_other_tasks(self, what: str) -> None:
        """Raise `TransactionMisuseError` unless the running task is the one that opened this transaction."""
        task = asyncio.current_task()
        if task is not self._owner:
            raise TransactionMisuseError(ANOTHER_TASK.format(what=what, owner=_name(self._owner), task=_name(task)))

    async def _roll_back_quietly(self) -> None:
        try:
            await self.rollback()
        except Exception:
            # Whatever state it is in, it must not go back to the pool as if it were clean. asyncpg takes a dead
            # connection out of our hands by itself, and then raises whatever is asked of it.
            with suppress(asyncpg.InterfaceError):
                self.connection.terminate()

    async def _give_back(self) -> None:
        if self._pool is not None:
            await self._pool.release(self.connection)
        else:
            await self.connection.close()


def _name(task: asyncio.Task[object] | None) -> str:
    return task.get_name() if task is not None else "none"
