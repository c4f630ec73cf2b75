"""Points: where a history can take another turn. Each is an effect on the outside: a call, a COMMIT, a written row.

At each of them a process can stop *before* it or *after* it, or the effect is had and its answer *lost*. To a process
that dies these last two are one and the same; so in the third way the process lives, and the connection breaks instead:
it must not take the broken connection for proof that nothing has happened.

Points are numbered in the order in which they are crossed; the same path crosses the same ones.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Awaitable, Callable, Iterable
from enum import StrEnum
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

import db.sql
from db.transaction import Transaction
from tests.support.drain import STORED, TAKE
from tests.support.process import CURRENT

T = TypeVar("T")


class Way(StrEnum):
    BEFORE = "before"
    AFTER = "after"
    LOST = "lost"


class Turn(msgspec.Struct, frozen=True, order=True):
    """What happens at one point of a history. Written as `17/after`."""

    at: int
    way: Way

    def __str__(self) -> str:
        return f"{self.at}/{self.way}"


class Point(msgspec.Struct, frozen=True):
    """A point that was crossed: in which role, at what. `wrote`: whether there was an effect at all."""

    role: str
    what: str
    wrote: bool = True

    @property
    def kind(self) -> str:
        return "commit" if self.what.startswith(("COMMIT", "row")) else "call"


class Journal:
    """The points of one history as they are crossed, and what is to happen at some of them."""

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self.turns = {turn.at: turn.way for turn in turns}
        self.taken: list[Turn] = []
        self.points: list[Point] = []
        self.counts = not self.turns
        """With nothing to happen, it also finds out which transactions wrote."""

    async def cross(self, point: Point, effect: Callable[[], Awaitable[T]], lose: Callable[[], Exception]) -> T:
        """Have the effect, unless this is where the process stops."""
        process = CURRENT.get()
        assert process is not None
        number = len(self.points)
        self.points.append(point)
        way = self.turns.get(number)
        if way is not None:
            self.taken.append(Turn(number, way))
        if way is Way.BEFORE:
            await process.die()
        try:
            result = await effect()
        finally:
            if way is Way.AFTER:
                await process.die()
        if way is Way.LOST:
            raise lose()
        return result


_journal: Journal | None = None


def open_journal(journal: Journal | None) -> None:
    """Where points are noted from now on; None: nowhere."""
    global _journal  # noqa: PLW0603  one history at a time
    _journal = journal


def watched() -> bool:
    """Whether points are noted at all."""
    return _journal is not None


def journal() -> Journal | None:
    """The journal, where a process of the gateway runs; the test's own doings are no points."""
    return _journal if CURRENT.get() is not None else None


WRITES: Final = re.compile(r"\b(insert into|update|delete from)\b", re.IGNORECASE)
NOT_THE_GATEWAYS: Final = frozenset({TAKE, STORED})
"""Statements of the test's own worker, run in the worker's process."""
WROTE: Final = "select pg_current_xact_id_if_assigned() is not null"


def install_points() -> None:
    """Make every COMMIT and every written row a point."""
    commit, rows = Transaction.commit, db.sql.rows

    async def crossing_commit(self: Transaction) -> None:
        noted = journal()
        if noted is None:
            return await commit(self)
        process = CURRENT.get()
        assert process is not None
        wrote = await _wrote(self.connection) if noted.counts else True

        def lose() -> Exception:
            self.connection.terminate()
            return asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")

        point = Point(process.role, f"COMMIT {_where()}" if noted.counts else "COMMIT", wrote)
        return await noted.cross(point, lambda: commit(self), lose)

    async def crossing_rows(sql: str, *args: object) -> list[asyncpg.Record]:
        noted = journal()
        if noted is None or db.sql.DB.in_transaction() or sql in NOT_THE_GATEWAYS or not WRITES.search(sql):
            return await rows(sql, *args)
        process = CURRENT.get()
        assert process is not None
        point = Point(process.role, f"row {_where()}" if noted.counts else "row")
        return await noted.cross(
            point,
            lambda: rows(sql, *args),
            lambda: asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        )

    Transaction.commit = crossing_commit
    db.sql.rows = crossing_rows


async def _wrote(connection: Any) -> bool:
    """A transaction without a number has written nothing: to stop around its COMMIT is to stop anywhere."""
    try:
        return bool(await connection.fetchval(WROTE))
    except asyncpg.InFailedSQLTransactionError:
        return False


def _where() -> str:
    """The function of the gateway's that is under way, for whoever reads a history."""
    frame = sys._getframe(2)
    while frame.f_back is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("gateway."):
            return f"{module.removeprefix('gateway.')}.{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"
