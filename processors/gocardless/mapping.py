"""GoCardless' words for a payment and ours: pure, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, Final

import msgspec

from processors.errors import OutcomeUnknownError, UnknownCurrencyError
from processors.gocardless.declines import DECLINES, decline
from processors.gocardless.history import last
from processors.gocardless.wire import ApiDetails, ApiEvent, ApiPayment, AskedPayment, ErrorBody
from processors.money import Exponents, Money, check_positive, from_minor, to_minor
from processors.outcome import Canceled, ChargeOutcome, Declined, Pending, Succeeded
from processors.reading import readable
from processors.values import ChargeRequest, PreparedCall

UNITS: Final = Exponents("GoCardless")
"""The minor units of ISO 4217; each of its currencies has two decimals."""

SCHEMES: Final[Mapping[str, str]] = {
    "aud": "becs",
    "cad": "pad",
    "dkk": "betalingsservice",
    "eur": "sepa_core",
    "gbp": "bacs",
    "nzd": "becs_nz",
    "sek": "autogiro",
    "usd": "ach",
}
"""The bank debit of each currency that GoCardless collects (docs: core-endpoints/mandates)."""

CURRENCIES: Final = frozenset(SCHEMES)

REFERENCE_KEY: Final = "tollbridge_reference"
"""Under this our reference stands in the metadata of payments and refunds. What has none of it was made by others."""
MAX_METADATA: Final = 3
MAX_KEY, MAX_VALUE = 50, 500
"""docs: api-usage/metadata"""

CONFLICT: Final = "idempotent_creation_conflict:"
"""How the code of a 409 begins that names what the key has made already; the id follows."""

ENDED: Final = frozenset({"confirmed", "paid_out", "failed", "cancelled", "charged_back"})
"""States of which the payment's events tell when or why; the payment itself does not."""


def charge_call(request: ChargeRequest) -> PreparedCall:
    """The bytes of a payment; the order of `metadata` doesn't matter. Raises MoneyError.

    No `charge_date`: the next day that the scheme has. `retry_if_possible` stays off, since GoCardless' own retries
    would charge behind the gateway's back. Bank debits know no kinds of use, so `usage` is told nobody. The payment's
    own `reference` would stand on the payer's statement, in the letters of each scheme, so it's left to GoCardless.
    """
    body = {
        "amount": minor(request.amount),
        "currency": request.amount.currency.upper(),
        "description": request.description,
        "links": {"mandate": request.method.token.reveal()},
        "metadata": metadata(request.reference, request.metadata),
        "retry_if_possible": False,
    }
    said = {name: value for name, value in body.items() if value != ""}
    return post("/payments", {"payments": said}, request.idempotency_key)


def minor(amount: Money) -> int:
    """The amount as it's sent; raises MoneyError for nothing or less, and for a currency without a bank debit here."""
    check_positive(amount)
    if amount.currency not in CURRENCIES:
        raise UnknownCurrencyError(f"GoCardless collects no {amount.currency}")
    return to_minor(amount, UNITS)


def metadata(reference: str, more: Mapping[str, str]) -> dict[str, str]:
    """Ours, and as much of the rest as there is room for: never more than GoCardless takes, or it would refuse all."""
    fits = [(name, more[name][:MAX_VALUE]) for name in sorted(more) if len(name) <= MAX_KEY and name != REFERENCE_KEY]
    return {REFERENCE_KEY: reference, **dict(fits[: MAX_METADATA - 1])}


def post(path: str, body: Mapping[str, Any], key: str = "") -> PreparedCall:
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    if key:
        headers = (*headers, ("idempotency-key", key))
    return PreparedCall("POST", path, headers, msgspec.json.encode(body, order="deterministic"))


def error_code(body: bytes) -> str:
    """The reason in an error answer, else its type; empty for one that another machine on the way wrote."""
    error = (readable(body, ErrorBody) or ErrorBody()).error
    item = next((one for one in error.errors if one.reason), None)
    if item is None:
        return error.type
    made = item.links.conflicting_resource_id
    return f"{CONFLICT}{made}" if item.reason == CONFLICT[:-1] and made else item.reason


def outcome(payment: ApiPayment, history: Sequence[ApiEvent] = ()) -> ChargeOutcome:
    """What a payment has come to; raises MoneyError, or OutcomeUnknownError for a state that nobody knows.

    One that was charged back has taken nothing in the end; that it had succeeded before is for the ledger to know, and
    for the events to tell.
    """
    match payment.status:
        case "pending_customer_approval" | "pending_submission" | "submitted":
            return pending(payment)
        case "confirmed" | "paid_out":
            return succeeded(payment, last(history, "confirmed") or last(history, "paid_out"))
        case "failed":
            event = last(history, "failed")
            return pending(payment) if event and event.details.will_attempt_retry else declined(payment, event)
        case "charged_back":
            return declined(payment, last(history, "charged_back"))
        case "cancelled":
            return cancelled(payment, last(history, "cancelled"))
        case "customer_approval_denied":
            return Declined(decline("customer_approval_denied"), payment.id)
        case _:
            raise OutcomeUnknownError("the payment is in a state that is not known here")


def pending(payment: ApiPayment) -> Pending:
    """The day on which it's charged is the earliest on which it can end."""
    return Pending(payment.id, None if payment.charge_date is None else midnight(payment.charge_date))


def succeeded(payment: ApiPayment, event: ApiEvent | None = None) -> Succeeded:
    """Confirmed: taken from the payer, and still reversible. Without its event, on the day on which it was charged."""
    charged = payment.created_at if payment.charge_date is None else midnight(payment.charge_date)
    return Succeeded(payment.id, money(payment), event.created_at if event else charged)


def declined(payment: ApiPayment, event: ApiEvent | None) -> Declined:
    details = event.details if event else ApiDetails()
    return Declined(decline(details.cause, details), payment.id)


def cancelled(payment: ApiPayment, event: ApiEvent | None) -> Declined | Canceled:
    """Withdrawn at our wish, or because the payer's side ended the mandate under it."""
    if event is not None and event.details.cause in DECLINES.classes:
        return declined(payment, event)
    return Canceled(payment.id)


def money(payment: ApiPayment) -> Money:
    """Raises MoneyError."""
    return from_minor(payment.amount, payment.currency, UNITS)


def charged(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored charge bytes ask for."""
    asked = msgspec.json.decode(body, type=AskedPayment).one
    return asked.metadata[REFERENCE_KEY], from_minor(asked.amount, asked.currency, UNITS)


def charged_mandate(body: bytes) -> str:
    """The mandate that stored charge bytes are for."""
    return msgspec.json.decode(body, type=AskedPayment).one.links.mandate


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
