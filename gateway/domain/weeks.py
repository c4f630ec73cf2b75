"""Weeks and months as figures are shown in: UTC, a week from its Monday on. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

WEEK: Final = timedelta(days=7)


def last_weeks(now: datetime, count: int) -> list[date]:
    """The Mondays of so many weeks, the oldest first; the week of `now` is the last."""
    monday = week_of(now.astimezone(UTC).date())
    return [monday - WEEK * n for n in reversed(range(count))]


def week_of(day: date) -> date:
    """The Monday of its week."""
    return day - timedelta(days=day.weekday())


def week_end(monday: date) -> date:
    """The Sunday of a week, which is its last day."""
    return monday + WEEK - timedelta(days=1)


def month_of(now: datetime) -> date:
    """The first day of the month."""
    return now.astimezone(UTC).date().replace(day=1)


def midnight(day: date) -> datetime:
    """When a day begins."""
    return datetime.combine(day, time(), UTC)


def by_week(weeks: Sequence[date], amounts: Iterable[tuple[date, int]]) -> list[int]:
    """The sum of each week; what lies outside of them is left out."""
    sums = dict.fromkeys(weeks, 0)
    for day, amount in amounts:
        monday = week_of(day)
        if monday in sums:
            sums[monday] += amount
    return [sums[week] for week in weeks]
