"""Calendar arithmetic for billing periods, in UTC seconds."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, datetime

DAYS = {"day": 1, "week": 7}
MONTHS = {"month": 1, "year": 12}
MAX_PERIODS = 10_000


def add_months(at: int, months: int) -> int:
    """The same day and time `months` later, or the last day of a shorter month."""
    moment = datetime.fromtimestamp(at, UTC)
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())


def period_end(anchor: int, start: int, interval: str, interval_count: int) -> int:
    """The end of the period that begins at `start`, on the grid of `anchor`: the 31st stays the 31st."""
    if interval in DAYS:
        length = DAYS[interval] * interval_count * 86400
        return anchor + ((start - anchor) // length + 1) * length
    step = MONTHS[interval] * interval_count
    first = datetime.fromtimestamp(anchor, UTC)
    last = datetime.fromtimestamp(start, UTC)
    count = max(0, ((last.year - first.year) * 12 + last.month - first.month) // step - 1)
    for number in range(count, count + MAX_PERIODS):
        end = add_months(anchor, number * step)
        if end > start:
            return end
    raise AssertionError("no period end found")
