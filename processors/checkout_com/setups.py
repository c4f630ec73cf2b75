"""Set-ups: a payment session of nothing for the Flow component, and the method that its payment leaves behind. Pure.

The payer's first payment verifies the card, with 3-D Secure, and agrees to later ones: Checkout.com stores the card of
a recurring payment by itself (docs: recurring payments with stored card details). That payment's own id goes with each
later charge.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from processors.address import PayerAddress, address_of
from processors.checkout_com.wire import ApiAction, ApiInstrument, ApiPayment, ApiSource
from processors.errors import RefusedError
from processors.values import (
    Card,
    MethodState,
    PaymentMethodReference,
    PreparedCall,
    Secret,
    SetupFailed,
    SetupReady,
    SetupRequest,
)

VERIFIED: Final = frozenset({"Card Verified", "Authorized", "Captured"})

BRANDS: Final = {
    "american express": "amex",
    "diners club international": "diners",
    "diners club": "diners",
    "china union pay": "unionpay",
    "cartes bancaires": "cartes_bancaires",
}
"""Schemes that others call by a shorter name; any other is its own in lower case."""

NAMED: Final = "payment_id"
"""Under this name a frontend gives back the id with which Flow ended: `onPaymentCompleted`, or `cko-payment-id`."""


def session_call(request: SetupRequest, channel: str, country: str) -> PreparedCall:
    """A session under the set-up's own key, since a session of ours may begin several; raises RefusedError.

    Sessions are made anew for each call: /payment-sessions is not among those that take an idempotency key.
    """
    if not request.return_url:
        raise RefusedError("a payment session names where the payer comes back to", 400, "return_url_missing")
    body = {
        "amount": 0,
        "currency": request.currency.upper(),
        "reference": request.idempotency_key,
        "payment_type": "Recurring",
        "billing": {"address": {"country": country}},
        "success_url": request.return_url,
        "failure_url": request.return_url,
        "processing_channel_id": channel,
        "3ds": {"enabled": True, "challenge_indicator": "challenge_requested_mandate"},
    }
    headers = (("content-type", "application/json"),)
    return PreparedCall("POST", "/payment-sessions", headers, msgspec.json.encode(body, order="deterministic"))


def verified(payments: Sequence[ApiPayment]) -> ApiPayment | None:
    """The first payment that verified a card, the same at each look: a later one is of a second tab."""
    good = [one for one in payments if one.status in VERIFIED and one.approved is not False and not one.amount]
    stored = [one for one in good if one.source is not None and one.source.id]
    return min(stored, key=lambda one: (one.requested_on or datetime.max.replace(tzinfo=UTC), one.id), default=None)


def refused(payments: Sequence[ApiPayment], named: str) -> ApiPayment | None:
    """The payment with which the payer's frontend ended, if it was declined.

    Other declines leave the set-up open: Flow lets the payer try again by itself.
    """
    ended = ("Declined", "Canceled", "Expired")
    return next((one for one in payments if named and one.id == named and one.status in ended), None)


def ready(payment: ApiPayment) -> SetupReady:
    source = payment.source or ApiSource()
    customer = payment.customer.id if payment.customer else None
    reference = PaymentMethodReference(
        Secret(source.id or ""), Secret(customer) if customer else None, Secret(payment.id)
    )
    return SetupReady(reference, card(source))


def failed(payment: ApiPayment, refusal: ApiAction | None) -> SetupFailed:
    code = refusal.response_code if refusal else None
    summary = refusal.response_summary if refusal else None
    return SetupFailed(code or payment.status.lower(), summary or f"The payment is {payment.status.lower()}.")


def card(source: ApiSource) -> Card:
    scheme = (source.scheme or "").lower()
    brand, last4 = BRANDS.get(scheme, scheme), source.last4 or ""
    label = f"{brand} •••• {last4}".strip(" •")
    month, year = number(source.expiry_month), number(source.expiry_year)
    return Card(brand, last4, month, year, label, source.fingerprint or "")


def number(shown: int | str | None) -> int | None:
    """A part of an expiry date; None where it is masked."""
    if isinstance(shown, str):
        return int(shown) if re.fullmatch(r"[0-9]{1,4}", shown) else None
    return shown


def state(instrument: ApiInstrument, now: datetime) -> MethodState:
    """An instrument that is there can be charged until the month on the card is over."""
    month, year = number(instrument.expiry_month), number(instrument.expiry_year)
    if month and year and (year, month) < (now.year, now.month):
        return MethodState.EXPIRED
    return MethodState.ACTIVE


def payer_address(instrument: ApiInstrument) -> PayerAddress | None:
    """The billing address of the card's holder.

    A country alone is the one with which the session was opened (`session_call`): the merchant's guess, and not what
    the payer said.
    """
    told = instrument.account_holder.billing_address if instrument.account_holder else None
    if told is None:
        return None
    found = address_of(told.country, told.zip, told.state, told.city, told.address_line1, told.address_line2)
    return None if found is None or found.only_a_country else found
