"""A database session of its own for what reads or writes a million rows: long statements, temporary tables, cursors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from db.engine import CLOSE_TIMEOUT_S, DB

# The pool's statements are looked up by key and cut off soon; these are neither, and sort.
SETTINGS: Final = """
    set statement_timeout = '30min'; set idle_in_transaction_session_timeout = 0; set plan_cache_mode = auto;
    set work_mem = '64MB'
"""
# Whoever takes a file away reads at their own pace, with a connection and a snapshot held for them meanwhile.
PATIENCE: Final = "set idle_in_transaction_session_timeout = '2min'"
MOST_READERS: Final = 4
"""Files that a process writes at once; each holds a connection outside the pool."""


class TooManyReadersError(Exception):
    """As many files are being taken away as may be at once; the message is for whoever asked for another."""


class _Readers:
    now = 0


async def taken_away(parts: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    """The parts of a file, for one of the places that there are; raises TooManyReadersError before any of it.

    The place is free again when all was read, or nobody reads on.
    """
    held = _held(parts)
    await anext(held)
    return held


async def _held(parts: AsyncGenerator[str, None]) -> AsyncGenerator[str, None]:
    if _Readers.now >= MOST_READERS:
        raise TooManyReadersError(
            f"{MOST_READERS} files are being taken away at this moment, and no more at once: ask again in a while"
        )
    _Readers.now += 1
    try:
        yield ""
        async with aclosing(parts):
            async for part in parts:
                yield part
    finally:
        _Readers.now -= 1


@asynccontextmanager
async def own_session(*, for_reader: bool = False) -> AsyncIterator[Any]:
    """A connection outside the pool, closed in the end; `for_reader`: also where nobody reads on."""
    connection = await DB.get_new_connection()
    try:
        await connection.execute(SETTINGS)
        if for_reader:
            await connection.execute(PATIENCE)
        yield connection
    finally:
        await connection.close(timeout=CLOSE_TIMEOUT_S)


async def pages(connection: Any, statement: str, *values: object, size: int) -> AsyncGenerator[Sequence[Any], None]:
    """The rows of a statement, so many at a time, by a cursor; inside a transaction of this connection."""
    cursor = await connection.cursor(statement, *values)
    while found := await cursor.fetch(size):
        yield found
