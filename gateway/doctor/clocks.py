"""The database's clock against ours, and business time. Claims use the one, signatures the other."""

from __future__ import annotations

import time

from db import sql
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, ago, notice
from gateway.domain.doctor_stripe import judge_clock

BOTH = """
    select extract(epoch from clock_timestamp())::float8 as now, make_interval(secs => offset_s) as moved
    from tollbridge.business_clock
"""


async def look(patient: Patient) -> list[Finding]:
    del patient  # the clocks are of no account
    began = time.time()
    row = await sql.row(BOTH)
    ended = time.time()
    assert row is not None
    told = [judge_clock("clock.database", "the database's", (began + ended) / 2 - row["now"], (ended - began) / 2)]
    if row["moved"]:
        why = "the sandbox's clock control did it; it's refused beside live accounts"
        told.append(notice("clock.business", f"business time was moved by {ago(row['moved'])}", why))
    return told
