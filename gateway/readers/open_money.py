"""What invoices that are not settled are about, by the groups of `domain/open_money.py`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from db import sql
from db.states import InvoiceState
from gateway.domain.open_money import AT_RISK, Due, Group, groups, soon
from gateway.domain.policy import Policy

# Its condition is that of the index `invoice_unsettled`. Uncollectible ones grow ever more: those of late count.
OPEN: Final = """
    select t.currency, t.state,
        case when x.due is null then 'never' when x.due <= $2 then 'past' when x.due <= $3 then 'soon'
             else 'later' end as due,
        count(*) as n, sum(t.amount_remaining)::bigint as amount
    from tollbridge.invoice t
    cross join lateral (
        select coalesce(t.due_date, case when t.collector = 'gateway' then t.collect_by end) as due) x
    where t.account = $1 and t.state not in ('paid', 'closed', 'not_ours')
      and (t.state <> 'uncollectible' or t.stripe_created_at >= $4)
    group by 1, 2, 3
"""


class Sum(msgspec.Struct, frozen=True):
    """So many invoices, and what remains to be paid of them."""

    count: int = 0
    amount: int = 0

    def and_(self, count: int, amount: int) -> Sum:
        return Sum(self.count + count, self.amount + amount)


async def open_money(
    account: str, policy: Policy, now: datetime, written_off_since: datetime
) -> dict[str, dict[Group, Sum]]:
    """By currency. What is uncollectible counts if its invoice was made since `written_off_since`."""
    found: dict[str, dict[Group, Sum]] = {}
    for row in await sql.rows(OPEN, account, now, now + soon(policy), written_off_since):
        sums = found.setdefault(row["currency"], dict.fromkeys(Group, Sum()))
        for group in groups(InvoiceState(row["state"]), Due(row["due"])):
            sums[group] = sums[group].and_(row["n"], row["amount"])
    return {currency: sums for currency, sums in found.items() if currency}


def at_risk_condition(now: str, soon_: str) -> str:
    """The rule of what is at risk as a condition on an invoice `t`; `now` and `soon_` are places such as `$2`."""
    due = "coalesce(t.due_date, case when t.collector = 'gateway' then t.collect_by end)"
    ahead = [state for state, when in AT_RISK.items() if Due.LATER in when]
    near = [state for state, when in AT_RISK.items() if Due.LATER not in when]
    return (
        f"(t.state in ({_quoted(ahead)}) and {due} > {now} "
        f"or t.state in ({_quoted(near)}) and {due} > {now} and {due} <= {soon_})"
    )


def _quoted(states: Iterable[InvoiceState]) -> str:
    return ", ".join(f"'{state}'" for state in states)
