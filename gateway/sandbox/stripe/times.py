"""In which time an object lives: that of the test clock that its customer was created on, or the sandbox's.

`account.clock`, and so `account.now()`, is the clock in force. A call is run in the time of the customer that it is
about, and what a clock rings runs in that clock's time; so nothing else needs to know of test clocks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.sandbox.kit.clock import Clock
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that stands still: beneath a test clock, which is moved from it by its offset."""

    unix: int

    def __call__(self) -> datetime:
        return datetime.fromtimestamp(self.unix, UTC)


class FrozenClock(Clock):
    """A test clock: it begins at a moment, and only what moves it moves it."""

    def __init__(self, unix: int) -> None:
        super().__init__(Moment(unix))

    def __getstate__(self) -> dict[str, Any]:
        """Kept in a file, it goes on from where it stood."""
        return {**self.__dict__, "_pinned": None}


@contextmanager
def in_time(account: Account, clock: Clock) -> Iterator[None]:
    """Let `account.clock` be this clock for the block."""
    before, account.clock = account.clock, clock
    try:
        yield
    finally:
        account.clock = before


def clock_of(account: Account, obj: Obj) -> Clock:
    """The clock of an object, by its customer."""
    test_clock = obj.get("test_clock")
    if test_clock is None and isinstance(obj.get("customer"), str):
        test_clock = account.customers.get(obj["customer"], {}).get("test_clock")
    if test_clock is None and isinstance(obj.get("invoice"), str):
        return clock_of(account, account.invoices.get(obj["invoice"], {}))
    row = account.test_clocks.get(test_clock or "")
    found: Clock = account.sandbox_clock if row is None else row["_clock"]
    return found


def clock_of_call(account: Account, ids: Sequence[str], params: dict[str, Any]) -> Clock:
    """The clock of the first object that a call names and that lives on one; metadata names nothing."""
    if not account.test_clocks:
        return account.sandbox_clock
    for id in (*ids, *_texts(params)):
        if id in account.test_clocks:
            clock: Clock = account.test_clocks[id]["_clock"]
            return clock
        found = account.find(id)
        if found is not None and (clock := clock_of(account, found)) is not account.sandbox_clock:
            return clock
    return account.sandbox_clock


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            if name != "metadata":
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
