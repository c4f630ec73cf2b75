"""Downtime: how long neither we nor the processors of a customer's methods could have collected (law 7).

It postpones the end of the tries by its length, and burns no step. What overlaps counts once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec


class Span(msgspec.Struct, frozen=True):
    """From `since` to `until`; with None it lasts."""

    since: datetime
    until: datetime | None = None


def merged(spans: Iterable[Span], since: datetime) -> tuple[Span, ...]:
    """Their union from `since` on, oldest first: no two of these touch."""
    found: list[Span] = []
    for span in sorted(spans, key=lambda span: span.since):
        if span.until is not None and span.until <= since:
            continue
        before, begins = found[-1] if found else None, max(span.since, since)
        if before is None or (before.until is not None and before.until < begins):
            found.append(Span(begins, span.until))
        elif before.until is not None and (span.until is None or span.until > before.until):
            found[-1] = Span(before.since, span.until)
    return tuple(found)


def downtime_since(spans: Iterable[Span], since: datetime, now: datetime) -> timedelta:
    """How much of these lies between `since` and `now`."""
    lasted = timedelta(0)
    for span in merged(spans, since):
        until = now if span.until is None else min(span.until, now)
        lasted += max(until - span.since, timedelta(0))
    return lasted
