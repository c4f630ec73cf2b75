"""Refunds in PayPal's words and ours: pure, both ways (payments v2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Final

import msgspec

from processors.errors import OutcomeUnknownError
from processors.events import RefundState
from processors.money import Money
from processors.outcome import RefundFailed, RefundOutcome, RefundPending, RefundRefusal, RefundSucceeded
from processors.paypal.mapping import CAPTURES, LONGEST_TEXT, link, post
from processors.paypal.money import api_money, our_money
from processors.paypal.wire import ApiRefund, AskedRefund
from processors.values import PreparedCall, RefundRequest

REFUNDS: Final = "/v2/payments/refunds"

REFUSALS: Final[Mapping[str, RefundRefusal]] = {
    "TRANSACTION_DISPUTED": RefundRefusal.DISPUTE_OPEN,
    "REFUND_NOT_PERMITTED_DUE_TO_CHARGEBACK": RefundRefusal.DISPUTE_OPEN,
    "REFUND_TIME_LIMIT_EXCEEDED": RefundRefusal.TOO_LATE,
    "PARTIAL_REFUND_NOT_ALLOWED": RefundRefusal.PARTIAL_NOT_ALLOWED,
    "REFUND_FAILED_INSUFFICIENT_FUNDS": RefundRefusal.INSUFFICIENT_BALANCE,
    "CAPTURE_FULLY_REFUNDED": RefundRefusal.EXCEEDS_CAPTURE,
    "REFUND_AMOUNT_EXCEEDED": RefundRefusal.EXCEEDS_CAPTURE,
    "PENDING_CAPTURE": RefundRefusal.NOT_CAPTURED,
    "REFUND_NOT_ALLOWED": RefundRefusal.NOT_ENABLED,
    "REFUND_IS_RESTRICTED": RefundRefusal.NOT_ENABLED,
    "PERMISSION_DENIED": RefundRefusal.NOT_ENABLED,
}
"""The issues of the payments v2 description (`captures.refund-422`). One that is not listed is `other`."""


def refund_call(request: RefundRequest, capture: str) -> PreparedCall:
    """The bytes of a refund of `capture`, a checked path segment; raises MoneyError.

    The amount always stands there, as without it PayPal returns whatever is left.
    """
    body: dict[str, object] = {
        "amount": api_money(request.amount),
        "custom_id": request.reference,
        "invoice_id": request.reference,
    }
    if request.reason:
        body["note_to_payer"] = request.reason[:LONGEST_TEXT]
    return post(f"{CAPTURES}/{capture}/refund", request.idempotency_key, body)


def asked(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored refund bytes ask for."""
    told = msgspec.json.decode(body, type=AskedRefund)
    return told.custom_id, our_money(told.amount)


def refund_outcome(refund: ApiRefund) -> RefundOutcome:
    """What a refund has come to; raises MoneyError, OutcomeUnknownError."""
    amount = our_money(refund.amount)
    match refund.status:
        case "COMPLETED":
            at = refund.update_time or refund.create_time
            if at is None:
                raise OutcomeUnknownError("PayPal shows a refund without its time")
            return RefundSucceeded(refund.id, amount, at.astimezone(UTC))
        case "PENDING":
            return RefundPending(refund.id, amount)
        case "FAILED" | "CANCELLED":
            return RefundFailed(refund.id, amount, refund.status, refund.status_details.reason)
        case status:
            raise OutcomeUnknownError(f"a refund is {status[:40]!r}, which says nothing about its money")


def refund_state(refund: ApiRefund, capture: str) -> RefundState:
    """Raises MoneyError, OutcomeUnknownError."""
    reference = reference_of(refund)
    return RefundState(
        processor_id=refund.id,
        charge_id=capture,
        outcome=refund_outcome(refund),
        amount=our_money(refund.amount),
        reference=reference,
        external=not reference,
    )


def reference_of(refund: ApiRefund) -> str:
    """Our reference of a refund, which we write in two places; empty for one that was made in PayPal's own pages.

    Such a one may carry what its capture carries: an `invoice_id` of an attempt, with the invoice as `custom_id`.
    """
    return refund.custom_id if refund.custom_id == refund.invoice_id else ""


def capture_of(refund: ApiRefund) -> str:
    """The id of the capture that a refund is of; empty where it does not say so."""
    if refund.supplementary_data.related_ids.capture_id:
        return refund.supplementary_data.related_ids.capture_id
    found = re.fullmatch(r"https?://[^/?#]+/v2/payments/captures/([A-Za-z0-9-]{1,64})", link(refund.links, "up"))
    return found[1] if found else ""
