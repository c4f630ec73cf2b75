"""Weeks and months of figures."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

from gateway.domain.weeks import by_week, last_weeks, month_of, week_end

SUNDAY_LATE = datetime(2027, 2, 28, 23, 59, tzinfo=UTC)


def test_a_week_is_from_monday_to_sunday() -> None:
    assert last_weeks(SUNDAY_LATE, 2) == [date(2027, 2, 15), date(2027, 2, 22)]
    assert last_weeks(SUNDAY_LATE + timedelta(minutes=1), 1) == [date(2027, 3, 1)]
    assert week_end(date(2027, 2, 22)) == date(2027, 2, 28)


def test_days_are_utc() -> None:
    east = datetime(2027, 3, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert month_of(east) == date(2027, 2, 1)
    assert last_weeks(east, 1) == [date(2027, 2, 22)]


def test_what_lies_outside_of_the_weeks_is_left_out() -> None:
    weeks = last_weeks(SUNDAY_LATE, 2)
    days = [(date(2027, 2, 14), 1), (date(2027, 2, 15), 2), (date(2027, 2, 21), 4), (date(2027, 2, 28), 8)]
    assert by_week(weeks, days) == [6, 8]
