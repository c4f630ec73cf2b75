"""The row of a refund: as somebody asks for it, whoever that is, and under its lock."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.states import RefundOrigin
from gateway.accounts.errors import NotThereError
from gateway.returns.drawing import LineCredit

INSERT: Final = """
    insert into tollbridge.refund (id, account, invoice, origin, base, state, amount, currency, attempt, reason, memo,
        note, lines, wants_note, credit_note, requested_by, approval, created_at)
    values ($1, $2, $3, $4, $5, 'requested', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    on conflict (account, base) do nothing returning id
"""
LOCK: Final = "select * from tollbridge.refund where account = $1 and id = $2 for no key update"


class RefundAsked(msgspec.Struct, frozen=True):
    """A refund as somebody asks for it. `amount` in minor units; None for all that can be returned.

    `attempt`: of this capture alone, which may be money that the invoice did not take (no credit note then).
    """

    invoice: str
    amount: int | None = None
    lines: tuple[LineCredit, ...] = ()
    reason: str = ""
    memo: str = ""
    note: str = ""
    attempt: str | None = None


async def insert_refund(
    account: str,
    refund: str,
    base: str,
    asked: RefundAsked,
    origin: RefundOrigin,
    amount: int,
    currency: str,
    now: datetime,
    *,
    wants_note: bool,
    credit_note: str | None = None,
    requested_by: str = "",
    approval: str = "",
) -> asyncpg.Record:
    """The row, in the caller's transaction; the same `base` again is the row that stands."""
    lines = msgspec.json.encode(asked.lines).decode() if asked.lines else ""
    texts = (asked.reason, asked.memo, asked.note, lines)
    asked_for = (amount, currency, asked.attempt, *texts, wants_note, credit_note, requested_by, approval, now)
    await sql.rows(INSERT, refund, account, asked.invoice, origin, base, *asked_for)
    row = await sql.row("select * from tollbridge.refund where account = $1 and base = $2", account, base)
    assert row is not None, "it was inserted, or was there"
    return row


async def locked(account: str, refund: str) -> asyncpg.Record:
    """The row of a refund, locked; raises NotThereError."""
    row = await sql.row(LOCK, account, refund)
    if row is None:
        raise NotThereError("refund", refund)
    return row
