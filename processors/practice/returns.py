"""Money that goes back at the practice processor, in our words: refunds and disputes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from processors.capabilities import KeyPlace
from processors.events import DisputeStage, DisputeState, MoneyMoved, RefundState
from processors.money import Exponents, Money, check_positive, from_minor, to_minor
from processors.outcome import (
    RefundFailed,
    RefundOutcome,
    RefundPending,
    RefundRefusal,
    RefundSucceeded,
)
from processors.practice.mapping import moment, post
from processors.practice.wire import ApiDispute, ApiMoved, ApiRefund, ApiRefusal, AskedRefund
from processors.values import PreparedCall, RefundRequest

REFUSALS: Final[Mapping[str, RefundRefusal]] = {
    "dispute_open": RefundRefusal.DISPUTE_OPEN,
    "refund_too_late": RefundRefusal.TOO_LATE,
    "partial_refund_not_allowed": RefundRefusal.PARTIAL_NOT_ALLOWED,
    "insufficient_balance": RefundRefusal.INSUFFICIENT_BALANCE,
    "refund_exceeds_charge": RefundRefusal.EXCEEDS_CAPTURE,
    "charge_not_refundable": RefundRefusal.NOT_CAPTURED,
    "refunds_not_enabled": RefundRefusal.NOT_ENABLED,
}
"""A code that is not listed is `other`."""


def refund_call(request: RefundRequest, charge: str, place: KeyPlace, units: Exponents) -> PreparedCall:
    """The bytes of a refund of `charge`, a checked path segment; raises MoneyError.

    The amount always stands there, so that the bytes never mean "whatever is left".
    """
    check_positive(request.amount)
    body = {
        "amount": to_minor(request.amount, units),
        "reference": request.reference,
        "reason": request.reason,
    }
    return post(f"/v1/charges/{charge}/refunds", request.idempotency_key, body, place)


def asked(body: bytes) -> AskedRefund:
    """What stored refund bytes ask for."""
    return msgspec.json.decode(body, type=AskedRefund)


def refund_outcome(refund: ApiRefund, units: Exponents) -> RefundOutcome:
    """What a refund has come to; raises MoneyError."""
    amount = from_minor(refund.amount, refund.currency, units)
    match refund.status:
        case "succeeded":
            return RefundSucceeded(refund.id, amount, moment(refund.updated_at))
        case "pending":
            return RefundPending(refund.id, amount)
        case "failed":
            failure = refund.failure or ApiRefusal("")
            return RefundFailed(refund.id, amount, failure.code, failure.message)


def refund_state(refund: ApiRefund, units: Exponents) -> RefundState:
    """Raises MoneyError."""
    return RefundState(
        processor_id=refund.id,
        charge_id=refund.charge,
        outcome=refund_outcome(refund, units),
        amount=from_minor(refund.amount, refund.currency, units),
        reference=refund.reference,
        external=refund.origin != "api",
    )


def dispute_state(dispute: ApiDispute, units: Exponents) -> DisputeState:
    """Raises MoneyError."""

    def money(amount: int) -> Money:
        return from_minor(amount, dispute.currency, units)

    return DisputeState(
        processor_id=dispute.id,
        charge_id=dispute.charge,
        stage=DisputeStage(dispute.status),
        amount=money(dispute.amount),
        withdrawn=money(dispute.withdrawn),
        moves=tuple(moved(one, dispute.currency, units) for one in dispute.moves),
        reason=dispute.reason,
        evidence_due_by=None if dispute.evidence_due_at is None else moment(dispute.evidence_due_at),
        evidence_url=dispute.evidence_url,
    )


def moved(told: ApiMoved, currency: str, units: Exponents) -> MoneyMoved:
    """Raises MoneyError."""
    return MoneyMoved(from_minor(told.amount, currency, units), told.id, moment(told.at))
