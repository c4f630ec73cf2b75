"""Checkout.com's words and ours for charges: pure, both ways."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from processors.checkout_com.declines import decline
from processors.checkout_com.money import CHECKOUT_COM
from processors.checkout_com.wire import ApiAction, ApiPayment, ApiProcessing, AskedCharge, ErrorBody, ToldPayment
from processors.errors import OutcomeUnknownError
from processors.money import Money, check_positive, from_minor, to_minor
from processors.outcome import (
    Canceled,
    ChargeOutcome,
    Declined,
    Pending,
    RequiresAction,
    Succeeded,
)
from processors.reading import readable
from processors.values import ChargeRequest, PreparedCall, Usage

PAYMENT_TYPES: Final = {Usage.RECURRING: "Recurring", Usage.UNSCHEDULED: "Unscheduled"}

TAKEN: Final = frozenset({"Authorized", "Captured", "Partially Captured", "Partially Refunded", "Refunded"})
"""An approved payment is captured by itself a moment later, since each charge asks for that."""
UNDER_WAY: Final = frozenset({"Pending", "Requested", "Retry Scheduled"})
"""`Retry Scheduled`: the account has Checkout.com's own retries on, which it should not: nobody else may try then."""
WITHDRAWN: Final = frozenset({"Voided", "Canceled", "Expired"})


def post(path: str, key: str, body: object) -> PreparedCall:
    headers = (("content-type", "application/json"), ("cko-idempotency-key", key))
    return PreparedCall("POST", path, headers, msgspec.json.encode(body, order="deterministic"))


def charge_call(request: ChargeRequest, channel: str) -> PreparedCall:
    """The bytes of a charge that the merchant initiates; the order of `metadata` doesn't matter. Raises MoneyError."""
    check_positive(request.amount)
    body: dict[str, object] = {
        "source": {"type": "id", "id": request.method.token.reveal()},
        "amount": to_minor(request.amount, CHECKOUT_COM),
        "currency": request.amount.currency.upper(),
        "payment_type": PAYMENT_TYPES[request.usage],
        "merchant_initiated": True,
        "reference": request.reference,
        "capture": True,
        "processing_channel_id": channel,
        "metadata": dict(request.metadata),
    }
    if request.method.initial_payment is not None:
        body["previous_payment_id"] = request.method.initial_payment.reveal()
    return post("/payments", request.idempotency_key, body)


def charged(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored charge bytes ask for."""
    asked = msgspec.json.decode(body, type=AskedCharge)
    return asked.reference, from_minor(asked.amount, asked.currency, CHECKOUT_COM)


def error_code(body: bytes) -> str:
    """The first code of an error answer; empty for one that another machine on the way wrote."""
    error = readable(body, ErrorBody)
    if error is None:
        return ""
    return next(iter(error.error_codes or ()), error.error_type or "")


def amount_of(payment: ApiPayment | ToldPayment) -> Money:
    """Raises MoneyError, and OutcomeUnknownError for one without its amount."""
    if payment.amount is None or payment.currency is None:
        raise OutcomeUnknownError("the processor shows a payment without its amount")
    return from_minor(payment.amount, payment.currency, CHECKOUT_COM)


def outcome(payment: ApiPayment, refused_by: ApiAction | None = None) -> ChargeOutcome:
    """What a payment has come to; raises MoneyError, or OutcomeUnknownError for what can't be so.

    `refused_by` is the action that was declined, where the payment itself is shown without a code.
    """
    if payment.status in TAKEN and payment.approved is not False:
        return Succeeded(payment.id, captured(payment), _when(payment))
    if payment.status in UNDER_WAY:
        return under_way(payment)
    if payment.status == "Declined":
        return declined(payment.id, refused_by or payment)
    if payment.status in WITHDRAWN:
        return Canceled(payment.id)
    raise OutcomeUnknownError("the processor shows a payment in a state that we don't know")


def under_way(payment: ApiPayment) -> Pending | RequiresAction:
    """A charge that was raised to 3-D Secure waits for the payer at its link."""
    if payment.links is not None and payment.links.redirect is not None:
        return RequiresAction(payment.id, payment.links.redirect.href)
    return Pending(payment.id, payment.retry.next_attempt_on if payment.retry else None)


def captured(payment: ApiPayment | ToldPayment) -> Money:
    """What was captured so far, or is about to be. Raises MoneyError, OutcomeUnknownError."""
    whole = amount_of(payment)
    total = payment.balances.total_captured if payment.balances else 0
    if isinstance(payment, ApiPayment) and payment.status == "Partially Captured" and not total:
        raise OutcomeUnknownError("the processor calls a payment captured in part, and does not say how much")
    taken = from_minor(total, whole.currency, CHECKOUT_COM) if total else whole
    if taken.amount <= 0:
        raise OutcomeUnknownError("the processor calls a payment successful that took nothing")
    return taken


def declined(processor_id: str, refusal: ApiPayment | ApiAction | ToldPayment) -> Declined:
    code, summary = refusal.response_code or "", refusal.response_summary or ""
    return Declined(decline(code, summary, advice_of(refusal.processing), refusal.processed_on), processor_id)


def advice_of(processing: ApiProcessing | None) -> str:
    """The scheme's advice: Mastercard's own code if there is one, else the recommendation that means the same."""
    if processing is None:
        return ""
    return processing.partner_merchant_advice_code or processing.recommendation_code or ""


def _when(payment: ApiPayment) -> datetime:
    at = payment.processed_on or payment.requested_on
    if at is None:
        raise OutcomeUnknownError("the processor shows a payment without its time")
    return at
