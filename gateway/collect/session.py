"""The checkout session that began an invoice's subscription, or is about to."""

from __future__ import annotations

import asyncpg

from db import sql
from gateway.collect.view_sql import COMING_SESSION
from gateway.domain.billed import BilledInvoice
from gateway.domain.hold import Session


async def session_of(row: asyncpg.Record, invoice: BilledInvoice | None) -> Session | None:
    """That of a row of the view; None where there is none."""
    if row["session"] is not None:
        names = ("state", "told_stripe", "method", "invoice", "paid")
        state, told, method, first, paid = (row[f"session_{name}"] for name in names)
        return Session(state, told, method or "", first, paid)
    if invoice is None or not invoice.subscription or not invoice.session:
        return None
    coming = await sql.row(COMING_SESSION, row["account"], invoice.session, invoice.customer)
    if coming is None:
        return None
    return Session(coming["state"], coming["told_stripe"], coming["payment_method"] or "", coming["invoice"], False)
