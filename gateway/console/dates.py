"""Days that people type into a form, as times."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from gateway.accounts.errors import FieldError


def end_of_day(text: str, param: str = "until") -> datetime | None:
    """The end of a day as a browser's date field posts it, in UTC; None for none. Raises FieldError."""
    if not text.strip():
        return None
    try:
        return datetime.combine(date.fromisoformat(text.strip()) + timedelta(days=1), datetime.min.time(), UTC)
    except (ValueError, OverflowError) as error:
        raise FieldError(param, "is no day; write it as 2027-03-31") from error
