"""A database session of its own for what reads or writes a million rows: long statements, temporary tables, cursors."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from db.engine import CLOSE_TIMEOUT_S, DB

# The pool's statements are looked up by key and cut off soon; these are neither, and sort.
SETTINGS: Final = """
    set statement_timeout = '30min'; set idle_in_transaction_session_timeout = 0; set plan_cache_mode = auto;
    set work_mem = '64MB'
"""


@asynccontextmanager
async def own_session() -> AsyncIterator[Any]:
    """A connection outside the pool, closed in the end."""
    connection = await DB.get_new_connection()
    try:
        await connection.execute(SETTINGS)
        yield connection
    finally:
        await connection.close(timeout=CLOSE_TIMEOUT_S)


async def pages(connection: Any, statement: str, *values: object, size: int) -> AsyncGenerator[Sequence[Any], None]:
    """The rows of a statement, so many at a time, by a cursor; inside a transaction of this connection."""
    cursor = await connection.cursor(statement, *values)
    while found := await cursor.fetch(size):
        yield found
