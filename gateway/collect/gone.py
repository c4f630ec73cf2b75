"""Payment methods that are gone at their processor, however that became known: a notice, a decline, our own call."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind
from gateway.collect.unsettled import unsettled

REVOKED: Final = """
    update tollbridge.payment_method
    set status = 'revoked', revoked_at = $3, reference = null, told_stripe = false
    where account = $1 and id = $2 and status <> 'revoked' returning customer
"""


async def mark_revoked(account: str, method: str, now: datetime) -> bool:
    """Erase a method's reference, in the caller's transaction; nothing is charged to it again. False: it was revoked.

    The customer's invoices hear of it, and its upkeep, which takes the reference out of Stripe's metadata too.
    """
    customer = await sql.value(REVOKED, account, method, now)
    if customer is None:
        return False
    await poke.poke(Kind.METHOD, account, [method], now)
    await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now)
    return True
