"""Money that came in, day by day: by each connection, by hand, and at Stripe; and what went back of it.

Days are the processor's (`occurred_at`), in UTC. The ledger is read from an index that holds all that is summed
(`movement_collected`): no row of the table is visited but the newest, which no vacuum has seen yet.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import msgspec

from db import sql

BY_HAND: Final = "by_hand"
AT_STRIPE: Final = "stripe"

LEDGER: Final = """
    select (m.occurred_at at time zone 'UTC')::date as day, m.currency, m.connection,
        count(*) as n,
        sum(case when m.kind in ('capture', 'receipt', 'capture_reinstated') then m.amount
                 when m.kind = 'capture_reversed' then -m.amount else 0 end)::bigint as came,
        sum(case when m.kind in ('refund', 'surplus_returned', 'dispute_withdrawn') then m.amount
                 when m.kind in ('refund_failed', 'dispute_returned') then -m.amount else 0 end)::bigint as went
    from tollbridge.movement m
    where m.account = $1 and m.occurred_at >= $2
    group by 1, 2, 3
"""
# What payers paid on Stripe's page, or Stripe charged. What was recorded by hand with us stands in the ledger, where it
# is looked for by its invoice: a join would read the whole.
PAID_AT_STRIPE: Final = """
    select (i.paid_at at time zone 'UTC')::date as day, i.currency, count(*) as n, sum(i.amount_due)::bigint as came
    from tollbridge.invoice i
    left join lateral (select true as stands from tollbridge.movement m
                       where m.account = i.account and m.invoice = i.id limit 1) ledger on true
    where i.account = $1 and i.paid_at >= $2 and i.amount_due > 0
      and i.status = 'paid' and (i.collector in ('hosted', 'stripe') or i.state = 'not_ours')
      and ledger.stands is null
    group by 1, 2
"""


class Collected(msgspec.Struct, frozen=True):
    """What `count` moves brought on a day, less what banks took back; `went`: what was returned to payers. `by`: a
    connection's id, BY_HAND, or AT_STRIPE."""

    day: date
    currency: str
    by: str
    count: int
    came: int
    went: int = 0


async def collected_since(account: str, since: datetime) -> list[Collected]:
    """Every day since then on which money moved."""
    ledger = [
        Collected(row["day"], row["currency"], row["connection"] or BY_HAND, row["n"], row["came"], row["went"])
        for row in await sql.rows(LEDGER, account, since)
    ]
    at_stripe = await sql.rows(PAID_AT_STRIPE, account, since)
    return ledger + [Collected(row["day"], row["currency"], AT_STRIPE, row["n"], row["came"]) for row in at_stripe]
