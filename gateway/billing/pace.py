"""Pacing: no process asks Stripe for more than it allows the account, and who waits longest for money goes first.

Stripe allows so many calls in a second to each operation, and to all together, and answers 429 beyond (docs:
rate-limits). What is left stands in one row for each, shared by all processes; a process takes a few calls at a time,
for all who wait in it, and holds them for a second at most. A lane takes only what leaves a share for the lanes
before it. Machine time throughout: these are limits of wires.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import Final

import msgspec

from db import sql
from gateway.billing.errors import StripeNotSentError

SLICE_S: Final = 0.2
"""How much of a second is saved up or taken at once at most."""
HELD_S: Final = 1.0
"""What was taken and not used after this is forgotten."""
MOST_WAIT_S: Final = 10.0
"""Longer than this nobody waits with a claim in hand: the turn ends, and the object comes again. Claims outlast it."""

ID = re.compile(r"(?=[^/]*[A-Z0-9])[a-z]+_[A-Za-z0-9_]+")
"""Stripe's ids: a prefix, and something with a digit or a capital; names such as `mark_uncollectible` have neither."""
TAKE = "select granted, wait_s from tollbridge.take_calls($1, $2, $3, $4, $5, $6, $7)"


class Lane(Enum):
    """Who asks, first come those whom somebody waits for. The value: the share of the saved calls that is left over."""

    CHECKOUT = 0.0
    COLLECT = 0.2
    REFUNDS = 0.4
    CATCH_UP = 0.6
    MIRROR = 0.8


_lane: ContextVar[Lane] = ContextVar("lane", default=Lane.CHECKOUT)


@contextmanager
def in_lane(lane: Lane) -> Iterator[None]:
    """Everything inside asks Stripe in this lane; outside, whoever asks is a person at a screen."""
    token = _lane.set(lane)
    try:
        yield
    finally:
        _lane.reset(token)


METER_EVENTS: Final = "POST /v1/billing/meter_events"


class Rates(msgspec.Struct, frozen=True):
    """Calls a second: to each operation, and to all together; `meter_events` where these are counted by themselves."""

    operation: float
    account: float
    meter_events: float | None = None

    def of(self, what: str) -> tuple[float, float | None]:
        """Of an operation, and of all with which it is counted, if it is."""
        if what == METER_EVENTS and self.meter_events is not None:
            return self.meter_events, None
        return self.operation, self.account


def stripes_own(*, livemode: bool) -> Rates:
    """What Stripe allows by itself: 25 a second and operation, 100 in all, 25 in test mode (docs: rate-limits).

    Meter events: 1,000 a second beside all others, in test mode among them (docs: recording-usage-api). A little less
    is asked, since Stripe's seconds don't begin with ours.
    """
    return Rates(24, 96, meter_events=960) if livemode else Rates(24, 24)


def operation(method: str, path: str) -> str:
    """A call as Stripe counts it: the method, and the path without ids."""
    parts = ("{id}" if ID.fullmatch(part) else part for part in path.split("/"))
    return f"{method.upper()} {'/'.join(parts)}"


class _Share:
    """The calls of one operation and lane that this process holds, and how many wait for one."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.waiting = 0
        self._left = 0
        self._until = 0.0

    def take(self) -> bool:
        if not self._left or time.monotonic() > self._until:
            return False
        self._left -= 1
        return True

    def fill(self, calls: int) -> None:
        self._left, self._until = calls, time.monotonic() + HELD_S


class Pace:
    """One process's way to the calls that one account may make."""

    def __init__(self, account: str, rates: Rates) -> None:
        self._account = account
        self._rates = rates
        self._shares: dict[tuple[str, Lane], _Share] = {}

    async def wait(self, what: str) -> None:
        """Return when a call of this operation may go out; raises StripeNotSentError where that would take too long."""
        share = self._shares.setdefault((what, _lane.get()), _Share())
        end = time.monotonic() + MOST_WAIT_S
        share.waiting += 1
        try:
            while not share.take():
                async with share.lock:  # one goes to the database for all who wait here
                    if not share.take():
                        await self._fill(share, what, end)
                        continue
                return
        finally:
            share.waiting -= 1

    async def turned_away(self, what: str, wait_s: float) -> None:
        """Stripe answered 429: somebody else uses this account too. Nobody asks for so long, however many were told."""
        await sql.rows(
            """update tollbridge.stripe_budget
               set calls_left = least(-$3::float8 * $4::float8, calls_left
                       + $3::float8 * greatest(extract(epoch from clock_timestamp() - counted_at), 0)),
                   counted_at = greatest(counted_at, clock_timestamp())
               where account = $1 and operation = $2""",
            self._account,
            what,
            self._rates.of(what)[0],
            min(wait_s, MOST_WAIT_S),
        )

    async def _fill(self, share: _Share, what: str, end: float) -> None:
        """Take calls for all who wait, or wait until there are some."""
        if time.monotonic() > end:
            # So many were before it here that the claim which covers this call may run out.
            raise StripeNotSentError(f"{what}: more calls wait than Stripe allows", MOST_WAIT_S)
        rate, in_all = self._rates.of(what)
        wanted = max(1, min(share.waiting, int(rate * SLICE_S)))
        row = await sql.row(TAKE, self._account, what, wanted, rate, in_all, SLICE_S, _lane.get().value)
        assert row is not None
        if row["granted"]:
            share.fill(row["granted"])
            return
        if time.monotonic() + row["wait_s"] > end:
            raise StripeNotSentError(f"{what}: more calls wait than Stripe allows", MOST_WAIT_S)
        await asyncio.sleep(row["wait_s"])
