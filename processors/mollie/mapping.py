"""Mollie's words and ours for charges: pure, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from processors.errors import OutcomeUnknownError, UnknownCurrencyError
from processors.mollie.config import Settings
from processors.mollie.declines import DECLINES
from processors.mollie.wire import ApiAmount, ApiPayment, Asked, PaymentDetails
from processors.money import Exponents, Money, check_positive, from_decimal_string, to_decimal_string
from processors.outcome import Canceled, ChargeOutcome, Decline, Declined, Pending, Succeeded
from processors.values import ChargeRequest, PreparedCall

VERSION: Final = "/v2"
"""It stands in each stored path, so that a newer adapter sends stored bytes to the version that they were made for."""

REFERENCE: Final = "tollbridge_reference"
"""Where ours stands in the metadata of a payment or refund: a name that nobody else's software gives."""

MOLLIE: Final = Exponents("Mollie")
"""ISO 4217's decimals, ISK without any (docs: multicurrency). Mollie takes no currency with three."""

CURRENCIES: Final = frozenset(
    {
        *("aed", "aud", "brl", "cad", "chf", "czk", "dkk", "eur", "gbp", "hkd", "huf", "ils", "isk", "jpy", "mxn"),
        *("myr", "nok", "nzd", "php", "pln", "ron", "sek", "sgd", "thb", "twd", "usd", "zar"),
    }
)
"""Those that a card or PayPal can be charged in (docs: multicurrency); a SEPA debit only in euro."""

DESCRIPTION: Final = 255
"""The most letters of a description; Mollie cuts off what a bank statement can't hold."""


def charge_call(request: ChargeRequest, settings: Settings) -> PreparedCall:
    """The bytes of a recurring payment; the order of `metadata` doesn't matter. Raises MoneyError.

    All that a merchant initiates is `recurring` to Mollie, which tells no rhythm from none. It goes by customer and
    mandate; without the customer Mollie refuses it.
    """
    check_positive(request.amount)
    customer = request.method.processor_customer
    body = {
        "amount": amount(request.amount),
        "description": request.description[:DESCRIPTION],
        "sequenceType": "recurring",
        "mandateId": request.method.token.reveal(),
        "webhookUrl": settings.webhook_url,
        "metadata": {**request.metadata, REFERENCE: request.reference},
    }
    if customer is not None:
        body["customerId"] = customer.reveal()
    return post("/payments", request.idempotency_key, body)


def post(path: str, key: str, body: Mapping[str, object]) -> PreparedCall:
    headers = (("content-type", "application/json"), ("idempotency-key", key))
    return PreparedCall("POST", VERSION + path, headers, msgspec.json.encode(body, order="deterministic"))


def amount(money: Money) -> dict[str, str]:
    """As Mollie writes it; raises MoneyError."""
    if money.currency not in CURRENCIES:
        raise UnknownCurrencyError(f"Mollie takes no payments in {money.currency!r}")
    return {"currency": money.currency.upper(), "value": to_decimal_string(money, MOLLIE)}


def money(told: ApiAmount) -> Money:
    """Raises MoneyError."""
    return from_decimal_string(told.value, told.currency, MOLLIE)


def asked(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored bytes ask for."""
    read = msgspec.json.decode(body, type=Asked)
    return read.metadata.tollbridge_reference, money(read.amount)


def reference_of(metadata: Any) -> str:
    """Ours in the metadata of a payment or refund; empty for one that others made, who write there what they like."""
    found = metadata.get(REFERENCE) if isinstance(metadata, dict) else None
    return found if isinstance(found, str) else ""


def outcome(payment: ApiPayment) -> ChargeOutcome:
    """What a payment has come to; raises MoneyError, and OutcomeUnknownError for a status that is new.

    One that was paid stays `paid` whatever is refunded or charged back later: these are told for themselves.
    """
    match payment.status:
        case "paid":
            captured = money(payment.amount)
            if captured.amount <= 0:
                raise OutcomeUnknownError("Mollie calls a payment of nothing paid")
            return Succeeded(payment.id, captured, ended_at(payment))
        case "open" | "pending" | "authorized":
            return Pending(payment.id, _due(payment.details))
        case "failed":
            return Declined(decline(payment.details, ended_at(payment)), payment.id)
        case "canceled" | "expired":
            return Canceled(payment.id)
        case _:
            raise OutcomeUnknownError("Mollie shows a payment with a status that is not known")


def ended_at(payment: ApiPayment) -> datetime:
    """When it came to what it is, or was made while it's under way."""
    ends = {
        "paid": payment.paid_at,
        "failed": payment.failed_at,
        "canceled": payment.canceled_at,
        "expired": payment.expired_at,
    }
    return ends.get(payment.status) or payment.created_at


def decline(details: PaymentDetails | None, at: datetime | None = None) -> Decline:
    """Why a card or a bank refused. `at` is when it was said."""
    told = details or PaymentDetails()
    code = told.failure_reason or told.bank_reason_code or ""
    message = (told.failure_message if told.failure_reason else told.bank_reason) or ""
    return DECLINES.decline(code, message, at=at)


def _due(details: PaymentDetails | None) -> datetime | None:
    """The day on which a debit is expected to be taken."""
    try:
        return datetime.fromisoformat((details and details.due_date) or "").replace(tzinfo=UTC)
    except ValueError:
        return None
