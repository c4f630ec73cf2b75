"""Acme's words and ours: pure, both ways."""

from __future__ import annotations

from typing import Final

import msgspec

from acme_tollbridge import wire
from processors.declines import DeclineTable
from processors.errors import OutcomeUnknownError
from processors.events import RefundState
from processors.money import Exponents, Money, check_positive, from_decimal_string, to_decimal_string
from processors.outcome import (
    ChargeOutcome,
    DeclineClass,
    Declined,
    RefundFailed,
    RefundOutcome,
    RefundRefusal,
    RefundSucceeded,
    RequiresAction,
    Succeeded,
)
from processors.reading import readable
from processors.values import (
    Card,
    ChargeRequest,
    MethodState,
    PaymentMethodReference,
    PreparedCall,
    RefundRequest,
    Secret,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
    SetupResult,
    Usage,
)

ACME: Final = Exponents("Acme")
"""Plain ISO 4217 decimals."""

DECLINES: Final = DeclineTable(
    {
        "05": DeclineClass.DO_NOT_HONOR,
        "41": DeclineClass.LOST_STOLEN,
        "51": DeclineClass.INSUFFICIENT_FUNDS,
        "54": DeclineClass.EXPIRED,
        "59": DeclineClass.FRAUD,
        "removed": DeclineClass.REVOKED,
    }
)

REFUSALS: Final = {"too_late": RefundRefusal.TOO_LATE, "too_much": RefundRefusal.EXCEEDS_CAPTURE}

STATES: Final = {"active": MethodState.ACTIVE, "expired": MethodState.EXPIRED, "removed": MethodState.REVOKED}


def post(path: str, key: str, body: object) -> PreparedCall:
    headers = (("content-type", "application/json"), ("acme-key", key))
    return PreparedCall("POST", path, headers, msgspec.json.encode(body, order="deterministic"))


def error_code(body: bytes) -> str:
    error = readable(body, wire.ErrorBody)
    return "" if error is None else error.error


def setup_call(request: SetupRequest) -> PreparedCall:
    body = {"reference": request.reference, "return_url": request.return_url, "payer": request.customer}
    return post("/setups", request.idempotency_key, body)


def payment_call(request: ChargeRequest) -> PreparedCall:
    """Raises MoneyError."""
    body = {
        "amount": text(request.amount),
        "currency": request.amount.currency.upper(),
        "card": request.method.token.reveal(),
        "reference": request.reference,
        "text": request.description,
        "unscheduled": request.usage is Usage.UNSCHEDULED,
    }
    return post("/payments", request.idempotency_key, body)


def refund_call(request: RefundRequest, payment: str) -> PreparedCall:
    """The bytes of a refund of `payment`, a checked path segment; raises MoneyError."""
    body = {
        "amount": text(request.amount),
        "currency": request.amount.currency.upper(),
        "reference": request.reference,
    }
    return post(f"/payments/{payment}/refunds", request.idempotency_key, body)


def text(money: Money) -> str:
    """Raises MoneyError, also for what is not more than nothing."""
    check_positive(money)
    return to_decimal_string(money, ACME)


def read(amount: str, currency: str) -> Money:
    """Raises MoneyError."""
    return from_decimal_string(amount, currency, ACME)


def outcome(payment: wire.Payment) -> ChargeOutcome:
    """Raises MoneyError."""
    match payment.state:
        case "paid":
            return Succeeded(payment.id, read(payment.amount, payment.currency), payment.at)
        case "refused":
            return Declined(DECLINES.decline(payment.refusal, at=payment.at), payment.id)
        case "waits_for_payer":
            return RequiresAction(payment.id, payment.page)


def refund_outcome(refund: wire.Refund) -> RefundOutcome:
    """Raises MoneyError."""
    amount = read(refund.amount, refund.currency)
    if refund.state == "done":
        return RefundSucceeded(refund.id, amount, refund.at)
    return RefundFailed(refund.id, amount)


def refund_state(refund: wire.Refund) -> RefundState:
    """Raises MoneyError. Only refunds of ours have a reference at Acme."""
    amount = read(refund.amount, refund.currency)
    return RefundState(
        refund.id, refund.payment, refund_outcome(refund), amount, refund.reference, external=not refund.reference
    )


def setup_result(setup: wire.Setup) -> SetupResult:
    """Raises OutcomeUnknownError."""
    if setup.state == "open":
        return SetupPending()
    if setup.state == "failed":
        return SetupFailed(setup.problem or "failed", "The card could not be stored.")
    if setup.card is None:
        raise OutcomeUnknownError("a set-up is done and names no card")
    shown = Card(setup.card.brand, setup.card.last4, label=f"{setup.card.brand} •••• {setup.card.last4}")
    return SetupReady(PaymentMethodReference(Secret(setup.card.token)), shown)
