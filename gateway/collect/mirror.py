"""The mirror: Stripe's last answer about an invoice, kept on its row."""

from __future__ import annotations

from datetime import datetime

from db import sql
from gateway.billing.invoices import StripeInvoice
from gateway.billing.shapes import billed, invoice_digest

STORE = """
    update tollbridge.invoice set
        snapshot = $3, read_at = $4, stale = (poked <> $5), status = $6, customer = $7, subscription = $8, number = $9,
        billing_reason = $10, digest = $11, currency = $12, amount_due = $13, amount_remaining = $14, total = $15,
        stripe_created_at = $16, due_date = $17, paid_at = $18
    where account = $1 and id = $2 and (read_at is null or read_at <= $4)
"""
STORE_DELETED = """
    update tollbridge.invoice set status = 'deleted', stale = false, snapshot = coalesce(snapshot, $5),
        read_at = $3, digest = $4,
        amount_remaining = 0, amount_due = 0
    where account = $1 and id = $2 and status in ('', 'draft', 'deleted')
"""


async def store(account: str, answer: StripeInvoice, *, read_at: datetime, poked: int) -> None:
    """Keep an answer to what was asked for at `read_at`. A look is as old as its request: Stripe may show that moment.

    `poked` is the counter read before the call: a poke since then makes the row stale at once.
    """
    read_at += answer.waited
    invoice = billed(answer.shape)
    digest = invoice_digest(answer.shape)
    if invoice.status == "deleted":
        # A deleted draft answers with hardly more than its id: what we knew of it stays.
        await sql.rows(STORE_DELETED, account, invoice.id, read_at, digest, answer.raw)
        return
    await sql.rows(
        STORE,
        account,
        invoice.id,
        answer.raw,
        read_at,
        poked,
        invoice.status,
        invoice.customer,
        invoice.subscription,
        invoice.number,
        invoice.billing_reason,
        digest,
        invoice.currency,
        invoice.amount_due,
        invoice.amount_remaining,
        invoice.total,
        invoice.created,
        invoice.due_date,
        invoice.paid_at,
    )
