"""What invoices that are not settled are about, by the groups of `domain/open_money.py`."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db import sql
from db.states import SETTLED, InvoiceState
from gateway.domain.open_money import SOON, Due, Group, groups
from gateway.readers.due import DUE
from gateway.readers.remaining import REMAINING

UNSETTLED: Final = ", ".join(
    f"'{state}'" for state in sorted(set(InvoiceState) - SETTLED | {InvoiceState.UNCOLLECTIBLE})
)
# By the index of states (`invoice_newest_in_state`): settled ones are not visited. The states stand in the statement,
# as the planner must know how rare they are. Of the uncollectible there are ever more: those of late alone count.
OPEN: Final = f"""
    select t.currency, t.state,
        case when x.due is null then 'never' when x.due <= $2 then 'past' when x.due <= $3 then 'soon'
             else 'later' end as due,
        count(*) as n, sum({REMAINING})::bigint as amount
    from tollbridge.invoice t
    cross join lateral (select {DUE} as due) x
    where t.account = $1 and t.state in ({UNSETTLED})
      and (t.state <> 'uncollectible' or t.stripe_created_at >= $4)
    group by 1, 2, 3
"""  # noqa: S608 (states of ours)


class Sum(msgspec.Struct, frozen=True):
    """So many invoices, and what remains to be paid of them."""

    count: int = 0
    amount: int = 0

    def and_(self, count: int, amount: int) -> Sum:
        return Sum(self.count + count, self.amount + amount)


async def open_money(account: str, now: datetime, written_off_since: datetime) -> dict[str, dict[Group, Sum]]:
    """By currency. What is uncollectible counts if its invoice was made since `written_off_since`."""
    found: dict[str, dict[Group, Sum]] = {}
    for row in await sql.rows(OPEN, account, now, now + SOON, written_off_since):
        sums = found.setdefault(row["currency"], dict.fromkeys(Group, Sum()))
        for group in groups(InvoiceState(row["state"]), Due(row["due"])):
            sums[group] = sums[group].and_(row["n"], row["amount"])
    return {currency: sums for currency, sums in found.items() if currency}
