"""Group commit: whatever waits while one transaction runs shares the next, and each sender is answered after COMMIT.

A transaction for each delivery would end at PostgreSQL's rate of NOTIFYing commits, which are serialised: two to nine
times slower where it was measured. Law 9 stays: `put` returns only after COMMIT, and raises otherwise. A repeated
delivery commits nothing and is accepted: PostgreSQL has it already.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self, TypeAlias

import asyncpg
import msgspec
import structlog

from db import queue, sql
from db.encryption import Keyring
from db.engine import DB, UNREACHABLE
from db.errors import DatabaseError
from db.ids import new_id
from gateway.inbox import meters
from gateway.inbox.directory import Directory
from gateway.inbox.envelope import Accepted, polled_notice, stripe_notice
from gateway.inbox.refused import STORE_EVERY_S, Refused
from gateway.runtime import Runtime
from processors.events import ProcessorEvent

log = structlog.get_logger()

ENTRYPOINT: Final = "route"
PRIORITY: Final = 1
BATCH: Final = 200
FLUSHERS: Final = 2
"""While one waits for its COMMIT the other fills; more would only wait for each other."""
BATCH_BYTES: Final = 16 << 20
WAITING_BYTES: Final = 256 << 20
"""Bodies that wait for their COMMIT take no more memory than this; beyond it the answer is 503."""
PUT_TIMEOUT_S: Final = 10.0
"""Longer than this nobody waits for an answer: Stripe counts it as failed and comes again."""
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

STORE = """
    insert into tollbridge.delivery (id, account, source, delivery_key, kind, object_id, body, state, received_at)
    select i, a, s, k, t, o, b, 'stored', tollbridge.business_now()
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
        with ordinality as u (i, a, s, k, t, o, b, n)
    order by n
    on conflict do nothing returning id
"""


class IntakeError(Exception):
    """The delivery was not stored; its sender must come again."""


class IntakeFullError(IntakeError):
    """Too many deliveries wait for their COMMIT already."""


class IntakeUnavailableError(IntakeError):
    """The database did not take it in time, or we are shutting down."""


_Waiting: TypeAlias = tuple[Sequence[Accepted], asyncio.Future[None]]


class Intake:
    """The group commit of one process: `async with Intake(runtime) as intake`, inside the loop that serves."""

    def __init__(self, runtime: Runtime, *, batch: int = BATCH, flushers: int = FLUSHERS) -> None:
        self.runtime = runtime
        self.directory = Directory(runtime.keyring)
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(maxsize=runtime.settings.webhook_queue)
        self._batch = batch
        self._flushers = flushers
        self._tasks: list[asyncio.Task[None]] = []
        self._open = False
        self._bytes = 0
        self.refusals = meters.Refusals()
        self.refused = Refused()

    async def __aenter__(self) -> Self:
        # A flusher outlives the request that feeds it: it must inherit nobody's transaction.
        self._tasks = [
            asyncio.create_task(self._flush_forever(), name=f"intake-{n}", context=contextvars.Context())
            for n in range(self._flushers)
        ]
        counting = asyncio.create_task(self._count_forever(), name="refused", context=contextvars.Context())
        self._tasks.append(counting)
        self._open = True
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refuse what comes now, commit what was accepted before (at most 10 s), then stop."""
        self._open = False
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._queue.join()
        except TimeoutError:
            log.warning("intake_closed_with_a_backlog", waiting=self._queue.qsize())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.refused.store()
        while not self._queue.empty():
            _, committed = self._queue.get_nowait()
            _answer(committed, IntakeUnavailableError("shutting down"))

    async def put(self, notices: Sequence[Accepted]) -> None:
        """Store the notices of one delivery, all or none; returns after COMMIT. Raises IntakeError."""
        if not notices:
            return
        if not self._open:
            raise IntakeUnavailableError("the intake is not running")
        if self._queue.full() or self._bytes >= WAITING_BYTES:
            raise IntakeFullError(f"{self._queue.qsize()} deliveries wait for their COMMIT")
        committed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put_nowait((notices, committed))
        self._bytes += _size(notices)
        try:
            async with asyncio.timeout(PUT_TIMEOUT_S):
                await committed
        except TimeoutError:
            raise IntakeUnavailableError(f"no COMMIT within {PUT_TIMEOUT_S:g} s") from None
        meters.ACCEPTED.inc()

    async def _count_forever(self) -> None:
        while True:
            await asyncio.sleep(STORE_EVERY_S)
            await self.refused.store()

    async def _flush_forever(self) -> None:
        while True:
            taken = [await self._queue.get()]
            size = _size(taken[0][0])
            while len(taken) < self._batch and size < BATCH_BYTES and not self._queue.empty():
                taken.append(self._queue.get_nowait())
                size += _size(taken[-1][0])
            try:
                await self._flush(taken)
            finally:
                self._bytes -= size
                for _, committed in taken:
                    _answer(committed, IntakeUnavailableError("shutting down"))
                    self._queue.task_done()

    async def _flush(self, taken: Sequence[_Waiting]) -> None:
        # A sender that has gone away is not stored either: it will come again.
        waiting = [one for one in taken if not one[1].done()]
        if not waiting:
            return
        meters.BATCH.observe(len(waiting))
        meters.WAITING.set(self._queue.qsize())
        keyring = self.runtime.keyring
        error = await _try(keyring, [notice for notices, _ in waiting for notice in notices])
        if error is None or isinstance(error, AWAY) or len(waiting) == 1:
            for _, committed in waiting:
                _answer(committed, error)
            return
        # One of them can't be stored: the others must not pay for it.
        log.warning("intake_batch_failed", size=len(waiting), error=type(error).__name__)
        for notices, committed in waiting:
            _answer(committed, await _try(keyring, notices))


