"""What the events of one payment mean in their order: whether its money was with the merchant before each of them.

An event says `failed` both of a payment that never came in and of one that was confirmed before the bank's refusal
arrived, and only what came before tells the two apart (docs: core-endpoints/payments: "payments can fail after being
confirmed"). A payment that failed may also be tried again by somebody in the dashboard, under the same id. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from processors.events import EventKind
from processors.gocardless.wire import ApiEvent

TAKEN: Final = frozenset({"confirmed", "paid_out", "chargeback_cancelled"})
GONE: Final = frozenset({"failed", "charged_back"})

PENDING: Final = frozenset({"created", "customer_approval_granted", "submitted", "resubmission_requested"})

KINDS: Final[Mapping[str, EventKind]] = {
    **dict.fromkeys(PENDING, EventKind.CHARGE_PENDING),
    "confirmed": EventKind.CHARGE_SUCCEEDED,
    "paid_out": EventKind.CHARGE_SETTLED,
    "failed": EventKind.CHARGE_FAILED,
    "cancelled": EventKind.CHARGE_FAILED,
    "customer_approval_denied": EventKind.CHARGE_FAILED,
    "charged_back": EventKind.CHARGE_REVERSED,
    "chargeback_cancelled": EventKind.CHARGE_REINSTATED,
}
"""By the action alone. Not `late_failure_settled` and `chargeback_settled`: they tell from which payout the money of a
reversal was taken, and move none; nor `surcharge_fee_debited`, which is GoCardless' fee."""


def kind_of(event: ApiEvent, history: Sequence[ApiEvent]) -> EventKind:
    """What an event of a payment tells, given all of that payment's."""
    before = earlier(event, history)
    match event.action:
        case "failed" if is_held(before):
            return EventKind.CHARGE_REVERSED
        case "failed" if event.details.will_attempt_retry:
            return EventKind.CHARGE_PENDING  # GoCardless tries again by itself: nobody else may
        case "confirmed" if was_held(before) and not is_held(before):
            return EventKind.CHARGE_REINSTATED
        case action:
            return KINDS[action]


def in_order(events: Iterable[ApiEvent]) -> list[ApiEvent]:
    """Oldest first, from a list that comes newest first (docs: api-usage/cursor-pagination)."""
    oldest_first = list(events)[::-1]
    return sorted(oldest_first, key=lambda one: one.created_at)


def earlier(event: ApiEvent, history: Sequence[ApiEvent]) -> Sequence[ApiEvent]:
    """What had happened before `event`, also where a list does not show it yet."""
    at = next((n for n, one in enumerate(history) if one.id == event.id), None)
    return [one for one in history if one.created_at <= event.created_at] if at is None else history[:at]


def is_held(events: Iterable[ApiEvent]) -> bool:
    """Whether the money stands as collected after these."""
    held = False
    for one in events:
        held = one.action in TAKEN or (held and one.action not in GONE)
    return held


def was_held(events: Iterable[ApiEvent]) -> bool:
    """Whether it ever did."""
    return any(one.action in TAKEN for one in events)


def last(history: Sequence[ApiEvent], *actions: str) -> ApiEvent | None:
    """The newest event of these actions."""
    return next((one for one in reversed(history) if one.action in actions), None)
