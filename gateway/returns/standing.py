"""A credit note of ours that stands at Stripe: what it came to is kept, whoever has seen it there."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind
from db.states import CreditNoteState
from gateway.billing.client import from_unix
from gateway.billing.credit_notes import CreditNoteShape

INVOICE: Final = "select invoice from tollbridge.credit_note where account = $1 and id = $2"
ISSUED: Final = """
    update tollbridge.credit_note set state = $10, stripe_id = $3, number = $4, amount = $5, out_of_band = $6,
        pre_payment = $7, post_payment = $8, issued_at = $9, read_at = $11, error = ''
    where account = $1 and id = $2
"""


async def invoice_of(account: str, note: str) -> str | None:
    """The invoice of a credit note; None where there is no such note."""
    found: str | None = await sql.value(INVOICE, account, note)
    return found


async def stands(account: str, note: str, shape: CreditNoteShape, now: datetime) -> None:
    """It stands at Stripe: keep what it came to, and look at its invoice again; in the caller's transaction."""
    invoice = await invoice_of(account, note)
    # Invoices are locked before their notes, as everywhere.
    await poke.poke(Kind.INVOICE, account, [str(invoice)], now, stale=True)
    made_at = from_unix(shape.created) or now
    amounts = (shape.total, shape.out_of_band_amount or 0, shape.pre_payment_amount, shape.post_payment_amount)
    state = CreditNoteState.VOID if shape.status == "void" else CreditNoteState.ISSUED
    await sql.rows(ISSUED, account, note, shape.id, shape.number, *amounts, made_at, state, now)
