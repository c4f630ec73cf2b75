"""Webhooks' way into the database: stored in groups (`group_commit.py`), and answered after COMMIT.

A repeated delivery commits nothing and is accepted: PostgreSQL has it already.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

import msgspec

from db import queue, sql
from db.encryption import Keyring
from db.engine import DB
from db.ids import new_id
from gateway.group_commit import GroupCommit, Limits
from gateway.inbox import meters
from gateway.inbox.directory import Directory
from gateway.inbox.envelope import Accepted, polled_notice, stripe_notice
from gateway.inbox.refused import STORE_EVERY_S, Refused
from gateway.inbox.table import subscribed_beside
from gateway.runtime import Runtime
from processors.events import ProcessorEvent

ENTRYPOINT: Final = "route"
PRIORITY: Final = 1
BATCH: Final = 200
AT_ONCE: Final = 2
"""While one transaction waits for its COMMIT the other fills; more would only wait for each other."""
BATCH_BYTES: Final = 16 << 20
WAITING_BYTES: Final = 256 << 20
"""Bodies that wait for their COMMIT take no more memory than this; beyond it the answer is 503."""

STORE = """
    insert into tollbridge.delivery (id, account, source, delivery_key, kind, object_id, body, state, received_at)
    select i, a, s, k, t, o, b, 'stored', tollbridge.business_now()
    from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[])
        with ordinality as u (i, a, s, k, t, o, b, n)
    order by n
    on conflict do nothing returning id
"""


class Intake:
    """The inbox of one process: `async with Intake(runtime) as intake`, inside the loop that serves."""

    def __init__(self, runtime: Runtime, *, batch: int = BATCH) -> None:
        self.runtime = runtime
        self.directory = Directory(runtime.keyring)
        limits = Limits(runtime.settings.webhook_queue, WAITING_BYTES, batch, BATCH_BYTES, AT_ONCE, AT_ONCE)
        self.group: GroupCommit[Sequence[Accepted], None] = GroupCommit(self._commit, limits, _size)
        self._counting: asyncio.Task[None] | None = None
        self.refusals = meters.Refusals()
        self.refused = Refused()

    async def __aenter__(self) -> Self:
        await self.group.__aenter__()
        self._counting = asyncio.create_task(self._count_forever(), name="refused", context=contextvars.Context())
        return self

    async def __aexit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Refuse what comes now, commit what was accepted before, then stop."""
        await self.group.__aexit__(exception_type, exception, traceback)
        assert self._counting is not None
        self._counting.cancel()
        with suppress(asyncio.CancelledError):
            await self._counting
        await self.refused.store()

    async def put(self, notices: Sequence[Accepted]) -> None:
        """Store the notices of one delivery, all or none; returns after COMMIT. Raises NotCommittedError."""
        if not notices:
            return
        await self.group.put(notices)
        meters.ACCEPTED.inc()

    async def _commit(self, deliveries: Sequence[Sequence[Accepted]]) -> list[None]:
        meters.BATCH.observe(len(deliveries))
        meters.WAITING.set(self.group.waiting)
        await store(self.runtime.keyring, [notice for notices in deliveries for notice in notices])
        return [None] * len(deliveries)

    async def _count_forever(self) -> None:
        while True:
            await asyncio.sleep(STORE_EVERY_S)
            await self.refused.store()


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

    only_thin: Sequence[str] = subscribed_beside()

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
