"""Group commit: whatever waits while one transaction runs shares the next, and each sender is answered after COMMIT.

A transaction for each sender would end at the rate of COMMITs that notify the queue, which PostgreSQL serialises, and,
where all of them write one row, at that row's. Law 9 stays: `put` returns only after COMMIT, and raises otherwise.

Who waits in one lane shares; lanes are apart, so that what holds up one (a lock, a flood) does not hold up another.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

import asyncpg
import msgspec
import structlog

from db.engine import UNREACHABLE
from db.errors import DatabaseError

log = structlog.get_logger()

T = TypeVar("T")
R = TypeVar("R")

PUT_TIMEOUT_S: Final = 10.0
"""Longer than this nobody waits for an answer: the sender counts it as failed and comes again."""
CLOSE_TIMEOUT_S: Final = 10.0

AWAY: Final = (
    *UNREACHABLE,
    DatabaseError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that is dying while it's taken
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""Nothing is wrong with the rows: the database can't take any."""


class NotCommittedError(Exception):
    """It was not stored, as far as is known; its sender must come again."""


class TooManyWaitError(NotCommittedError):
    """Too many wait for their COMMIT already."""


class UnavailableError(NotCommittedError):
    """The database did not take it in time, or we are shutting down."""


class Limits(msgspec.Struct, frozen=True):
    """How much waits and goes together; sizes are in bytes."""

    lane: int
    """Senders that wait in one lane."""
    waiting_bytes: int
    """Of all that waits."""
    batch: int
    """Senders in one transaction."""
    batch_bytes: int
    at_once: int
    """Transactions of one lane beside each other."""
    in_all: int


class _Waiting(Generic[T, R]):
    def __init__(self, item: T, size: int) -> None:
        self.item, self.size = item, size
        self.answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        """Tell the sender, who may have gone away meanwhile."""
        if self.answer.done():
            return
        if not isinstance(error, NotCommittedError):
            told = UnavailableError(f"not stored: {type(error).__name__}")
            told.__cause__ = error
            error = told
        self.answer.set_exception(error)


class _Lane(Generic[T, R]):
    def __init__(self) -> None:
        self.waiting: deque[_Waiting[T, R]] = deque()
        self.flushers = 0


class GroupCommit(Generic[T, R]):
    """The group commit of one process: `async with GroupCommit(commit, …) as group`, inside the loop that serves.

    `commit` stores some in one transaction, all or none, and returns an answer for each, in their order.
    """

    def __init__(
        self, commit: Callable[[Sequence[T]], Awaitable[Sequence[R]]], limits: Limits, size: Callable[[T], int]
    ) -> None:
        self._commit, self._limits, self._size_of = commit, limits, size
        self._lanes: dict[str, _Lane[T, R]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(limits.in_all)
        self._bytes = 0
        self._open = False

    @property
    def waiting(self) -> int:
        """How many senders wait, without those whose transaction runs."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    async def __aenter__(self) -> Self:
        self._open = True
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refuse what comes now, commit what was taken before (at most 10 s), then stop."""
        self._open = False
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_TIMEOUT_S)
        if left := list(self._tasks):
            log.warning("closed_with_a_backlog", waiting=self.waiting)
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
        for lane in self._lanes.values():
            while lane.waiting:
                self._let_go([lane.waiting.popleft()])

    async def put(self, item: T, *, lane: str = "") -> R:
        """Its answer, after COMMIT; raises NotCommittedError."""
        if not self._open:
            raise UnavailableError("nothing is taken now")
        found = self._lanes.get(lane) or _Lane()
        if len(found.waiting) >= self._limits.lane or self._bytes >= self._limits.waiting_bytes:
            raise TooManyWaitError("too many wait for their COMMIT: send it again")
        self._lanes[lane] = found
        one: _Waiting[T, R] = _Waiting(item, self._size_of(item))
        found.waiting.append(one)
        self._bytes += one.size
        if found.flushers < self._limits.at_once:
            self._start(lane, found)
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                return await one.answer
        except TimeoutError:
            raise UnavailableError(f"no COMMIT within {PUT_TIMEOUT_S:g} s") from None

    def _start(self, name: str, lane: _Lane[T, R]) -> None:
        lane.flushers += 1
        # It outlives the request that starts it: it must inherit nobody's transaction.
        task = asyncio.create_task(self._flush_all(name, lane), name="group commit", context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _flush_all(self, name: str, lane: _Lane[T, R]) -> None:
        try:
            while lane.waiting:
                async with self._places:
                    taken = self._take(lane.waiting)
                    try:
                        await self._flush(taken)
                    finally:
                        self._let_go(taken)
        finally:
            lane.flushers -= 1
            if not lane.waiting and not lane.flushers:
                del self._lanes[name]

    def _take(self, waiting: deque[_Waiting[T, R]]) -> list[_Waiting[T, R]]:
        taken: list[_Waiting[T, R]] = []
        size = 0
        while waiting and len(taken) < self._limits.batch and size < self._limits.batch_bytes:
            taken.append(waiting.popleft())
            size += taken[-1].size
        return taken

    def _let_go(self, taken: Sequence[_Waiting[T, R]]) -> None:
        for one in taken:
            self._bytes -= one.size
            one.fail(UnavailableError("shutting down"))

    async def _flush(self, taken: Sequence[_Waiting[T, R]]) -> None:
        # A sender that has gone away is not stored either: it will come again.
        asking = [one for one in taken if not one.answer.done()]
        if not asking:
            return
        error = await self._try(asking)
        if error is None:
            return
        if isinstance(error, AWAY) or len(asking) == 1:
            for one in asking:
                one.fail(error)
            return
        # One of them can't be stored: the others must not pay for it.
        log.warning("group_commit_failed", size=len(asking), error=type(error).__name__)
        for one in asking:
            if not one.answer.done() and (alone := await self._try([one])) is not None:
                one.fail(alone)

    async def _try(self, asking: Sequence[_Waiting[T, R]]) -> Exception | None:
        try:
            answers = await self._commit([one.item for one in asking])
        except Exception as error:
            return error
        for one, answer in zip(asking, answers, strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)
        return None
