"""Set-ups at Mollie: a customer, a first payment on Mollie's page, and the mandate that comes of it. Pure.

Each set-up has a customer of its own, so that the mandate which that customer has is the one that came of it. A method
that Mollie can't check for nothing is checked with a cent, which is the merchant's.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Final

from processors.errors import OutcomeUnknownError, RefusedError
from processors.mollie.config import Settings
from processors.mollie.mapping import CURRENCIES, MOLLIE, REFERENCE, decline, post, reference_of
from processors.mollie.wire import ApiMandate, ApiPayment, MandateDetails
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

KEYS: Final = uuid.UUID("5b1f1a52-7f0e-4d6b-9d0a-3f5f5c2f4b0e")
"""The namespace of keys for the first of two calls: Mollie refuses a key that comes to another address."""

LOCALES: Final = frozenset(
    {
        *("en_US", "en_GB", "nl_NL", "nl_BE", "fr_FR", "fr_BE", "de_DE", "de_AT", "de_CH", "es_ES", "ca_ES", "pt_PT"),
        *("it_IT", "nb_NO", "sv_SE", "fi_FI", "da_DK", "is_IS", "hu_HU", "pl_PL", "lv_LV", "lt_LT"),
    }
)
"""The languages of Mollie's pages (docs: reference/create-payment); without one it's the browser's."""

STATES: Final = {"valid": MethodState.ACTIVE, "pending": MethodState.PENDING, "invalid": MethodState.REVOKED}
"""What a payer has withdrawn at the bank or the wallet is `invalid`, and nothing more is told of it."""

BRANDS: Final = {"american express": "amex", "diners club": "diners"}
"""Those that are called otherwise elsewhere."""


def check(request: SetupRequest) -> None:
    """Raises RefusedError for what Mollie would refuse, before a customer is made for it."""
    if not request.return_url:
        raise RefusedError("Mollie's page must lead back somewhere", 400, "return_url_missing")
    if request.currency not in CURRENCIES:
        raise RefusedError("Mollie takes no payments in this currency", 400, "currency_not_taken")


def customer_call(request: SetupRequest) -> PreparedCall:
    body = {"metadata": {REFERENCE: request.reference, "stripe_customer": request.customer}}
    return post("/customers", str(uuid.uuid5(KEYS, request.idempotency_key)), body)


def payment_call(request: SetupRequest, customer: str, settings: Settings) -> PreparedCall:
    """The first payment. A method, or several, are named only where the connection says which."""
    body: dict[str, object] = {
        "amount": {"currency": request.currency.upper(), "value": first_amount(request.currency, settings)},
        "customerId": customer,
        "description": request.reference,
        "sequenceType": "first",
        "redirectUrl": request.return_url,
        "webhookUrl": settings.webhook_url,
        "metadata": {REFERENCE: request.reference},
    }
    if settings.methods:
        body["method"] = settings.methods[0] if len(settings.methods) == 1 else list(settings.methods)
    locale = request.locale.replace("-", "_")
    if locale in LOCALES:
        body["locale"] = locale
    return post("/payments", request.idempotency_key, body)


def first_amount(currency: str, settings: Settings) -> str:
    """At least so much as is configured: a hundredth of a yen is a yen."""
    smallest = Decimal(1).scaleb(-MOLLIE.of(currency))
    return str(Decimal(settings.first_amount).quantize(smallest, rounding=ROUND_CEILING))


def session(payment: ApiPayment, reference: str) -> SetupSession:
    """Raises OutcomeUnknownError for an answer about something else, or without a page to go to."""
    if reference_of(payment.metadata) != reference or payment.sequence_type != "first":
        raise OutcomeUnknownError("Mollie answered with a payment that is not this set-up's")
    if payment.links.checkout is None:
        raise OutcomeUnknownError("Mollie's first payment has no page to go to")
    return SetupSession(
        processor_ref=payment.id, redirect_url=payment.links.checkout.href, expires_at=payment.expires_at
    )


def unpaid(payment: ApiPayment) -> SetupResult | None:
    """What a first payment that was not paid has come to; None once it was."""
    match payment.status:
        case "paid":
            return None
        case "failed":
            said = decline(payment.details)
            code = said.processor_code or "failed"
            return SetupFailed(code, said.processor_message or f"The first payment failed: {code}.")
        case "canceled" | "expired":
            return SetupFailed(payment.status, f"The first payment is {payment.status}.")
        case _:
            return SetupPending()


def paid(payment: ApiPayment, mandates: Sequence[ApiMandate]) -> SetupResult:
    """The mandate that the payment names, else the customer's first one; both stay the same at each look.

    One that is `pending` may come to nothing, and none may be there yet.
    """
    named = [one for one in mandates if one.id == payment.mandate_id]
    mandate = next(iter(named or mandates), None)
    if mandate is None or mandate.status == "pending":
        return SetupPending()
    if mandate.status != "valid":
        return SetupFailed(f"mandate_{mandate.status}", "The first payment gave no mandate that can be charged.")
    method = PaymentMethodReference(Secret(mandate.id), Secret(payment.customer_id or ""))
    return SetupReady(method, card(mandate))


def card(mandate: ApiMandate) -> Card:
    """What may be shown of it: of a bank account and a wallet neither number nor address."""
    details = mandate.details or MandateDetails()
    if mandate.method == "creditcard":
        brand = (details.card_label or "").lower()
        month, year = _expiry(details.card_expiry_date or "")
        last4 = (details.card_number or "")[-4:]
        label = f"{details.card_label or ''} •••• {last4}".strip(" •")
        named = BRANDS.get(brand, brand.replace(" ", "_"))
        return Card(named, last4, month, year, label, details.card_fingerprint or "")
    if mandate.method == "directdebit":
        last4 = (details.consumer_account or "")[-4:]
        return Card("sepa_debit", last4, label=f"IBAN •••• {last4}".strip(" •"))
    return Card(mandate.method, label="PayPal" if mandate.method == "paypal" else mandate.method)


def _expiry(text: str) -> tuple[int | None, int | None]:
    found = re.match(r"(\d{4})-(\d{2})-", text)
    return (int(found[2]), int(found[1])) if found else (None, None)
