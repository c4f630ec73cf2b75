"""What meters have counted: meter events by meter and customer, and their aggregation over a window.

A window is [start, end) in Unix seconds. Events carry their place in the order of arrival, by which an invoice knows
what came after its finalization.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING

from gateway.sandbox.stripe.objects import Obj

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

WINDOWS_S = {"hour": 3600, "day": 86400}
at = attrgetter("at")


@dataclass(slots=True)
class Usage:
    """One meter event that counts. `place`: its number in the account's order of arrival."""

    at: int
    place: int
    value: Decimal
    identifier: str


def add(account: Account, meter: Obj, customer: str, when: int, value: Decimal, identifier: str) -> Usage:
    """Keep an event; with an event_time_window it replaces what the same window held (docs: recording-usage)."""
    rows = account.usage[meter["id"], customer]
    if meter["event_time_window"] is not None:
        length = WINDOWS_S[meter["event_time_window"]]
        start = when - when % length
        del rows[bisect_left(rows, start, key=at) : bisect_left(rows, start + length, key=at)]
    account.usage_count += 1
    row = Usage(when, account.usage_count, value, identifier)
    insort(rows, row, key=at)
    return row


def cancel(account: Account, meter: Obj, customer: str, identifier: str) -> None:
    rows = account.usage[meter["id"], customer]
    rows[:] = [row for row in rows if row.identifier != identifier]


def window(account: Account, meter: str, customer: str, start: int, end: int) -> list[Usage]:
    rows = account.usage.get((meter, customer), [])
    return rows[bisect_left(rows, start, key=at) : bisect_left(rows, end, key=at)]


def aggregate(meter: Obj, rows: list[Usage]) -> Decimal:
    """The meter's formula: sum, count, or the last event's value; nothing is zero."""
    formula = meter["default_aggregation"]["formula"]
    if formula == "count":
        return Decimal(len(rows))
    if formula == "last":
        return max(rows, key=_when).value if rows else Decimal(0)
    return sum((row.value for row in rows), Decimal(0))


def _when(row: Usage) -> tuple[int, int]:
    return row.at, row.place
