"""Disputes look at what else goes back of their invoice's money: they hear of it."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind

OF_INVOICE: Final = "select id from tollbridge.dispute where account = $1 and invoice = $2"
OF_CAPTURE: Final = "select id from tollbridge.dispute where account = $1 and attempt = $2"


async def poke_disputes(account: str, invoice: str, now: datetime, *, capture: str = "") -> None:
    """Those about an invoice's money, and about a `capture`, which may pay another invoice than it came for.

    In the caller's transaction; disputes are locked after invoices and refunds.
    """
    found = await sql.rows(OF_INVOICE, account, invoice)
    found += await sql.rows(OF_CAPTURE, account, capture) if capture else []
    await poke.poke(Kind.DISPUTE, account, sorted({row["id"] for row in found}), now)
