"""Which invoices of a subscription are disputed, as far as access goes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from db import sql
from gateway.domain.disputed_access import DisputedInvoice

# One that is closed without a word was lost if all that it was about is gone. What was paid later, and not taken back,
# pays the period that runs now.
DISPUTED: Final = """
    with told as (
        select distinct i.account, i.subscription, i.id, coalesce(i.stripe_created_at, i.created_at) as made_at,
            d.state not in ('opened', 'funds_withdrawn') as lost
        from tollbridge.dispute d join tollbridge.invoice i on i.account = d.account and i.id = d.invoice
            join tollbridge.attempt t on t.id = d.attempt
        where i.account = $1 and i.subscription = $2 and not t.surplus
          and (d.state in ('opened', 'funds_withdrawn', 'lost') or d.state = 'closed' and d.withdrawn >= d.amount)
    )
    select t.*, exists (
        select 1 from tollbridge.invoice l
        where l.account = t.account and l.subscription = t.subscription and l.state = 'paid' and l.amount_due > 0
          and coalesce(l.stripe_created_at, l.created_at) > t.made_at
          and not exists (select 1 from told o where o.id = l.id and o.lost)) as paid_since
    from told t order by t.made_at, t.id
"""


async def disputed_of(account: str, subscription: str) -> Sequence[DisputedInvoice]:
    """The oldest first."""
    rows = await sql.rows(DISPUTED, account, subscription)
    return [DisputedInvoice(row["id"], row["lost"], row["paid_since"]) for row in rows]
