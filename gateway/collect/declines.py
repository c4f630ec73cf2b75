"""Every refusal passes here before it is stored: the operator's classes, the cap for codes of no table, their case."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import cases, sql
from gateway.domain.case_kinds import CaseKind
from gateway.domain.declines import case_subject, judged
from gateway.turns.cases import open_case
from processors.outcome import Decline, DeclineClass

SAME_BEFORE: Final = """
    select count(*) from tollbridge.attempt
    where account = $1 and payment_method = $2 and processor_code = $3 and id <> $4 and state = 'declined'
      and sent_at > $5::timestamptz - interval '30 days'
"""
CLOSED_BY_HAND: Final = """
    select exists (select 1 from tollbridge.review_case where account = $1 and kind = $2 and subject = $3
                     and state = 'closed' and closed_by <> 'tollbridge')
"""


async def judge(row: asyncpg.Record, decline: Decline, now: datetime) -> Decline:
    """The refusal as it counts; `row` is the attempt with its connection's `declines`, locked by the caller."""
    overrides = msgspec.json.decode(row["declines"], type=dict[str, DeclineClass])
    account, connection, code = row["account"], row["connection"], sql.storable(decline.processor_code, 500)
    if decline.mapped or code in overrides:
        # By now it is in a table: a newer release of the adapter's may have brought it.
        await cases.close_by_itself(account, case_subject(connection, code), [CaseKind.DECLINE_UNMAPPED], now)
        return judged(decline, overrides, 0)
    before = await sql.value(SAME_BEFORE, account, row["payment_method"], code, row["id"], now)
    if code:
        await _ask(account, connection, code, now)
    return judged(decline, overrides, before or 0)


async def _ask(account: str, connection: str, code: str, now: datetime) -> None:
    """Once per connection and code: whoever closes the case without classing the code has answered too."""
    about = case_subject(connection, code)
    if not await sql.value(CLOSED_BY_HAND, account, CaseKind.DECLINE_UNMAPPED, about):
        reason = f"declines come with the code {code!r}, which is in no table"
        await open_case(account, CaseKind.DECLINE_UNMAPPED, about, reason, now)
