"""How long open cases have been waiting, by kind."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from db import sql
from gateway.domain.case_age import Age, edges

BY_AGE: Final = """
    select t.kind, width_bucket(t.opened_at, $2::timestamptz[]) as since, count(*) as n, min(t.opened_at) as oldest
    from tollbridge.review_case t where t.account = $1 and t.state = 'open'
    group by 1, 2 order by min(t.opened_at)
"""


class CaseAges(msgspec.Struct, frozen=True):
    """The open cases of a kind: how many of each age, and when the oldest was opened."""

    kind: str
    oldest: datetime
    ages: Mapping[Age, int]

    @property
    def count(self) -> int:
        return sum(self.ages.values())


async def case_ages(account: str, now: datetime) -> list[CaseAges]:
    """The kind with the oldest case first."""
    oldest_first = list(Age)[::-1]
    found: dict[str, CaseAges] = {}
    for row in await sql.rows(BY_AGE, account, edges(now)[::-1]):
        one = found.setdefault(row["kind"], CaseAges(row["kind"], row["oldest"], {}))
        found[row["kind"]] = replace(one, ages={**one.ages, oldest_first[row["since"]]: row["n"]})
    return list(found.values())
