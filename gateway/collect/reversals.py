"""A capture that the payer's bank took back, or gave again."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import MovementKind
from gateway import ledger
from gateway.collect.declines import judge
from gateway.collect.outcomes import LOCK, mismatch, stop_method
from gateway.domain.case_kinds import CaseKind
from gateway.turns.cases import open_case
from processors.events import MoneyMoved
from processors.money import Money
from processors.outcome import Decline

RESTS: Final = """
    select issued_as from tollbridge.remainder where account = $1 and invoice = $2 and issued_as is not null
"""
DECLINE: Final = """
    update tollbridge.attempt set decline_class = $3, advice = $4, processor_code = $5, network_code = $6, message = $7,
        network_advice = $8
    where account = $1 and id = $2
"""


class NotTakenBackError(Exception):
    """Money is told to be given again that is not known to have been taken back.

    The notice of that may be slower. Meanwhile it must not stand in the ledger: it would be money that nobody has, and
    be returned to the payer as too much.
    """


async def store_move(account: str, attempt: str, moved: MoneyMoved, decline: Decline | None, now: datetime) -> None:
    """Store money that moved once more for a capture, and poke its invoice; the same move again changes nothing.

    `decline` says why a bank took it back. Raises NotTakenBackError, and stores nothing then.
    """
    async with DB.transaction():
        row = await sql.row(LOCK, account, attempt)
        assert row is not None, "moves are of attempts that exist"
        if moved.amount.currency != row["currency"]:
            await mismatch(row, f"taken back in {moved.amount.currency}, charged in {row['currency']}", now)
            return
        back = moved.amount.amount < 0
        kind = MovementKind.CAPTURE_REVERSED if back else MovementKind.CAPTURE_REINSTATED
        money = Money(abs(moved.amount.amount), moved.amount.currency)
        charge = row["processor_id"] or ""
        await ledger.move(ledger.of(row), kind, charge, money, moved.occurred_at, now, occurrence=moved.occurrence)
        if not back and await ledger.was_given_too_much(row["id"]):
            raise NotTakenBackError(moved.occurrence)
        if back and decline is not None:
            await _declined(row, decline, now)
        await ledger.follow(row)
        if back and await ledger.went_back_too_much(row["id"]):
            reason, invoice = "the payer's bank took back what had been returned already", row["invoice"]
            await open_case(account, CaseKind.OVERPAID_TO_CUSTOMER, row["id"], reason, now, invoice=invoice)
        # What bills it anew is paid by money that comes again.
        rests = await sql.rows(RESTS, account, row["invoice"])
        await poke.poke(Kind.INVOICE, account, [row["invoice"], *(rest["issued_as"] for rest in rests)], now)


async def _declined(row: asyncpg.Record, decline: Decline, now: datetime) -> None:
    decline = await judge(row, decline, now)
    texts = (decline.processor_code, decline.network_code, decline.processor_message, decline.network_advice)
    storable = [sql.storable(text, 500) for text in texts]
    await sql.rows(DECLINE, row["account"], row["id"], decline.decline_class, decline.advice, *storable)
    await stop_method(row, decline, now)
