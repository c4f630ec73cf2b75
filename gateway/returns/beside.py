"""Who looks at what else becomes of an invoice's money hears of it: disputes, and refunds that wait."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind

OF_INVOICE: Final = "select id from tollbridge.dispute where account = $1 and invoice = $2"
OF_CAPTURE: Final = "select id from tollbridge.dispute where account = $1 and attempt = $2"
WAITING: Final = """
    select id from tollbridge.refund
    where account = $1 and state in ('requested', 'deferred') and invoice in (
        select $2 union select r.invoice from tollbridge.recording r where r.attempt = $3 and r.state = 'recorded')
"""


async def poke_disputes(account: str, invoice: str, now: datetime, *, capture: str = "") -> None:
    """Those about an invoice's money, and about a `capture`, which may pay another invoice than it came for.

    In the caller's transaction; disputes are locked after invoices and refunds.
    """
    found = await sql.rows(OF_INVOICE, account, invoice)
    found += await sql.rows(OF_CAPTURE, account, capture) if capture else []
    await poke.poke(Kind.DISPUTE, account, sorted({row["id"] for row in found}), now)


async def poke_waiting_refunds(account: str, invoice: str, now: datetime, *, capture: str = "") -> None:
    """Those of an invoice's money that wait, and of any invoice that a `capture` pays.

    In the caller's transaction; refunds are locked after invoices.
    """
    found = await sql.rows(WAITING, account, invoice, capture)
    await poke.poke(Kind.REFUND, account, [row["id"] for row in found], now)
