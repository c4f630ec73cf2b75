"""A dispute as its processor tells of it, stored in the one place through which every notice and every look goes.

Notices come doubled, late and in any order. What a dispute is, is what the processor said last, by its own clock; what
it moved is a set, each move by its own id (law 10). So whatever the order, the same is stored in the end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from db.states import DISPUTE_LIVING, MovementKind
from db.states import DisputeState as State
from gateway import ledger
from gateway.returns.beside import poke_waiting_refunds
from processors.events import DisputeStage, DisputeState, MoneyMoved
from processors.money import Money

ORDER: Final = tuple(DisputeStage)
"""Said in the same second and with the same moves, the later stage was said later."""
LOCK: Final = "select * from tollbridge.attempt where account = $1 and id = $2 for no key update"
STORED: Final = "select * from tollbridge.dispute where connection = $1 and processor_id = $2"
MOVES: Final = """
    select occurrence from tollbridge.movement
    where connection = $1 and processor_id = $2 and kind in ('dispute_withdrawn', 'dispute_returned')
"""
INVOICE: Final = "select subscription from tollbridge.invoice where account = $1 and id = $2"
INSERT: Final = """
    insert into tollbridge.dispute (id, account, connection, invoice, attempt, processor_id, charge_id, created_at,
        state, amount, currency, withdrawn, reason, evidence_due_by, evidence_url, told_at, told_moves, resolved_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    on conflict (connection, processor_id) do update set state = excluded.state, amount = excluded.amount,
        withdrawn = excluded.withdrawn, reason = excluded.reason, evidence_due_by = excluded.evidence_due_by,
        evidence_url = excluded.evidence_url, told_at = excluded.told_at, told_moves = excluded.told_moves,
        failure = '',
        resolved_at = case when excluded.resolved_at is not null then coalesce(dispute.resolved_at, $18) end
    returning id
"""


class DisputeMismatchError(Exception):
    """What is told can't be of this capture; a human compares the two sides."""


async def store_dispute(
    attempt: asyncpg.Record, connection: str, told: DisputeState, said_at: datetime, now: datetime
) -> bool:
    """Store what a processor said of a dispute of this capture at `said_at`, in the caller's transaction; whether any
    of it was new. Raises DisputeMismatchError.
    """
    DB.current("a dispute that was told of")
    account = attempt["account"]
    # The capture is locked first, as by whoever asks what of it is refundable.
    capture = await sql.row(LOCK, account, attempt["id"])
    assert capture is not None, "attempts are never deleted"
    stored = await sql.row(STORED, connection, told.processor_id)
    _check(capture, stored, told)
    known = {row["occurrence"] for row in await sql.rows(MOVES, connection, told.processor_id)}
    moves = [move for move in told.moves if move.occurrence not in known]
    newer = stored is None or _place(told, said_at) > _stored_place(stored)
    if not moves and not newer:
        return False
    await _poke_concerned(capture, now)
    for move in moves:
        await _move(capture, told.processor_id, move, now)
    dispute = stored["id"] if stored is not None else None
    if newer:
        dispute = await _write(capture, told, said_at, now)
    await poke.poke(Kind.DISPUTE, account, [str(dispute)], now)
    return True


def _check(capture: asyncpg.Record, stored: asyncpg.Record | None, told: DisputeState) -> None:
    currencies = {told.amount.currency, told.withdrawn.currency, *(move.amount.currency for move in told.moves)}
    if currencies != {capture["currency"]}:
        said = ", ".join(sorted(currencies))
        raise DisputeMismatchError(f"disputed in {said}, charged in {capture['currency']}")
    if told.amount.amount <= 0 or told.withdrawn.amount < 0 or any(not move.amount.amount for move in told.moves):
        raise DisputeMismatchError("a dispute is about more than nothing, and so is each of its moves")
    if stored is not None and stored["attempt"] != capture["id"]:
        raise DisputeMismatchError(f"the dispute {told.processor_id} was told of another charge before")


def _place(told: DisputeState, said_at: datetime) -> tuple[datetime, int, int]:
    return said_at, len(told.moves), ORDER.index(told.stage)


def _stored_place(row: asyncpg.Record) -> tuple[datetime, int, int]:
    return row["told_at"], row["told_moves"], ORDER.index(DisputeStage(row["state"]))


async def _poke_concerned(capture: asyncpg.Record, now: datetime) -> None:
    """Before any row of the dispute is locked: subscriptions, invoices, then what hangs on them."""
    account, invoice = capture["account"], capture["invoice"]
    subscription = await sql.value(INVOICE, account, invoice)
    await poke.poke(Kind.SUBSCRIPTION, account, [subscription] if subscription else [], now)
    await poke.poke(Kind.INVOICE, account, [invoice], now)
    await poke_waiting_refunds(account, invoice, now, capture=capture["id"])


async def _move(capture: asyncpg.Record, dispute: str, move: MoneyMoved, now: datetime) -> None:
    kind = MovementKind.DISPUTE_WITHDRAWN if move.amount.amount < 0 else MovementKind.DISPUTE_RETURNED
    money = Money(abs(move.amount.amount), move.amount.currency)
    place = ledger.of(capture)
    await ledger.move(place, kind, dispute, money, move.occurred_at, now, occurrence=move.occurrence)


async def _write(capture: asyncpg.Record, told: DisputeState, said_at: datetime, now: datetime) -> str:
    state = State(told.stage)
    ended = state not in DISPUTE_LIVING
    place = [capture[name] for name in ("account", "connection", "invoice", "id")]
    money = (told.amount.amount, told.amount.currency, told.withdrawn.amount)
    evidence = (told.evidence_due_by, sql.storable(told.evidence_url, 2000))
    dispute = await sql.value(
        INSERT,
        new_id("dsp"),
        *place,
        told.processor_id,
        told.charge_id,
        now,
        state,
        *money,
        sql.storable(told.reason, 500),
        *evidence,
        said_at,
        len(told.moves),
        now if ended else None,
    )
    return str(dispute)
