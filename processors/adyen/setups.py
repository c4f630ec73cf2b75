"""Set-ups and stored payment methods in Adyen's words and ours: pure, both ways.

A set-up is a session over nothing, whose payment stores the method. Its shopper reference is of this set-up alone, so
that whatever is stored under it came from this set-up: that shows what a set-up has given without any webhook, without
what the browser was told, and without a doubt about which of a customer's cards it was. Adyen's `metadata` name the
customer for people.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from processors.address import PayerAddress, address_of
from processors.adyen.config import Settings, public
from processors.adyen.mapping import metadata, moment, post
from processors.adyen.wire import ApiSession, ApiSessionResult, ApiStoredMethod
from processors.errors import OutcomeUnknownError, RefusedError
from processors.values import (
    Card,
    MethodState,
    PaymentMethodReference,
    PreparedCall,
    Secret,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
    SetupResult,
    SetupSession,
)

ENDED: Final = frozenset({"canceled", "expired", "refused"})
"""How a session ends without a payment (Checkout v72, SessionResultResponse.status)."""

BRANDS: Final = {"mc": "mastercard"}
"""Adyen's name of a card scheme that differs from the one we show; the others are alike."""


PENDING: Final = SetupPending()


def shopper_of(request: SetupRequest) -> str:
    """A reference for the payer that no other set-up shares; 3 to 256 letters, nothing personal."""
    return f"{request.customer or request.reference}.{request.idempotency_key}"


def setup_call(request: SetupRequest, settings: Settings) -> PreparedCall:
    body: dict[str, object] = {
        "merchantAccount": settings.account,
        "reference": request.reference,
        "amount": {"value": 0, "currency": request.currency.upper()},
        "returnUrl": request.return_url,
        "shopperReference": shopper_of(request),
        "shopperInteraction": "Ecommerce",
        "recurringProcessingModel": "Subscription",
        "storePaymentMethodMode": "enabled",
        "mode": settings.mode,
        "channel": settings.channel,
        "allowedPaymentMethods": [settings.payment_method_type],
    }
    if request.customer:
        body["metadata"] = metadata({"stripe_customer": request.customer})
    if settings.country:
        body["countryCode"] = settings.country
    if request.locale:
        body["shopperLocale"] = request.locale
    return post("/sessions", request.idempotency_key, body)


def session(made: ApiSession, request: SetupRequest, settings: Settings) -> SetupSession:
    """What a front end needs; raises OutcomeUnknownError for an answer that does not hold it."""
    if made.merchant_account not in ("", settings.account) or made.reference not in ("", request.reference):
        raise OutcomeUnknownError("Adyen answered with a session that is not the one asked for")
    if not (made.url if settings.mode == "hosted" else made.session_data):
        raise OutcomeUnknownError(f"Adyen answered with a session that has nothing for the {settings.mode} front end")
    ref = f"{made.id}:{shopper_of(request)}"
    client = {"setup": ref, "session_id": made.id}
    if settings.mode == "embedded":
        client |= {"session_data": made.session_data, **public(settings)}
    return SetupSession(ref, made.url, client, moment(made.expires_at))


def parts(processor_ref: str) -> tuple[str, str]:
    """The session and the shopper reference that a set-up's own reference holds; raises RefusedError."""
    session_id, _, shopper = processor_ref.partition(":")
    if not session_id or not shopper:
        raise RefusedError("the reference is of no set-up at Adyen", 404, "setup_malformed")
    return session_id, shopper


def ready(stored: ApiStoredMethod, shopper: str) -> SetupReady:
    return SetupReady(PaymentMethodReference(Secret(stored.id), Secret(shopper)), card(stored))


def ended(shown: ApiSessionResult) -> SetupResult:
    """What a session that has stored nothing yet has come to. A token may follow some seconds after the payment."""
    if shown.status in ENDED:
        return SetupFailed(shown.status, f"The set-up is {shown.status}.")
    return PENDING


def card(stored: ApiStoredMethod) -> Card:
    brand = BRANDS.get(stored.brand, stored.brand)
    label = f"{brand or stored.name} •••• {stored.last_four}".strip(" •")
    return Card(brand, stored.last_four, *expiry(stored), label)


def expiry(stored: ApiStoredMethod) -> tuple[int | None, int | None]:
    """Month and year; the year comes with two digits (Checkout v72), or four as in its webhooks."""
    month, year = stored.expiry_month, stored.expiry_year
    if not (month.isascii() and month.isdigit() and year.isascii() and year.isdigit()) or not 1 <= int(month) <= 12:
        return None, None
    return int(month), int(year) + (2000 if len(year) <= 2 else 0)


def state(stored: ApiStoredMethod, now: datetime) -> MethodState:
    """A token stands until it's deleted; that its card's month is over is all that its list says besides.

    A renewed card keeps its token and shows the new date there.
    """
    month, year = expiry(stored)
    if month is not None and year is not None and (year, month) < (now.year, now.month):
        return MethodState.EXPIRED
    return MethodState.ACTIVE


def payer_address(stored: ApiStoredMethod) -> PayerAddress | None:
    """The billing address that the payer gave with the card, which Adyen shows since Checkout v72."""
    told = stored.billing_address
    if told is None:
        return None
    line1 = f"{told.street or ''} {told.house_number_or_name or ''}"
    return address_of(told.country, told.postal_code, told.state_or_province, told.city, line1)
