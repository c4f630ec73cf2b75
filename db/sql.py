"""Named SQL, on this task's transaction if it has one open, else on a connection of the pool.

Piccolo says what is simple; what counts, claims, sweeps or upserts stands as SQL under a name beside its noun.
"""

from __future__ import annotations

from typing import Any, Final, cast

import asyncpg

from db.engine import DB
from db.states import UNRESOLVED

UNRESOLVED_STATES: Final = "(" + ", ".join(f"'{state}'" for state in sorted(UNRESOLVED)) + ")"
"""Those of attempts, for a statement: in words, so that partial indexes serve it."""


def storable(text: str, most: int) -> str:
    """A stranger's text as PostgreSQL takes it (no NUL), cut to `most` characters."""
    return text.replace("\0", "\ufffd")[:most]


async def rows(sql: str, *args: object) -> list[asyncpg.Record]:
    """Every row of a statement; `$1` is the first argument. Raises asyncpg's errors."""
    if DB.in_transaction():
        return cast("list[asyncpg.Record]", await DB.current("a statement").connection.fetch(sql, *args))
    connection = await DB.take_connection()
    try:
        return cast("list[asyncpg.Record]", await connection.fetch(sql, *args))
    finally:
        await DB.give_back(connection)


async def row(sql: str, *args: object) -> asyncpg.Record | None:
    """The first row, or None."""
    found = await rows(sql, *args)
    return found[0] if found else None


async def value(sql: str, *args: object) -> Any:
    """The first column of the first row, or None."""
    found = await row(sql, *args)
    return None if found is None else found[0]
