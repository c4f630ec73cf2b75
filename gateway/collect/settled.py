"""A processor calls the money of a capture settled: where Stripe is told only then (`record_on`), it is told at once.

The processor's usual time is the net under it: what no notice ever calls settled counts as such once that has passed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind

SETTLED: Final = """
    update tollbridge.attempt set settled_at = $3
    where account = $1 and id = $2 and state = 'succeeded' and settled_at is null returning invoice
"""


async def store_settled(account: str, attempt: str, at: datetime, now: datetime) -> bool:
    """Store it, and poke the invoice; whether it told anything new. What was taken back is not settled."""
    async with DB.transaction():
        invoice = await sql.value(SETTLED, account, attempt, min(at, now))
        if invoice is not None:
            await poke.poke(Kind.INVOICE, account, [str(invoice)], now)
    return invoice is not None
