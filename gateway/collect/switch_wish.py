"""That somebody wants a subscription to be collected by another, or with another payment method: stored, and no more.

A server or a person asks for it, or a payer by giving Stripe a payment method. `subscriptions/switch.py` does it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db import poke, sql
from db.ids import new_id
from db.poke import Kind
from db.states import Collector, OpenInvoices

INSERT: Final = """
    insert into tollbridge.switch (id, account, subscription, collector, payment_method, stripe_payment_method,
        open_invoices, days_until_due, retire, by_payer, state, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'wanted', $11)
"""
WITHDRAW: Final = """
    update tollbridge.switch set state = 'withdrawn', error = 'asked for otherwise since', resolved_at = $3
    where account = $1 and subscription = $2 and state = 'wanted'
"""


class Asked(msgspec.Struct, frozen=True):
    """Who is to collect a subscription, and how."""

    to: Collector
    payment_method: str = ""
    stripe_payment_method: str = ""
    open_invoices: OpenInvoices = OpenInvoices.FINISH
    days_until_due: int | None = None
    retire: bool = False


async def want(account: str, subscription: str, asked: Asked, now: datetime, *, by_payer: bool = False) -> str:
    """Store the wish and poke, in the caller's transaction, with the subscription's row locked.

    `by_payer`: nobody waits for what comes of it, so that a human is told where it can't be.
    """
    switch = new_id("swt")
    await sql.rows(WITHDRAW, account, subscription, now)
    await sql.rows(
        INSERT,
        switch,
        account,
        subscription,
        asked.to,
        asked.payment_method or None,
        asked.stripe_payment_method,
        asked.open_invoices,
        asked.days_until_due,
        asked.retire,
        by_payer,
        now,
    )
    await poke.poke(Kind.SUBSCRIPTION, account, [subscription], now, urgent=True)
    return switch
