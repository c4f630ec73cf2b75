"""Usage that Stripe does not count, told at once or, most often, later by a report.

The events are marked, a case says what to do, one for each meter and reason, and the merchant is told.

A report counts all that was wrong and names ten of a kind at most (docs: recording-usage-api), so the case says how
many there are, whether we know which or not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from db import outbox, sql
from db.engine import DB
from db.outbox import Announcement
from gateway.billing.meters import ErrorType, ReportShape
from gateway.domain.case_kinds import CaseKind
from gateway.domain.news_types import NewsType, UsageRefusedNews
from gateway.turns.cases import open_case

MOST_NAMED: Final = 10
NO_METER: Final = "no_meter"

MARK_SENT: Final = """
    update tollbridge.usage_event set state = 'refused', code = $3, error = $4, resolved_at = $5
    where account = $1 and identifier = any($2) and state in ('sending', 'sent', 'unconfirmed')
"""
# Another meter may have been told the same identifier by another backend of the merchant's. Without a meter ($3), it is
# what no active one takes.
NAMED: Final = """
    select u.identifier, u.event_name from tollbridge.usage_event u
    where u.account = $1 and u.identifier = any($2) and case
        when $3 <> '' then exists (select 1 from tollbridge.meter m
                                   where m.account = $1 and m.id = $3 and m.event_name = u.event_name)
        else not exists (select 1 from tollbridge.meter m
                         where m.account = $1 and m.event_name = u.event_name and m.active) end
    order by u.id
"""
METER: Final = "select id from tollbridge.meter where account = $1 and event_name = $2 order by active desc, id limit 1"


class Refusal(msgspec.Struct, frozen=True):
    """One event that Stripe refused as it was sent."""

    id: str
    identifier: str
    event_name: str
    code: str
    message: str


class _Found(msgspec.Struct, frozen=True):
    """So many events of one meter that were refused for one reason; `identifiers` of those that are known."""

    meter: str
    event_name: str
    code: str
    message: str
    count: int
    identifiers: list[str]


async def at_once(account: str, refusals: Sequence[Refusal], now: datetime) -> None:
    """Mark what Stripe refused with 400, in the caller's transaction."""
    grouped: dict[tuple[str, str], list[Refusal]] = defaultdict(list)
    for one in refusals:
        grouped[one.event_name, one.code].append(one)
    for (event_name, code), some in sorted(grouped.items()):
        meter = await sql.value(METER, account, event_name) or ""
        found = _Found(meter, event_name, code, some[0].message, len(some), [one.identifier for one in some])
        await _mark(account, found, now)
        await _tell(account, found, f"{some[0].id}:{code}", now)


async def by_report(account: str, report: ReportShape, now: datetime) -> str:
    """Take a report in, in the caller's transaction; empty, or why it is none of ours."""
    DB.current("a report of usage")
    ours = [await _found(account, report.meter, one) for one in report.data.reason.error_types]
    for found in ours:
        if found is not None:
            await _mark(account, found, now)
            await _tell(account, found, f"{report.id}:{found.code}", now)
    return "" if any(ours) else "it names no usage that was sent from here"


async def _found(account: str, meter: str, wrong: ErrorType) -> _Found | None:
    """What of it is ours; None where every event is named, and none is."""
    named = wrong.identifiers
    ours = await sql.rows(NAMED, account, named, meter)
    if not ours and wrong.count <= len(named):
        return None
    message = wrong.sample_errors[0].error_message if wrong.sample_errors else ""
    event_name = ours[0]["event_name"] if ours else ""
    return _Found(meter, event_name, wrong.code, message, wrong.count, [row["identifier"] for row in ours])


async def _mark(account: str, found: _Found, now: datetime) -> None:
    message = sql.storable(found.message, 500)
    await sql.rows(MARK_SENT, account, found.identifiers, sql.storable(found.code, 100), message, now)


async def _tell(account: str, found: _Found, step: str, now: datetime) -> None:
    what = found.meter or found.event_name or NO_METER
    known = len(found.identifiers)
    which = "" if known >= found.count else f"; {known} of them are known here"
    reason = f"Stripe does not count {found.count} events of {what} ({found.code}){which}: {found.message}"
    subject = sql.storable(f"{what}:{found.code}", 200)
    await open_case(account, CaseKind.USAGE_REFUSED, subject, reason, now)
    news = UsageRefusedNews(
        id=found.meter or NO_METER,
        event_name=found.event_name or None,
        code=found.code,
        count=found.count,
        identifiers=found.identifiers[:MOST_NAMED],
    )
    await outbox.announce(account, "meter", news.id, [Announcement(NewsType.USAGE_REFUSED, step, news)], now)
