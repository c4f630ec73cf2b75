"""The invoices of one customer or one subscription, for the pages about these."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from db import sql
from gateway.readers import invoices
from gateway.readers.due import DUE
from gateway.readers.invoices import InvoiceBody

OPEN: Final = f"""
    {invoices.SELECT} where t.account = $1 and t.customer = $2 and t.status = 'open'
    order by {DUE} nulls last, t.id limit $3
"""
OF_SUBSCRIPTION: Final = f"""
    {invoices.SELECT} where t.account = $1 and t.subscription = $2 and ($3 = '' or t.status = $3)
    order by t.stripe_created_at desc nulls last, t.id desc limit $4
"""


async def open_invoices(account: str, customer: str, *, limit: int) -> list[InvoiceBody]:
    """What the customer has to pay, the longest due first."""
    return [invoices.shown(row) for row in await sql.rows(OPEN, account, customer, limit)]


async def invoices_of(account: str, subscription: str, status: str = "", *, limit: int) -> list[InvoiceBody]:
    """Those of a subscription, the newest first; `status` is Stripe's."""
    return [invoices.shown(row) for row in await sql.rows(OF_SUBSCRIPTION, account, subscription, status, limit)]


def remaining(invoices: Iterable[InvoiceBody]) -> list[tuple[int, str]]:
    """What remains to be paid of them: one amount for each currency."""
    found: dict[str, int] = {}
    for one in invoices:
        found[one.currency or ""] = found.get(one.currency or "", 0) + one.amount_remaining
    return [(amount, currency) for currency, amount in sorted(found.items()) if amount > 0]
