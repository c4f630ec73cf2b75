"""When the next try is made, and with what: the ladder as data.

Only declines climb the ladder. A request that the processor refused as such, or that never left us, burns no step; it
is tried again after a wait of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import takewhile
from typing import TypeAlias

import msgspec

from db.states import AttemptState, MethodStatus
from gateway.domain.view import AttemptView, InvoiceView, MethodView

NOT_SENT_WAITS = tuple(timedelta(seconds=s) for s in (30, 60, 120, 300, 900))
"""Waits after 1, 2, ... tries in a row that never left us; the last one repeats."""
REJECTED_WAIT = timedelta(hours=1)
LEAST_GAP = timedelta(hours=24)
"""Two tries of the ladder are never closer than this, or than the ladder itself has them."""
MOST_REJECTED = 3
"""Requests refused as such in a row, after which only a human or a new payment method starts another."""


class TryNow(msgspec.Struct, frozen=True):
    method: MethodView
    reason: str


class TryAt(msgspec.Struct, frozen=True):
    at: datetime
    reason: str


class NeedsMethod(msgspec.Struct, frozen=True):
    reason: str


class Exhausted(msgspec.Struct, frozen=True):
    reason: str


NextTry: TypeAlias = TryNow | TryAt | NeedsMethod | Exhausted


def next_try(view: InvoiceView, now: datetime) -> NextTry:
    """What the plan says for an open invoice on which nothing is unresolved and nothing is held."""
    method = _method(view)
    if method is None:
        return NeedsMethod("the customer has no payment method that can be charged")
    tried = [attempt for attempt in view.attempts if not attempt.surplus]
    if not tried:
        return TryNow(method, "first")
    last = tried[-1]
    if method.created_at > (last.resolved_at or last.sent_at) and all(a.method != method.id for a in tried):
        return TryNow(method, "method_stored")
    at, reason = _time_of_next(view, tried)
    if view.asked and (at is not None or last.state is AttemptState.REJECTED) and by_hand_from(tried) <= now:
        return TryNow(method, "operator")
    if at is None:
        return Exhausted(reason)
    last_moment = _last_moment(view)
    if last_moment is not None and max(at, now) > last_moment:
        return Exhausted("no further try fits before the due date")
    if at > now:
        return TryAt(at, reason)
    return TryNow(method, "retry")


def by_hand_from(tried: Sequence[AttemptView]) -> datetime:
    """From when on somebody may ask for a further try, while the ladder has steps left.

    Not before the processor's own time for the next, and one such try a day: a button is pressed more than once.
    """
    asked_for = [attempt.sent_at + LEAST_GAP for attempt in tried if attempt.by_hand and attempt.state in CLIMBS]
    return max([tried[-1].retry_after or tried[-1].sent_at, *asked_for])


def is_exhausted(view: InvoiceView) -> bool:
    """Whether the ladder is climbed, whatever the clock says."""
    return declines(view.attempts) >= len(view.policy.ladder)


def declines(attempts: tuple[AttemptView, ...]) -> int:
    """The steps of the ladder that are used."""
    return sum(attempt.state in CLIMBS for attempt in attempts)


CLIMBS = frozenset({AttemptState.DECLINED, AttemptState.REVERSED})
"""What uses a step: a decline, and a debit that the bank took back."""


def _method(view: InvoiceView) -> MethodView | None:
    usable = [m for m in view.methods if m.status is MethodStatus.ACTIVE and m.usable]
    # The payer's choice holds for the first try; later ones go by the order, in which a newly stored method is first.
    preferred = "" if view.attempts else view.preferred_method
    return min(usable, key=lambda m: (m.id != preferred, m.position, m.created_at, m.id), default=None)


def _time_of_next(view: InvoiceView, tried: list[AttemptView]) -> tuple[datetime | None, str]:
    last = tried[-1]
    ended = last.resolved_at or last.sent_at
    in_a_row = sum(1 for _ in takewhile(lambda a: a.state is last.state, reversed(tried)))
    if last.state is AttemptState.CANCELED:
        # Withdrawn by us, since something changed: at once. By the payer: not again and again.
        return ended + (timedelta(0) if last.withdrawn else LEAST_GAP), "the last try was withdrawn"
    if last.state is AttemptState.NOT_SENT:
        wait = NOT_SENT_WAITS[min(in_a_row, len(NOT_SENT_WAITS)) - 1]
        return max(ended + wait, last.retry_after or ended), "the last request never reached the processor"
    if last.state is AttemptState.REJECTED:
        if in_a_row >= MOST_REJECTED:
            return None, "the processor refuses our request itself"
        return ended + REJECTED_WAIT, "the processor refused our request itself"
    step = declines(tuple(tried))
    ladder = view.policy.ladder
    if step >= len(ladder):
        return None, f"all {len(ladder)} tries were declined"
    climbed = [a for a in tried if a.state in CLIMBS]
    if not climbed:
        return ended + LEAST_GAP, "the last try ended without a decline"
    # Steps that are overdue together (we were down) keep their distance all the same.
    gap = min(ladder[step] - ladder[step - 1], LEAST_GAP)
    at = max(climbed[0].sent_at + ladder[step], climbed[-1].sent_at + gap, last.retry_after or ended)
    return at, f"try {step + 1} of {len(ladder)}"


def _last_moment(view: InvoiceView) -> datetime | None:
    if view.invoice is None or view.invoice.due_date is None:
        return None
    return view.invoice.due_date - view.policy.margin
