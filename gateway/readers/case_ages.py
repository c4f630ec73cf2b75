"""How long open cases have been waiting, by kind."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from db import sql

OLDER_THAN: Final = tuple(timedelta(days=days) for days in (0, 1, 3, 7, 30))
"""The lower end of each age."""
AGES: Final = ("less than a day", "1 to 3 days", "3 to 7 days", "7 to 30 days", "more than 30 days")

BY_AGE: Final = """
    select t.kind, count(*) as n, min(t.opened_at) as oldest,
        array[count(*) filter (where t.opened_at > $2), count(*) filter (where t.opened_at <= $2 and t.opened_at > $3),
              count(*) filter (where t.opened_at <= $3 and t.opened_at > $4),
              count(*) filter (where t.opened_at <= $4 and t.opened_at > $5),
              count(*) filter (where t.opened_at <= $5)] as ages
    from tollbridge.review_case t where t.account = $1 and t.state = 'open'
    group by t.kind order by min(t.opened_at)
"""


class CaseAges(msgspec.Struct, frozen=True):
    """The open cases of a kind: how many of each of AGES, and when the oldest was opened."""

    kind: str
    count: int
    oldest: datetime
    ages: tuple[int, ...]


async def case_ages(account: str, now: datetime) -> list[CaseAges]:
    """The kind with the oldest case first."""
    rows = await sql.rows(BY_AGE, account, *(now - age for age in OLDER_THAN[1:]))
    return [CaseAges(row["kind"], row["n"], row["oldest"], tuple(row["ages"])) for row in rows]
