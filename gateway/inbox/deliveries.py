"""The rows of the inbox: which are to be routed, and how each ends.

Done, ignored with a reason, or parked with a case (law 9): there is no fourth end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec
import structlog

from db import queue, sql
from db.encryption import EncryptionError, Keyring
from db.engine import DB
from db.states import DeliveryState
from gateway.clock import told_offset
from gateway.domain.case_kinds import CaseKind
from gateway.inbox import meters
from gateway.inbox.envelope import UNREADABLE
from gateway.inbox.intake import ENTRYPOINT
from gateway.turns.cases import open_case

log = structlog.get_logger()

WAITS_S: Final = (10, 60, 300, 900, 3600, 10_800, 21_600, 43_200)
"""Seconds of business time before the next try, by how many there were. A try that dies with its worker counts too."""
MOST_TRIES: Final = 8
MOST_BEGUN: Final = 12
"""No delivery is tried more often, however its tries end: beyond this they died with their workers."""
UNMATCHED_FOR: Final = timedelta(days=1)
"""A processor's notice can be there before the row that it is about; after a day that is no explanation any more."""
LOST_AFTER: Final = timedelta(seconds=30)
"""A delivery that is still stored after this long has lost its wake-up."""

DUE = """
    select d.*, a.stripe_account, (select offset_s from tollbridge.business_clock) as clock_offset_s
    from tollbridge.delivery d join tollbridge.account a on a.id = d.account
    where d.id = any($1) and d.state = 'stored' and (d.try_at is null or d.try_at <= tollbridge.business_now())
      and a.enabled
    order by d.id
"""
LOCK = """
    select id from tollbridge.delivery
    where id = any($1) and state = 'stored' order by id for no key update skip locked
"""
BEGIN = """
    update tollbridge.delivery set tries = tries + 1, try_at = $2::timestamptz
        + make_interval(secs => ($3::float8[])[least(tries + 1, cardinality($3))])
    where id = $1 and state = 'stored' and (try_at is null or try_at <= $2) returning tries
"""
FINISH = """
    update tollbridge.delivery set finished_at = $4, try_at = null,
        state = ($2::text[])[array_position($1::text[], id)], reason = ($3::text[])[array_position($1, id)]
    where id = any($1)
"""
AGAIN = "update tollbridge.delivery set reason = $2, try_at = least(try_at, $3) where id = $1 and state = 'stored'"
LOST = """
    select id from tollbridge.delivery
    where state = 'stored' and (try_at <= $1 or (try_at is null and received_at <= $2))
      and account in (select a.id from tollbridge.account a where a.enabled)
    order by received_at limit $3
"""
REPLAY = """
    with before as (select id, state from tollbridge.delivery where account = $1 and id = $2 for no key update)
    update tollbridge.delivery t set state = 'stored', reason = '', tries = 0, try_at = null, finished_at = null
    from before where t.account = $1 and t.id = before.id returning before.state
"""
CLOSE_CASES = """
    update tollbridge.review_case set state = 'closed', closed_at = $3, closed_by = $4, closed_reason = 'replayed'
    where account = $1 and subject = $2 and state = 'open'
"""


class Stored(msgspec.Struct, frozen=True):
    """A delivery that is to be routed. `body` is a stranger's: never log it."""

    id: str
    account: str
    stripe_account: str
    source: str
    key: str | None
    kind: str
    body: bytes
    tries: int
    received_at: datetime

    def __repr__(self) -> str:
        return f"Stored({self.id}, {self.kind})"


class End(msgspec.Struct, frozen=True):
    """How the routing of a delivery ends. Parked: a human gets `case`, about `invoice` where one is known."""

    state: DeliveryState
    reason: str = ""
    case: CaseKind = CaseKind.DELIVERY_PARKED
    invoice: str = ""


DONE: Final = End(DeliveryState.DONE)
ERASED: Final = "what it said was erased with its customer"


