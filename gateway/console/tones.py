"""Which colour a state has: it repeats what the words say, the same wherever the state stands."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from db.states import (
    AccessState,
    CaseState,
    CreditNoteState,
    DeliveryState,
    DisputeState,
    EventDeliveryState,
    InvoiceState,
    ReconciliationState,
    RefundPartState,
    RefundState,
)
from gateway.domain.doctor import Level

GOOD: Final = "good"
WARN: Final = "warn"
BAD: Final = "bad"
TONES: Final[Mapping[type[StrEnum], Mapping[Any, str]]] = {
    AccessState: {
        AccessState.GRANTED: GOOD,
        AccessState.PENDING_FIRST_PAYMENT: BAD,
        AccessState.SUSPENDED: BAD,
        AccessState.ENDED: BAD,
    },
    CaseState: {CaseState.OPEN: WARN, CaseState.CLOSED: GOOD},
    CreditNoteState: {
        CreditNoteState.ISSUED: GOOD,
        CreditNoteState.UNKNOWN: WARN,
        CreditNoteState.REFUSED: BAD,
        CreditNoteState.VOID: BAD,
    },
    DeliveryState: {DeliveryState.DONE: GOOD, DeliveryState.PARKED: BAD},
    DisputeState: {
        DisputeState.WON: GOOD,
        DisputeState.INQUIRY: WARN,
        DisputeState.OPENED: WARN,
        DisputeState.FUNDS_WITHDRAWN: WARN,
        DisputeState.LOST: BAD,
        DisputeState.PARTLY_LOST: BAD,
    },
    EventDeliveryState: {EventDeliveryState.DELIVERED: GOOD, EventDeliveryState.GIVEN_UP: BAD},
    InvoiceState: {
        InvoiceState.PAID: GOOD,
        InvoiceState.CAPTURED: GOOD,
        InvoiceState.RETRYING: WARN,
        InvoiceState.UNKNOWN: WARN,
        InvoiceState.PENDING: WARN,
        InvoiceState.NEEDS_PAYMENT_METHOD: BAD,
        InvoiceState.EXHAUSTED: BAD,
        InvoiceState.UNCOLLECTIBLE: BAD,
    },
    Level: {Level.OK: GOOD, Level.NOTICE: WARN, Level.WRONG: BAD},
    ReconciliationState: {ReconciliationState.FINISHED: GOOD, ReconciliationState.FAILED: BAD},
    RefundPartState: {
        RefundPartState.SUCCEEDED: GOOD,
        RefundPartState.UNKNOWN: WARN,
        RefundPartState.FAILED: BAD,
        RefundPartState.REFUSED: BAD,
    },
    RefundState: {
        RefundState.RECORDED: GOOD,
        RefundState.SUCCEEDED: GOOD,
        RefundState.UNKNOWN: WARN,
        RefundState.FAILED: BAD,
        RefundState.REFUSED: BAD,
    },
}
STRIPES: Final[Mapping[str, str]] = {
    "active": GOOD,
    "trialing": GOOD,
    "past_due": WARN,
    "paused": WARN,
    "unpaid": BAD,
    "paid": GOOD,
    "uncollectible": BAD,
}
"""What Stripe says of its subscriptions and invoices."""


def tone(state: object) -> str:
    """The class of a badge; none for what is neither good nor bad, and for what is no state."""
    if isinstance(state, StrEnum):
        return TONES.get(type(state), {}).get(state, "")
    return STRIPES.get(state, "") if isinstance(state, str) else ""
