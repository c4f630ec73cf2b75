"""`why`: a customer's usage that is on no invoice, and what holds it up."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from db import sql
from db.states import UsageState
from gateway.domain.doctor_why_usage import Meter, Refused, UsageFacts
from gateway.readers.usage import NotCounted, backlog, not_counted

STREAM: Final = """
    select not a.enabled as disabled, s.rests_until, coalesce(s.failures, 0) as failures, s.turned_away_at
    from tollbridge.account a left join tollbridge.usage_stream s on s.account = a.id and s.id = a.id where a.id = $1
"""
# What Stripe refused is a case for a meter and a code, whoever used it; what is in doubt, one for the account.
CASES: Final = """
    select r.kind, r.action from tollbridge.review_case r
    where r.account = $1 and r.state = 'open' and (
        r.kind = 'usage_unsent' and r.subject = $2
        or r.kind = 'usage_unconfirmed' and exists (
            select 1 from tollbridge.usage_event e
            where e.account = $1 and e.customer = $3 and e.state = 'unconfirmed')
        or r.kind = 'usage_refused' and exists (
            select 1 from tollbridge.usage_event e where e.account = $1 and e.customer = $3 and e.state = 'refused'
              and right(r.subject, length(e.code) + 1) = ':' || e.code
              and (split_part(r.subject, ':', 1) in ('no_meter', e.event_name) or exists (
                  select 1 from tollbridge.meter m where m.account = $1 and m.event_name = e.event_name
                    and m.id = split_part(r.subject, ':', 1)))))
    order by r.opened_at, r.id
"""


async def of_customer(account: str, customer: str | None, subscription: str | None) -> UsageFacts:
    """`subscription`: whose last invoice may have been made without all of it."""
    stream = await sql.row(STREAM, account)
    assert stream is not None, "the account exists"
    _, unsent = await backlog(account, customer or "")
    cases = await sql.rows(CASES, account, subscription or "", customer or "")
    return UsageFacts(
        unsent=tuple(Meter(one.event_name, one.events, one.value, _at(one.since)) for one in unsent),
        refused=tuple(_refused(one) for one in await not_counted(account, customer or "")),
        disabled=stream["disabled"],
        rests_until=stream["rests_until"],
        failures=stream["failures"],
        turned_away_at=stream["turned_away_at"],
        cases=tuple((one["kind"], one["action"]) for one in cases),
    )


def _refused(one: NotCounted) -> Refused:
    why = f"{one.code}, {one.message}" if one.message else one.code
    in_doubt = one.state is UsageState.UNCONFIRMED
    return Refused(one.event_name, one.events, _at(one.first_used), _at(one.last_used), why, in_doubt=in_doubt)


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