def ignored(reason: str) -> End:
    return End(DeliveryState.IGNORED, reason)


def parked(reason: str, case: CaseKind = CaseKind.DELIVERY_PARKED, invoice: str = "") -> End:
    return End(DeliveryState.PARKED, reason, case, invoice)


async def due(keyring: Keyring, ids: Sequence[str]) -> list[Stored]:
    """Those of `ids` that are stored and may be tried now. A disabled account's wait: to route one may need its key."""
    rows = await sql.rows(DUE, list(ids))
    if rows:
        told_offset(rows[0]["clock_offset_s"])
    return [_stored(keyring, row) for row in rows]


async def lock(ids: Sequence[str]) -> set[str]:
    """Hold those that are still stored and that nobody else holds, until the transaction ends."""
    DB.current("holding deliveries")
    return {row["id"] for row in await sql.rows(LOCK, list(ids))}


async def begin(delivery: str, now: datetime) -> int | None:
    """Count a try before it is made, and set the time of the next; None: somebody else is at it.

    So a delivery that kills its worker is counted too, and two workers don't try it at once.
    """
    tries = await sql.value(BEGIN, delivery, now, [float(s) for s in WAITS_S])
    return None if tries is None else int(tries)


async def finish(ends: Mapping[str, End], accounts: Mapping[str, str], now: datetime) -> None:
    """Write how these ended, in the transaction of what they caused; `accounts` names the account of each."""
    DB.current("finishing deliveries")
    if not ends:
        return
    ids = sorted(ends)
    # A reason may quote a stranger's text.
    reasons = [sql.storable(ends[i].reason, 500) for i in ids]
    await sql.rows(FINISH, ids, [ends[i].state for i in ids], reasons, now)
    for i, reason in zip(ids, reasons, strict=True):
        if ends[i].state is DeliveryState.PARKED:
            await open_case(accounts[i], ends[i].case, i, reason, now, invoice=ends[i].invoice)
        meters.ROUTED.labels(ends[i].state).inc()


async def again(delivery: Stored, reason: str, *, before: datetime) -> None:
    """Leave it for the next try, which comes no later than `before`."""
    await sql.rows(AGAIN, delivery.id, sql.storable(reason, 500), before)


async def wake(ids: Sequence[str]) -> None:
    """Only the job, for deliveries whose own was lost. In the caller's transaction."""
    await queue.enqueue(ENTRYPOINT, msgspec.json.encode(list(ids)))


async def lost_deliveries(now: datetime, limit: int) -> list[str]:
    """Stored deliveries whose next try is due, or whose wake-up was lost, the oldest first."""
    return [row["id"] for row in await sql.rows(LOST, now, now - LOST_AFTER, limit)]


async def replay(account: str, delivery: str, *, by: str, now: datetime) -> str | None:
    """Route a delivery again, whatever became of it, and close its cases; how it stood before. None: the account has no
    such delivery.

    Harmless at any time: events poke, state decides.
    """
    async with DB.transaction():
        stood: str | None = await sql.value(REPLAY, account, delivery)
        if stood is None:
            return None
        await sql.rows(CLOSE_CASES, account, delivery, now, by)
        await wake([delivery])
    return stood


def _stored(keyring: Keyring, row: asyncpg.Record) -> Stored:
    kind = row["kind"]
    try:
        # Erased with its customer.
        sealed = row["body"]
        body = keyring.decrypt(sealed, table="delivery", column="body", row=row["id"]) if sealed else b""
    except EncryptionError as error:
        # Its key was dropped too early: it ends parked, and is replayed once the key is back.
        log.error("delivery_not_decrypted", delivery=row["id"], error=type(error).__name__)
        kind, body = UNREADABLE, b""
    return Stored(
        row["id"],
        row["account"],
        row["stripe_account"],
        row["source"],
        row["delivery_key"],
        kind,
        body,
        row["tries"],
        row["received_at"],
    )
