"""The ledger: each move of money once, and what follows from it for the state of an attempt."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.engine import DB
from db.ids import new_id
from db.states import AttemptState, MovementKind
from processors.money import Money

MOVE: Final = """
    insert into tollbridge.movement (id, account, invoice, connection, attempt, refund, kind, processor_id, occurrence,
        amount, currency, evidence, occurred_at, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    on conflict on constraint movement_once do nothing returning id
"""
HELD: Final = "select tollbridge.held_money($1, $2)"
OTHER_SUCCESS: Final = """
    select exists (select 1 from tollbridge.attempt where account = $1 and invoice = $2 and id <> $3
                   and state = 'succeeded' and amount_captured >= amount and not surplus)
"""
NET: Final = """
    select coalesce(sum(case kind when 'capture_reversed' then -amount else amount end), 0)::bigint
    from tollbridge.movement
    where attempt = $1 and kind in ('capture', 'capture_reversed', 'capture_reinstated')
"""
GIVEN: Final = """
    select coalesce(sum(case kind when 'capture_reversed' then -amount else amount end), 0) > 0
    from tollbridge.movement where attempt = $1 and kind in ('capture_reversed', 'capture_reinstated')
"""
# What was only reserved is not sent any more, since its capture has no room for it: that went nowhere.
TOO_MUCH: Final = """
    select tollbridge.refundable($1)
         + coalesce((select sum(amount) from tollbridge.refund_part where attempt = $1 and state = 'requested'), 0) < 0
"""
NOW: Final = "select state, surplus from tollbridge.attempt where id = $1"
FOLLOW: Final = """
    update tollbridge.attempt set state = $2, surplus = $3,
        surplus_at = case when $3 then coalesce(surplus_at, tollbridge.business_now()) end,
        surplus_reason = case when $3 and not surplus then 'the invoice was paid by another capture'
                         else surplus_reason end
    where id = $1
"""


class Place(msgspec.Struct, frozen=True):
    """What a movement belongs to. No processor knows of a receipt: it has no connection."""

    account: str
    invoice: str
    connection: str | None = None
    attempt: str | None = None
    refund: str | None = None


def of(attempt: asyncpg.Record) -> Place:
    """The place of what an attempt moved itself."""
    return Place(attempt["account"], attempt["invoice"], attempt["connection"], attempt["id"])


async def move(
    place: Place,
    kind: MovementKind,
    processor_id: str,
    money: Money,
    occurred_at: datetime,
    now: datetime,
    *,
    occurrence: str = "",
    evidence: str = "",
) -> str | None:
    """Write a movement, whose attempt the caller has locked if it has one; its id. In the caller's transaction.

    The same one again is no other: None.
    """
    DB.current("a movement")
    of_what = (place.account, place.invoice, place.connection, place.attempt, place.refund)
    moved = (kind, processor_id, occurrence, money.amount, money.currency, evidence, occurred_at)
    written: str | None = await sql.value(MOVE, new_id("mov"), *of_what, *moved, now)
    return written


async def held_money(account: str, invoice: str) -> int:
    """What is held for an invoice and not told to Stripe."""
    return int(await sql.value(HELD, account, invoice))


async def another_has_paid(attempt: asyncpg.Record) -> bool:
    """Whether another capture pays the invoice already."""
    return bool(await sql.value(OTHER_SUCCESS, attempt["account"], attempt["invoice"], attempt["id"]))


async def went_back_too_much(attempt: str) -> bool:
    """Whether more of a locked capture went back to the payer, or is on its way, than ever came in."""
    return bool(await sql.value(TOO_MUCH, attempt))


async def was_given_too_much(attempt: str) -> bool:
    """Whether more of a locked capture was given again than was ever taken back."""
    return bool(await sql.value(GIVEN, attempt))


async def follow(attempt: asyncpg.Record) -> None:
    """Bring the state of a locked attempt in line with its ledger: taken back whole, or given again.

    It follows from the sum alone, so the order in which a processor tells of its moves does not matter.
    """
    net, row = int(await sql.value(NET, attempt["id"])), await sql.row(NOW, attempt["id"])
    assert row is not None, "it is locked"
    if row["state"] == AttemptState.SUCCEEDED and net <= 0:
        await sql.rows(FOLLOW, attempt["id"], AttemptState.REVERSED, row["surplus"])
    elif row["state"] == AttemptState.REVERSED and net > 0:
        surplus = row["surplus"] or await another_has_paid(attempt)
        await sql.rows(FOLLOW, attempt["id"], AttemptState.SUCCEEDED, surplus)
