"""Opening a case of one of the kinds that the rules know, with the repair that closes it."""

from __future__ import annotations

from datetime import datetime

from db import cases
from gateway.domain.case_kinds import REPAIR, CaseKind


async def open_case(
    account: str, kind: CaseKind, subject: str, reason: str, now: datetime, *, invoice: str = ""
) -> None:
    """In the caller's transaction; one open case for a kind and subject."""
    await cases.open_case(account, kind, subject, reason=reason, action=REPAIR[kind], now=now, invoice=invoice)