async def _try(keyring: Keyring, notices: Sequence[Accepted]) -> Exception | None:
    try:
        await store(keyring, notices)
    except Exception as error:
        return error
    return None


async def store(keyring: Keyring, notices: Sequence[Accepted]) -> list[str]:
    """Store them with one wake-up for those that are new, in one transaction; returns the new ids.

    Bodies are encrypted: a processor's notice may name a payment method, and a customer's metadata does (law 12).

    Keys are inserted in one order everywhere: two batches with the same two repeated deliveries must not wait for each
    other crosswise.
    """
    rows = sorted(notices, key=lambda n: (n.account, n.source, n.key or ""))
    made = [new_id("dlv") for _ in rows]
    async with DB.transaction():
        new = await sql.rows(
            STORE,
            made,
            [row.account for row in rows],
            [row.source for row in rows],
            [row.key for row in rows],
            [row.kind for row in rows],
            [row.object_id for row in rows],
            [
                keyring.encrypt(row.body, table="delivery", column="body", row=i)
                for i, row in zip(made, rows, strict=True)
            ],
        )
        ids = [row["id"] for row in new]
        if ids:
            await queue.enqueue(ENTRYPOINT, msgspec.json.encode(ids), priority=PRIORITY)
    meters.STORED.inc(len(ids))
    return ids


class Listed:
    """Stores events that were listed at Stripe or at a processor, as if they had come by webhook.

    One that comes by webhook afterwards is a repeated delivery, and the other way round.
    """

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def events(self, account: str, events: Sequence[bytes]) -> int:
        """Stripe's; returns how many were new."""
        return len(await store(self._keyring, [stripe_notice(account, event)[0] for event in events]))

    async def polled(self, account: str, connection: str, events: Sequence[ProcessorEvent]) -> int:
        """A processor's; returns how many were new."""
        return len(await store(self._keyring, [polled_notice(account, connection, event) for event in events]))


def _size(notices: Sequence[Accepted]) -> int:
    return sum(len(notice.body) for notice in notices)


def _answer(committed: asyncio.Future[None], error: Exception | None) -> None:
    """Tell the sender, who may have gone away meanwhile."""
    if committed.done():
        return
    if error is None:
        committed.set_result(None)
    elif isinstance(error, IntakeError):
        committed.set_exception(error)
    else:
        told = IntakeUnavailableError(f"not stored: {type(error).__name__}")
        told.__cause__ = error
        committed.set_exception(told)
