"""What processors have paid out, as their settlement files tell."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db import sql

# A payout leaves the balance at the processor, so that its row is negative there.
LAST: Final = """
    select c.id, c.name, c.adapter, c.enabled, p.amount, p.currency, p.occurred_at
    from tollbridge.connection c
    left join lateral (
        select -r.net as amount, r.settled_currency as currency, r.occurred_at from tollbridge.settlement_row r
        where r.account = c.account and r.connection = c.id and r.kind = 'payout'
        order by r.occurred_at desc, r.row_id desc limit 1) p on true
    where c.account = $1 order by c.name
"""


class LastPayout(msgspec.Struct, frozen=True):
    """A connection and the last payout that its files show: None in all three where no file shows one."""

    connection: str
    name: str
    adapter: str
    enabled: bool
    amount: int | None
    currency: str | None
    paid_out: datetime | None


async def last_payouts(account: str) -> list[LastPayout]:
    """One for each connection, by name."""
    return [LastPayout(*row) for row in await sql.rows(LAST, account)]
