"""Days that people type, and when they begin and end, in UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Final

from gateway.accounts.errors import FieldError
from gateway.domain.weeks import midnight

FAR: Final = date(9999, 1, 1)


def day(text: str, param: str) -> date:
    """A day as a browser's date field gives it; raises FieldError, also where none was typed."""
    try:
        found = date.fromisoformat(text.strip())
    except ValueError:
        found = FAR
    if found >= FAR:
        raise FieldError(param, "must be a day, as 2027-03-31")
    return found


def begin_of_day(text: str, param: str) -> datetime | None:
    """When the day begins; None where none was typed. Raises FieldError."""
    return midnight(day(text, param)) if text.strip() else None


def end_of_day(text: str, param: str) -> datetime | None:
    """When the day is over; None where none was typed. Raises FieldError."""
    return midnight(day(text, param) + timedelta(days=1)) if text.strip() else None
