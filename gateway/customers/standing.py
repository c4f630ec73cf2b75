"""Payment methods that their processor can't charge for now: suspended by the payer, or expired there.

They are kept and not charged, so that no try is made in vain and the payer is asked for another at the next invoice;
and charged again once the processor says so.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind
from gateway.collect.unsettled import unsettled
from gateway.customers.methods import CURED, poke_living_on
from processors.events import EventKind
from processors.outcome import DeclineClass

REASONS: Final = {EventKind.METHOD_SUSPENDED: "suspended", EventKind.METHOD_EXPIRED: DeclineClass.EXPIRED.value}
MENDED: Final = sorted({"suspended", *CURED})
"""What a processor takes back by saying that the method can be charged. What was stopped for fraud or theft, or is to
be revoked, waits for the payer."""

STOP: Final = """
    update tollbridge.payment_method set status = 'stopped', stopped_reason = $3, told_stripe = false
    where account = $1 and id = $2 and (status = 'active' or status = 'stopped' and stopped_reason = any($4))
      and stopped_reason <> $3 returning customer
"""
# Not one that only a decline has stopped: of that the processor has never said otherwise.
ACTIVATE: Final = """
    update tollbridge.payment_method set status = 'active', stopped_reason = '', told_stripe = false
    where account = $1 and id = $2 and status = 'stopped' and stopped_reason = any($3) and standing_at is not null
    returning customer
"""


async def stop(account: str, method: str, kind: EventKind, now: datetime) -> bool:
    """Charge nothing to a method for now, in the caller's transaction; False: it stood so, or is stopped for worse."""
    customer = await sql.value(STOP, account, method, REASONS[kind], MENDED)
    if customer is None:
        return False
    await poke.poke(Kind.METHOD, account, [method], now)
    await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now)
    return True


async def activate(account: str, method: str, now: datetime) -> bool:
    """It can be charged again, in the caller's transaction; False: it could, or something else stands in the way."""
    customer = await sql.value(ACTIVATE, account, method, MENDED)
    if customer is None:
        return False
    await poke.poke(Kind.METHOD, account, [method], now)
    await poke_living_on(account, customer, now)
    await poke.poke(Kind.INVOICE, account, await unsettled(account, "customer", [customer]), now)
    return True
