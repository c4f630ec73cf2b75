"""Payment methods that are gone at their processor, however that became known: a notice, a decline, our own call."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind
from gateway.collect.unsettled import unsettled

# Whoever else deletes one there than we: its payer, or the bank, or somebody in the processor's dashboard.
REVOKED: Final = """
    update tollbridge.payment_method
    set status = 'revoked', revoked_at = $3, reference = null, told_stripe = false,
        ended_by_payer = $4 and revoke_asked_at is null, end_answered = not ($4 and revoke_asked_at is null)
    where account = $1 and id = $2 and status <> 'revoked' returning customer, ended_by_payer
"""
LIVING: Final = """
    select id from tollbridge.subscription where account = $1 and customer = $2 and ended_at is null
"""


async def mark_revoked(account: str, method: str, now: datetime, *, by_payer: bool) -> bool:
    """Erase a method's reference, in the caller's transaction; nothing is charged to it again. False: it was revoked.

    The customer's invoices hear of it, and its upkeep, which takes the reference out of Stripe's metadata too.
    `by_payer`: nobody here has deleted it. Then the customer's subscriptions hear of it as well, unless we were about
    to delete it ourselves.
    """
    gone = await sql.row(REVOKED, account, method, now, by_payer)
    if gone is None:
        return False
    await poke.poke(Kind.METHOD, account, [method], now)
    if gone["ended_by_payer"]:
        living = [row["id"] for row in await sql.rows(LIVING, account, gone["customer"])]
        await poke.poke(Kind.SUBSCRIPTION, account, living, now)
    await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [gone["customer"]]), now)
    return True
