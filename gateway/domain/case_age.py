"""How old a case is, in the steps that somebody who works through them goes by. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class Age(StrEnum):
    """From the youngest to the oldest; each begins where the one before ends."""

    DAY = "day"
    DAYS = "days"
    WEEK = "week"
    MONTH = "month"
    OLDER = "older"

    @property
    def means(self) -> str:
        """In words."""
        return MEANS[self]


MEANS: Final = {
    Age.DAY: "under a day",
    Age.DAYS: "1 to 3 days",
    Age.WEEK: "3 to 7 days",
    Age.MONTH: "1 to 4 weeks",
    Age.OLDER: "over 4 weeks",
}
ENDS: Final = (timedelta(days=1), timedelta(days=3), timedelta(days=7), timedelta(days=28))
"""Where each ends but the last, which has no end."""


def edges(now: datetime) -> list[datetime]:
    """The times between one step and the next, the youngest first."""
    return [now - end for end in ENDS]


def opened_within(age: Age, now: datetime) -> tuple[datetime | None, datetime | None]:
    """From when (with it) to when (without it) a case of this age was opened; None: no bound."""
    between, place = edges(now), list(Age).index(age)
    return (between[place] if place < len(between) else None, between[place - 1] if place else None)
