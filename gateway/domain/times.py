"""Times and days within sentences, in UTC: one way for all that people read. Pure."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(at: datetime) -> str:
    """A time to the minute: `4 Jan 2027, 00:52 UTC`. `at` is aware of its zone."""
    return f"{at.astimezone(UTC):%-d %b %Y, %H:%M} UTC"


def day(at: datetime) -> str:
    """The day of a time: `4 Jan 2027`."""
    return f"{at.astimezone(UTC):%-d %b %Y}"
