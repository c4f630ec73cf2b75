"""What was used and is on no invoice yet, so that one that is too small explains itself. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from gateway.domain.doctor import ago, few
from gateway.domain.doctor_why import Telling
from gateway.domain.times import moment

MOST_REASONS: Final = 5


class Meter(msgspec.Struct, frozen=True):
    """Of one meter's usage: how many events are on their way, what they add up to, the oldest accepted at `since`."""

    event_name: str
    events: int
    value: str
    since: datetime


class Refused(msgspec.Struct, frozen=True):
    """Events that Stripe does not count, for one reason; `in_doubt`: it may count them, and nobody knows."""

    event_name: str
    events: int
    first_used: datetime
    last_used: datetime
    why: str = ""
    in_doubt: bool = False


class UsageFacts(msgspec.Struct, frozen=True):
    """What of a customer's usage Stripe has not counted, and what holds the rest of it up."""

    unsent: tuple[Meter, ...] = ()
    refused: tuple[Refused, ...] = ()
    disabled: bool = False
    """The account: nothing of it is sent."""
    rests_until: datetime | None = None
    failures: int = 0
    turned_away_at: datetime | None = None
    cases: tuple[tuple[str, str], ...] = ()
    """Kind and action of each that is open about usage."""


def tell(told: Telling, facts: UsageFacts, now: datetime) -> None:
    if facts.unsent:
        _unsent(told, facts, now)
    for one in facts.refused[:MOST_REASONS]:
        _refused(told, one)
    if len(facts.refused) > MOST_REASONS:
        told.say(f"Stripe does not count usage for {len(facts.refused) - MOST_REASONS} other reasons besides.")
    for kind, action in facts.cases:
        told.say(f"A case is open about usage: {kind}.")
        told.human(action)


def _unsent(told: Telling, facts: UsageFacts, now: datetime) -> None:
    count, since = sum(one.events for one in facts.unsent), min(one.since for one in facts.unsent)
    sums = few(f"{one.event_name}: {one.events}, together {one.value}" for one in facts.unsent)
    told.say(f"{_events(count)} of the customer's usage {_are(count)} not at Stripe yet, and on no invoice ({sums}).")
    told.say(f"The oldest came here on {moment(since)}, {ago(now - since)} ago: {_why(facts, now)}.")
    if facts.disabled:
        told.human("Enable the account again: tollbridge accounts update NAME --enable")


def _why(facts: UsageFacts, now: datetime) -> str:
    if facts.disabled:
        return "the account is disabled, and nothing is sent until it is enabled"
    if facts.rests_until is not None and facts.rests_until > now:
        return f"Stripe took nothing when it was sent last, and it is tried again on {moment(facts.rests_until)}"
    if facts.turned_away_at is not None:
        return f"Stripe has taken nothing for {ago(now - facts.turned_away_at)}, and it is tried again"
    if facts.failures:
        return f"sending it failed {facts.failures} times, and it is tried again after a longer wait each time"
    return "a worker sends it, mostly within seconds"


def _refused(told: Telling, one: Refused) -> None:
    span = f"used between {moment(one.first_used)} and {moment(one.last_used)}"
    if one.in_doubt:
        told.say(f"Whether Stripe counts {_events(one.events).lower()} of {one.event_name}, {span}, is not known.")
    else:
        told.say(f"Stripe does not count {_events(one.events).lower()} of {one.event_name}, {span}: {one.why}.")
    told.human("See them, and report anew what is missing, under new identifiers: tollbridge usage list")


def _events(count: int) -> str:
    return "1 report" if count == 1 else f"{count} reports"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
