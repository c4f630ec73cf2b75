"""Disputes look at what else goes back of their invoice's money: they hear of it."""

from __future__ import annotations

from datetime import datetime

from db import poke, sql
from db.poke import Kind


async def poke_disputes(account: str, invoice: str, now: datetime) -> None:
    """In the caller's transaction; disputes are locked after invoices and refunds."""
    found = await sql.rows("select id from tollbridge.dispute where account = $1 and invoice = $2", account, invoice)
    await poke.poke(Kind.DISPUTE, account, [row["id"] for row in found], now)
