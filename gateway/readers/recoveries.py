"""How declines end: invoices by the week of their first decline and what has become of them, and why tries failed.

Both read the declines of some weeks from an index of declines alone (`attempt_declined`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final

import asyncpg
import msgspec

from db import sql


class Outcome(StrEnum):
    """What has become of an invoice that was declined."""

    RECOVERED = "recovered"
    """It was paid, by whatever means."""
    LOST = "lost"
    """Nothing more is tried: it was given up, closed or credited away."""
    OPEN = "open"


# How an invoice `t` stands now. Stripe calls one paid too of which all was credited: nothing is due, and nothing came.
RECOVERED: Final = "(t.state = 'paid' and t.amount_due > 0)"
LOST: Final = """
    (t.state in ('exhausted', 'uncollectible', 'closed', 'not_ours') or t.state = 'paid' and t.amount_due <= 0)
"""
STANDS: Final[Mapping[Outcome, str]] = {
    Outcome.RECOVERED: RECOVERED,
    Outcome.LOST: LOST,
    Outcome.OPEN: f"not ({RECOVERED} or {LOST})",
}

# The first decline of each invoice, which is looked up by its id, since a join would go through all invoices.
COHORTS: Final = f"""
    select date_trunc('week', a.resolved_at, 'UTC')::date as week, a.connection, count(*) as declined,
        count(*) filter (where i.recovered) as recovered,
        count(*) filter (where i.lost) as lost
    from tollbridge.attempt a
    cross join lateral (select {RECOVERED} as recovered, {LOST} as lost from tollbridge.invoice t
                        where t.account = a.account and t.id = a.invoice limit 1) i
    where a.account = $1 and a.state = 'declined' and a.resolved_at >= $2
      and (a.number = 1 or not exists (
        select 1 from tollbridge.attempt e
        where e.account = a.account and e.invoice = a.invoice and e.number < a.number and e.state = 'declined'))
    group by 1, 2
"""  # noqa: S608 (constants of ours)
REASONS: Final = """
    select date_trunc('week', t.resolved_at, 'UTC')::date as week, t.connection, t.decline_class, count(*) as n
    from tollbridge.attempt t
    where t.account = $1 and t.state = 'declined' and t.resolved_at >= $2
    group by 1, 2, 3
"""


class Cohort(msgspec.Struct, frozen=True):
    """Invoices that were first declined in a week at a connection: how many, and how many are recovered or lost now."""

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
    return [Cohort(*row) for row in await sql.rows(COHORTS, account, since)]


async def reasons_since(account: str, since: datetime) -> list[Reason]:
    """`since`: the beginning of a week."""
    return [_reason(row) for row in await sql.rows(REASONS, account, since)]


def _reason(row: asyncpg.Record) -> Reason:
    return Reason(row["week"], row["connection"], row["decline_class"], row["n"])
