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


def period_start(end: int, interval: str, interval_count: int) -> int:
    """The beginning of the period that ends at `end`."""
    if interval in DAYS:
        return end - DAYS[interval] * interval_count * 86400
    return add_months(end, -MONTHS[interval] * interval_count)


def next_occurrence(
    now: int,
    *,
    yearly: bool,
    day_of_month: int,
    month: int | None = None,
    hour: int | None = None,
    minute: int | None = None,
    second: int | None = None,
) -> int:
    """The next moment in UTC with this day, and this month for a year; the time of day is that of now if not given.
    A day that the month does not have is its last."""
    moment = datetime.fromtimestamp(now, UTC)
    first = moment.replace(
        month=moment.month if month is None or not yearly else month,
        day=1,
        hour=moment.hour if hour is None else hour,
        minute=moment.minute if minute is None else minute,
        second=moment.second if second is None else second,
    )
    for step in range(3):
        begin = datetime.fromtimestamp(add_months(int(first.timestamp()), step * (12 if yearly else 1)), UTC)
        found = begin.replace(day=min(day_of_month, monthrange(begin.year, begin.month)[1]))
        if found.timestamp() > now:
            return int(found.timestamp())
    raise AssertionError("no occurrence found")


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
