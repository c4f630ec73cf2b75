"""A cancellation that bills at once waits for usage that is on its way: it goes on as soon as that has come through.

The rule, with how long it waits at most, is the subscription's (`domain/subscription.py`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from db import poke, sql
from db.poke import Kind

WAITING: Final = """
    select c.subscription from tollbridge.cancellation c
    join tollbridge.subscription s on s.account = c.account and s.id = c.subscription
    where c.account = $1 and c.state = 'wanted' and c.invoice_now and ($2::text[] is null or s.customer = any($2))
"""
ON_THE_WAY: Final = """
    select exists (select 1 from tollbridge.usage_event e
                   join tollbridge.subscription s on s.account = e.account and s.customer = e.customer
                   where s.account = $1 and s.id = $2 and e.state in ('accepted', 'sending'))
"""


async def poke_waiting(account: str, now: datetime, customers: Collection[str] | None = None) -> None:
    """Poke the subscriptions of these customers, or of all, that wait for their usage before they end.

    In the caller's transaction, and before it locks a stream or its events.
    """
    found = await sql.rows(WAITING, account, None if customers is None else sorted(customers))
    await poke.poke(Kind.SUBSCRIPTION, account, [row["subscription"] for row in found], now)


async def hurry(account: str, subscription: str, now: datetime) -> None:
    """Have what its customer has used be sent now, if anything waits; in the caller's transaction."""
    if await sql.value(ON_THE_WAY, account, subscription):
        await poke.poke(Kind.USAGE, account, [account], now)
