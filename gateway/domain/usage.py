"""What of a customer's usage is accepted, and for how long it may be sent again. Pure.

Stripe answers a meter event before it checks it, and tells hours later, by samples, what it did not count (docs:
recording-usage-api). So what can be known here is refused here, where the caller hears it at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

OLDEST: Final = timedelta(days=35)
NEWEST: Final = timedelta(minutes=5)
"""How old an event may be, and how far ahead (API description, meter_events: timestamp)."""
MOST_DIGITS: Final = 15
"""Stripe's report of more: `meter_event_value_too_many_digits`."""
LONGEST: Final = 100
"""Of an identifier (API description)."""
KNOWN_FOR: Final = timedelta(hours=24)
"""For at least so long Stripe knows an identifier again."""
SENT_AGAIN_FOR: Final = KNOWN_FOR * 0.9
"""For so long after it may have been heard first an event is sent again: afterwards it might be counted twice."""
FLUSHED_FOR: Final = timedelta(minutes=10)
"""So long a cancellation that bills at once waits for usage on its way: an ordinary backlog is gone by then, and a
subscription that somebody has ended must not live on because Stripe takes no events."""

_NUMBER: Final = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?")


class Refusal(StrEnum):
    """Why usage was refused; the value is the error code of the API."""

    INVALID = "invalid_request"
    NOT_FOUND = "not_found"
    TAKEN = "already_exists"
    """The identifier stands for other usage."""
    CONFLICT = "state_conflict"
    UNAVAILABLE = "stripe_unavailable"
    """The meters can't be read now."""


class Refused(msgspec.Struct, frozen=True):
    """One event is not accepted; `param` is the field at fault."""

    code: Refusal
    param: str
    detail: str


class Meter(msgspec.Struct, frozen=True):
    """A meter as Stripe shows it; `formula` is sum, count, last, or what may come."""

    id: str
    event_name: str
    active: bool
    formula: str
    customer_key: str
    value_key: str


class Owner(msgspec.Struct, frozen=True):
    """Whose usage it is, as we know it. `ended_at`: of the subscription that was named."""

    customer: str
    deleted: bool = False
    subscription: str | None = None
    ended_at: datetime | None = None


class Reported(msgspec.Struct, frozen=True):
    """One event as it came. `timestamp`: Unix seconds, or now."""

    identifier: str
    event_name: str
    customer: str = ""
    subscription: str = ""
    value: int | str | None = None
    timestamp: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """One event as it is stored; `timed`: the caller has said when."""

    identifier: str
    customer: str
    subscription: str | None
    event_name: str
    value: str
    used_at: datetime
    timed: bool = True

    def same_as(self, other: Usage) -> bool:
        """Whether both report one and the same: of when, and of which subscription, one may say nothing."""
        mine = (self.customer, self.event_name, self.value)
        when = not self.timed or self.used_at == other.used_at
        subscription = None in (self.subscription, other.subscription) or self.subscription == other.subscription
        return mine == (other.customer, other.event_name, other.value) and when and subscription


def checked(told: Reported, meter: Meter | None, owner: Owner | Refused, now: datetime) -> Usage | Refused:
    """The event as it is to be stored, or why not."""
    if not (0 < len(told.identifier) <= LONGEST and told.identifier.isprintable()):
        return Refused(Refusal.INVALID, "identifier", f"must have 1 to {LONGEST} printable letters")
    if isinstance(owner, Refused):
        return owner
    if meter is None or not meter.active:
        what = "no meter has this event name" if meter is None else "the meter of this event name is inactive"
        return Refused(Refusal.INVALID, "event_name", what)
    value, used_at = _value(told.value, meter), _time(told.timestamp, now)
    if isinstance(value, Refused):
        return value
    if isinstance(used_at, Refused):
        return used_at
    if owner.deleted:
        return Refused(Refusal.CONFLICT, "customer", "the customer was deleted in Stripe")
    if owner.ended_at is not None and used_at >= owner.ended_at:
        return Refused(Refusal.CONFLICT, "timestamp", "the subscription had ended by then: nothing would bill it")
    timed = told.timestamp is not None
    return Usage(told.identifier, owner.customer, owner.subscription, meter.event_name, value, used_at, timed)


def _value(told: int | str | None, meter: Meter) -> str | Refused:
    """The number in one spelling, exact. Each event of a counting meter is one, whatever its value."""
    if told is None:
        if meter.formula == "count":
            return "1"
        return Refused(Refusal.INVALID, "value", "is required: this meter adds values up")
    text = str(told) if isinstance(told, str) or abs(told) < 10**40 else ""
    if not _NUMBER.fullmatch(text):
        return Refused(Refusal.INVALID, "value", "must be a whole number, or a decimal number as text")
    text = plain(text)
    if sum(one.isdigit() for one in text.lstrip("-0.")) > MOST_DIGITS:
        return Refused(Refusal.INVALID, "value", f"must have at most {MOST_DIGITS} digits")
    if text.startswith("-") and meter.formula != "sum":
        return Refused(Refusal.INVALID, "value", "a negative value takes something back only where values are added up")
    return text


def plain(text: str) -> str:
    """An exact number without zeros that mean nothing: equal ones are spelled alike."""
    whole, _, fraction = text.lstrip("-").partition(".")
    whole, fraction = whole.lstrip("0") or "0", fraction.rstrip("0")
    plain = f"{whole}.{fraction}" if fraction else whole
    return f"-{plain}" if text.startswith("-") and plain != "0" else plain


def _time(told: int | None, now: datetime) -> datetime | Refused:
    if told is None:
        return now.replace(microsecond=0)
    if told < (now - OLDEST).timestamp():
        return Refused(Refusal.INVALID, "timestamp", "must be within the last 35 days, which is what Stripe takes")
    if told > (now + NEWEST).timestamp():
        return Refused(Refusal.INVALID, "timestamp", "must be at most 5 minutes in the future, in seconds")
    return datetime.fromtimestamp(told, UTC)


def payload(meter: Meter | None, customer: str, value: str) -> Mapping[str, str]:
    """What Stripe is told under the names that the meter has for it; the usual ones where it is gone."""
    if meter is None:
        return {"stripe_customer_id": customer, "value": value}
    return {meter.customer_key: customer, meter.value_key: value}
