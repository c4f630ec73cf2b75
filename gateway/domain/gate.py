"""The answer about access: what money says and what a human has granted, kept until something changes it. Pure.

It is worked out when something happens and stored; what the clock alone does to it afterwards is settled when it is
read, so that access closes at its moment whether or not a worker is there to write that down.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from db.states import AccessState
from gateway.domain.access import BY_HAND, ENDED, FIRST, METHOD_MISSING, NO_INVOICE, NOT_CONFIRMED, Access

PENDING = frozenset({NO_INVOICE, NOT_CONFIRMED, METHOD_MISSING})
"""Beside those of a first invoice: nothing has opened it yet."""


class Grant(msgspec.Struct, frozen=True):
    """Access that somebody has granted by hand. `after_end`: also once the subscription has ended."""

    until: datetime
    after_end: bool = False


class Gate(msgspec.Struct, frozen=True):
    """The answer: its state, why, the invoice that decides, and since when.

    `closes_at`: when the clock alone ends it; `closing`: why it is closed then. Empty: another look must tell.
    """

    state: AccessState
    reason: str
    invoice: str = ""
    closes_at: datetime | None = None
    closing: str = ""
    since: datetime | None = None

    @property
    def granted(self) -> bool:
        return self.state is AccessState.GRANTED


def state_of(granted: bool, reason: str) -> AccessState:
    """The state that goes with a reason."""
    if granted:
        return AccessState.GRANTED
    if reason == ENDED:
        return AccessState.ENDED
    pending = reason in PENDING or reason.startswith(FIRST)
    return AccessState.PENDING_FIRST_PAYMENT if pending else AccessState.SUSPENDED


def gate(money: Access, grants: Sequence[Grant], now: datetime) -> Gate:
    """What money says, and what was granted by hand where money alone does not open it, or not for so long."""
    ended = money.reason == ENDED
    until = max((g.until for g in grants if g.until > now and (g.after_end or not ended)), default=None)
    if not money.granted:
        if until is None:
            return Gate(state_of(False, money.reason), money.reason, money.invoice)
        return Gate(AccessState.GRANTED, BY_HAND, money.invoice, until, money.reason)
    closes_at = money.closes_at
    if until is not None and closes_at is not None:
        closes_at = max(closes_at, until)
    return Gate(AccessState.GRANTED, money.reason, money.invoice, closes_at, money.closing)


def followed(before: Gate, found: Gate, now: datetime) -> Gate:
    """`found` takes the place of `before`, and keeps its time where the state is the same."""
    if found.state is before.state and before.since is not None:
        return msgspec.structs.replace(found, since=before.since)
    by_clock = settled(before, now)
    return msgspec.structs.replace(found, since=by_clock.since if by_clock.state is found.state else now)


def settled(stored: Gate, now: datetime) -> Gate:
    """The answer at `now`, if nothing but time has passed since it was worked out."""
    if stored.closes_at is None or not stored.closing or now < stored.closes_at:
        return stored
    return Gate(state_of(False, stored.closing), stored.closing, stored.invoice, since=stored.closes_at)
