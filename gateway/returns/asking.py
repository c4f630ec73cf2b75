"""Asking a processor for the dispute because of which it refuses a refund: the notice of it may be late, or lost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import structlog

from db import poke, sql
from db.engine import DB
from db.poke import Claim
from gateway.returns.told_dispute import DisputeMismatchError, store_dispute
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.errors import CallError, MoneyError
from processors.events import ProcessorEvent
from processors.interface import ProcessorAdapter

log = structlog.get_logger()

MOST_PAGES: Final = 20
SINCE: Final = timedelta(hours=1)
"""What is older, the walk through the processor's list has brought."""
CAPTURE: Final = """
    select t.*, array(select m.processor_id from tollbridge.movement m
                      where m.attempt = t.id and m.kind = 'capture') as charges
    from tollbridge.refund_part p join tollbridge.attempt t on t.id = p.attempt where p.account = $1 and p.id = $2
"""
ASKED: Final = "update tollbridge.refund_part set looked_at = $3, lookups = lookups + 1 where account = $1 and id = $2"


async def ask_for_disputes(runtime: Runtime, claim: Claim, part: str, now: datetime) -> None:
    """Take in what the processor tells of disputes about a part's capture, where it can be asked.

    A processor that does not answer is asked again when the refund was tried again.
    """
    capture = await sql.row(CAPTURE, claim.account, part)
    assert capture is not None, "parts are never deleted"
    adapter = await runtime.connections.adapter(claim.account, capture["connection"])
    told: Sequence[ProcessorEvent] = ()
    if adapter.capabilities.polled_events:
        told = await _told(runtime, claim, adapter, capture, now)
    for event in told:
        await _take_in(capture, event, now)
    await sql.rows(ASKED, claim.account, part, now)


async def _told(
    runtime: Runtime, claim: Claim, adapter: ProcessorAdapter, capture: asyncpg.Record, now: datetime
) -> list[ProcessorEvent]:
    """The newest events about disputes of this capture."""
    timeout_s = total_timeout_s(runtime, adapter)
    found: list[ProcessorEvent] = []
    cursor = ""
    try:
        for _ in range(MOST_PAGES):
            async with DB.transaction():
                await poke.hold(claim, timeout_s + CLAIM_MARGIN_S)
            page = await within(adapter.poll(now - SINCE, cursor), timeout_s)
            found += [one for one in page.events if one.dispute and one.dispute.charge_id in capture["charges"]]
            cursor = page.cursor
            if not cursor:
                break
    except (CallError, MoneyError) as error:
        log.warning("disputes_not_asked", account=claim.account, error=type(error).__name__)
    return found


async def _take_in(capture: asyncpg.Record, event: ProcessorEvent, now: datetime) -> None:
    assert event.dispute is not None, "others were left out"
    try:
        async with DB.transaction():
            await store_dispute(capture, capture["connection"], event.dispute, event.occurred_at, now)
    except DisputeMismatchError as error:
        # The walk puts it before a human, as whatever it finds.
        log.warning("dispute_mismatch", account=capture["account"], error=str(error))
