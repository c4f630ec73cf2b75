"""The open cases that are about a customer: itself, an invoice, a subscription or a payment method of its."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.readers import cases
from gateway.readers.cases import CaseBody

OF_CUSTOMER: Final = f"""
    {cases.SELECT} where t.account = $1 and t.state = 'open' and (
        t.subject = $2
        or t.invoice <> '' and exists (select 1 from tollbridge.invoice i
                                       where i.account = $1 and i.id = t.invoice and i.customer = $2)
        or exists (select 1 from tollbridge.subscription s
                   where s.account = $1 and s.id = t.subject and s.customer = $2)
        or exists (select 1 from tollbridge.payment_method p
                   where p.account = $1 and p.id = t.subject and p.customer = $2))
    order by t.opened_at desc, t.id desc limit $3
"""  # noqa: S608 (a constant of ours)
OF_SUBSCRIPTION: Final = f"""
    {cases.SELECT} where t.account = $1 and t.state = 'open' and (
        t.subject = $2
        or t.invoice <> '' and exists (select 1 from tollbridge.invoice i
                                       where i.account = $1 and i.id = t.invoice and i.subscription = $2))
    order by t.opened_at desc, t.id desc limit $3
"""  # noqa: S608 (a constant of ours)


async def cases_of_customer(account: str, customer: str, *, limit: int) -> list[CaseBody]:
    """The newest first."""
    return [cases.shown(row) for row in await sql.rows(OF_CUSTOMER, account, customer, limit)]


async def cases_of_subscription(account: str, subscription: str, *, limit: int) -> list[CaseBody]:
    """Its own and those of its invoices, the newest first."""
    return [cases.shown(row) for row in await sql.rows(OF_SUBSCRIPTION, account, subscription, limit)]
