"""The row of a refund: as somebody asks for it, whoever that is, and under its lock."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.ids import new_id
from db.states import Approval, RefundOrigin
from gateway.accounts.errors import NotThereError
from gateway.returns.drawing import LineCredit

INSERT: Final = """
    insert into tollbridge.refund (id, account, invoice, origin, base, state, amount, currency, attempt, reason, memo,
        note, lines, wants_note, credit_note, requested_by, approval, created_at)
    values ($1, $2, $3, $4, $5, 'requested', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    on conflict (account, base) do nothing returning id
"""
BY_ITSELF: Final = "tollbridge"
"""Who asked for a refund that nobody has asked for."""
ASKED: Final = """
    select invoice, amount, lines, reason, memo, note, attempt from tollbridge.refund where account = $1 and id = $2
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


class NewRefund(msgspec.Struct, frozen=True):
    """What a refund is from its first moment on. Its keys follow from `base`; the same one again is the same refund."""

    base: str
    origin: RefundOrigin
    amount: int
    currency: str
    wants_note: bool
    id: str = ""
    """Of one whose name is known before; else it gets one."""
    credit_note: str | None = None
    requested_by: str = ""
    approval: Approval = Approval.NONE


async def asked_for(account: str, refund: str) -> RefundAsked:
    """What a refund that is there was asked for as; raises NotThereError."""
    row = await sql.row(ASKED, account, refund)
    if row is None:
        raise NotThereError("refund", refund)
    lines = msgspec.json.decode(row["lines"], type=tuple[LineCredit, ...]) if row["lines"] else ()
    said = (row["reason"], row["memo"], row["note"], row["attempt"])
    return RefundAsked(row["invoice"], row["amount"], lines, *said)


async def insert_refund(account: str, asked: RefundAsked, new: NewRefund, now: datetime) -> asyncpg.Record:
    """The row, in the caller's transaction; where its `base` stands already, that one."""
    lines = msgspec.json.encode(asked.lines).decode() if asked.lines else ""
    texts = (asked.reason, asked.memo, asked.note, lines)
    place = (new.id or new_id("rfd"), account, asked.invoice, new.origin, new.base)
    asked_for = (new.amount, new.currency, asked.attempt, *texts, new.wants_note, new.credit_note)
    await sql.rows(INSERT, *place, *asked_for, new.requested_by, new.approval, now)
    row = await sql.row("select * from tollbridge.refund where account = $1 and base = $2", account, new.base)
    assert row is not None, "it was inserted, or was there"
    return row


async def locked(account: str, refund: str) -> asyncpg.Record:
    """The row of a refund, locked; raises NotThereError."""
    row = await sql.row(LOCK, account, refund)
    if row is None:
        raise NotThereError("refund", refund)
    return row
