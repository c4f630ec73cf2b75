"""Downtime, measured: how long we, or a processor, could not have collected. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec


class Span(msgspec.Struct, frozen=True):
    """A time during which nothing could be collected; `until` is None while it lasts."""

    since: datetime
    until: datetime | None = None


def downtime_since(spans: Sequence[Span], since: datetime, now: datetime) -> timedelta:
    """How much of the time from `since` to `now` was downtime; what overlaps counts once."""
    total, counted_to = timedelta(), since
    for span in sorted(spans, key=lambda s: s.since):
        begin, end = max(span.since, counted_to), min(span.until or now, now)
        if end > begin:
            total += end - begin
            counted_to = end
    return total
