"""How declines end: invoices by the week of their first decline and what has become of them, and why tries failed.

Both read the declines of some weeks from an index of declines alone (`attempt_declined`).
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Final

import asyncpg
import msgspec

from db import sql
from db.states import InvoiceState

LOST: Final = frozenset(
    {InvoiceState.EXHAUSTED, InvoiceState.UNCOLLECTIBLE, InvoiceState.CLOSED, InvoiceState.NOT_OURS}
)
"""Nothing more is tried of these."""

# The first decline of each invoice. Of how it stands now: paid by whatever means, given up, or still open. Each is
# looked up by its id, since a join would go through all invoices.
COHORTS: Final = """
    select date_trunc('week', t.resolved_at, 'UTC')::date as week, t.connection, count(*) as declined,
        count(*) filter (where i.state = 'paid') as recovered,
        count(*) filter (where i.state = any($3)) as lost
    from tollbridge.attempt t
    cross join lateral (select o.state from tollbridge.invoice o
                        where o.account = t.account and o.id = t.invoice limit 1) i
    where t.account = $1 and t.state = 'declined' and t.resolved_at >= $2
      and (t.number = 1 or not exists (
        select 1 from tollbridge.attempt e
        where e.account = t.account and e.invoice = t.invoice and e.number < t.number and e.state = 'declined'))
    group by 1, 2
"""
REASONS: Final = """
    select date_trunc('week', t.resolved_at, 'UTC')::date as week, t.connection, t.decline_class, count(*) as n
    from tollbridge.attempt t
    where t.account = $1 and t.state = 'declined' and t.resolved_at >= $2
    group by 1, 2, 3
"""


class Outcome(StrEnum):
    """What has become of an invoice that was declined."""

    RECOVERED = "recovered"
    LOST = "lost"
    OPEN = "open"


class Cohort(msgspec.Struct, frozen=True):
    """Invoices that were first declined in a week at a connection: how many, and how many are paid or given up now."""

    week: date
    connection: str
    declined: int
    recovered: int
    lost: int


class Reason(msgspec.Struct, frozen=True):
    """Tries that a connection declined in a week for one reason."""

    week: date
    connection: str
    decline_class: str
    count: int


async def cohorts_since(account: str, since: datetime) -> list[Cohort]:
    """`since`: the beginning of a week."""
    return [Cohort(*row) for row in await sql.rows(COHORTS, account, since, sorted(LOST))]


async def reasons_since(account: str, since: datetime) -> list[Reason]:
    """`since`: the beginning of a week."""
    return [_reason(row) for row in await sql.rows(REASONS, account, since)]


def _reason(row: asyncpg.Record) -> Reason:
    return Reason(row["week"], row["connection"], row["decline_class"], row["n"])
