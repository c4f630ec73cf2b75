"""Refunds that people ask for: stored with what they are taken from reserved."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, Literal, TypeAlias

import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import named_id, new_id
from db.poke import Kind
from db.states import Approval, RefundOrigin
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError
from gateway.clock import business_now
from gateway.returns.errors import NotRefundableError, RefundStateError
from gateway.returns.refund_rows import NewRefund, RefundAsked, insert_refund
from gateway.returns.refundable import all_surplus, invoice_of, judged, lock_invoice, locked_captures, taken_from
from gateway.returns.spreading import spread_over_captures
from processors.money import Money

CreditReason: TypeAlias = Literal["duplicate", "fraudulent", "order_change", "product_unsatisfactory", ""]
"""What Stripe knows as a credit note's reason (docs: api/credit_notes)."""
NO_ROOM: Final = "there is not so much left to return"
MADE: Final = "select created_at from tollbridge.refund where account = $1 and id = $2"
SAME_FOR: Final = timedelta(hours=24)
"""As long as replies are kept."""


async def ask_refund(by: Author, account: str, asked: RefundAsked, key: str = "") -> str:
    """Store a refund, with its parts reserved, and wake a worker; its id.

    `key` is the caller's own: the same request under it, within a day, is the same refund, also where the reply to the
    first was lost. Raises NotThereError, FieldError, NotRefundableError, RefundStateError.
    """
    now = await business_now()
    refund = _id_of(by, account, asked, key) if key else new_id("rfd")
    async with DB.transaction():
        # Captures are locked before all else, as by whoever stores an outcome.
        captures = taken_from(await locked_captures(account, asked.invoice), asked.attempt)
        made_at = await sql.value(MADE, account, refund)
        if made_at is not None:
            if now - made_at < SAME_FOR:
                return refund
            refund = new_id("rfd")
        await lock_invoice(account, asked.invoice)
        row = await invoice_of(account, asked.invoice)
        if asked.attempt is not None and not captures:
            raise FieldError("attempt", "the invoice has no such capture")
        left = judged(row, captures, asked.attempt)
        if left.refused:
            raise RefundStateError(left.refused)
        if left.is_deferred and asked.amount is None:
            raise FieldError("amount", "is needed while the payment is under way")
        amount = asked.amount if asked.amount is not None else left.at_most
        if not left.allows(amount):
            raise NotRefundableError("; ".join([NO_ROOM, *left.obstacles]), Money(left.amount, left.currency))
        excess = not all_surplus(captures) and not left.wants_note(amount)
        approval = left.wants_approval(amount)
        new = NewRefund(
            refund,
            RefundOrigin.SURPLUS if excess else RefundOrigin.REQUEST,
            amount,
            row["currency"],
            wants_note=left.wants_note(amount),
            id=refund,
            requested_by=by.name,
            approval=Approval.WAITING if approval else Approval.NONE,
        )
        stored = await insert_refund(account, asked, new, now)
        if not left.waits_for(amount) and await spread_over_captures(account, stored, now):
            raise NotRefundableError(NO_ROOM, Money(left.amount, left.currency))
        after = {"invoice": asked.invoice, "amount": amount, "currency": row["currency"], "approval": approval}
        await by.note(account, "refund.requested", refund, after=after)
        await poke.poke(Kind.REFUND, account, [refund], now, urgent=True)
    return refund


def _id_of(by: Author, account: str, asked: RefundAsked, key: str) -> str:
    told = msgspec.json.encode(asked).decode()
    return named_id("rfd", "refund asked", account, by.name, key, told)
