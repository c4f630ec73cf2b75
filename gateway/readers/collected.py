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
# Of an invoice `t`, what came at Stripe: what payers paid on its page, or it charged, whoever collects the invoice; of
# one that is not ours to collect, what was marked as paid there too. What was recorded by hand with us stands in the
# ledger, where it is looked for by its invoice: a join would read the whole.
NOT_BY_US: Final = "(t.collector in ('hosted', 'stripe') or t.state = 'not_ours')"
CAME_AT_STRIPE: Final = f"""
    case when {NOT_BY_US} and (select true from tollbridge.movement m
                               where m.account = t.account and m.invoice = t.id limit 1) is null
         then t.amount_due else t.stripe_took end
"""  # noqa: S608 (constants of ours)
MAY_BE_AT_STRIPE: Final = f"t.status = 'paid' and ({NOT_BY_US} or t.stripe_took > 0)"
PAID_AT_STRIPE: Final = f"""
    select (t.paid_at at time zone 'UTC')::date as day, t.currency, count(*) as n, sum(there.came)::bigint as came
    from tollbridge.invoice t cross join lateral (select {CAME_AT_STRIPE} as came limit 1) there
    where t.account = $1 and t.paid_at >= $2 and {MAY_BE_AT_STRIPE} and there.came > 0
    group by 1, 2
"""  # noqa: S608 (constants of ours)


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
