"""What waits for a human, by kind and age."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.doctor.patient import Patient
from gateway.domain.case_kinds import REPAIR, CaseKind
from gateway.domain.doctor import Finding, ago, notice, ok

OPEN: Final = """
    select kind, count(*) as n, min(opened_at) as first, (array_agg(id order by opened_at, id))[1] as oldest
    from tollbridge.review_case where account = $1 and state = 'open' group by kind order by min(opened_at)
"""


async def look(patient: Patient) -> list[Finding]:
    told = []
    for row in await sql.rows(OPEN, patient.id):
        what = f"{row['n']} open: {row['kind'].replace('_', ' ')}, the oldest for {ago(patient.now - row['first'])}"
        told.append(notice("cases", what, "each waits for a human", _repair(row["kind"]), concerns=row["oldest"]))
    return told or [ok("cases", "no case is open")]


def _repair(kind: str) -> str:
    """A newer version of us may have opened a kind that this one does not know."""
    known = {one.value: REPAIR[one] for one in CaseKind}
    return known.get(kind, "tollbridge cases list")
