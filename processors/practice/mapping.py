"""The practice processor's words and ours: pure, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import iso4217
import msgspec

from processors.address import PayerAddress, address_of
from processors.breakdown import said_to
from processors.capabilities import KeyPlace
from processors.declines import DeclineTable
from processors.errors import OutcomeUnknownError
from processors.money import STRIPE, Exponents, Money, check_positive, from_minor, to_minor
from processors.outcome import (
    Canceled,
    ChargeOutcome,
    Decline,
    DeclineClass,
    Declined,
    Pending,
    RequiresAction,
    Succeeded,
)
from processors.practice.wire import ApiCard, ApiCharge, ApiMethod, ApiRefusal, ApiSetup, AskedCharge, ErrorBody
from processors.reading import readable
from processors.values import (
    Card,
    ChargeRequest,
    MethodState,
    PaymentMethodReference,
    PreparedCall,
    Secret,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
    SetupResult,
)

PRACTICE: Final = Exponents("the practice processor")
"""Plain ISO 4217 decimals, which differ from Stripe's for ISK, UGX and MGA."""

CURRENCIES: Final = frozenset(one.code.lower() for one in iso4217.Currency if one.exponent is not None)

DESCRIPTION: Final = 500
"""The most letters that the description of a line may have."""

MINIMUM: Final = {currency: 10 ** STRIPE.of(currency) for currency in CURRENCIES}
"""The smallest charge is 1.00 in major units of any currency; here in Stripe's minor units."""

DECLINES: Final = DeclineTable(
    {
        "insufficient_funds": DeclineClass.INSUFFICIENT_FUNDS,
        "do_not_honor": DeclineClass.DO_NOT_HONOR,
        "limit_exceeded": DeclineClass.LIMIT_EXCEEDED,
        "issuer_unavailable": DeclineClass.ISSUER_UNAVAILABLE,
        "capture_failed": DeclineClass.PROCESSOR_ERROR,
        "invalid_method": DeclineClass.INVALID_PAYMENT_METHOD,
        "not_permitted": DeclineClass.NOT_PERMITTED,
        "account_closed": DeclineClass.ACCOUNT_CLOSED,
        "account_locked": DeclineClass.ACCOUNT_CLOSED,
        "fraud": DeclineClass.FRAUD,
        "lost_stolen": DeclineClass.LOST_STOLEN,
        "expired_card": DeclineClass.EXPIRED,
        "method_revoked": DeclineClass.REVOKED,
        "authentication_failed": DeclineClass.AUTHENTICATION_REQUIRED,
    }
)
"""By the practice processor's own code."""


def setup_call(request: SetupRequest, place: KeyPlace) -> PreparedCall:
    body = {
        "reference": request.reference,
        "currency": request.currency.upper(),
        "return_url": request.return_url,
        "locale": request.locale,
    }
    return post("/v1/setups", request.idempotency_key, body, place)


def charge_call(request: ChargeRequest, place: KeyPlace, units: Exponents) -> PreparedCall:
    """The bytes of a charge; the order of `metadata` doesn't matter. Raises MoneyError."""
    check_positive(request.amount)
    body = {
        "amount": to_minor(request.amount, units),
        "currency": request.amount.currency.upper(),
        "method": request.method.token.reveal(),
        "reference": request.reference,
        "description": request.description,
        "metadata": dict(request.metadata),
        **_lines(request, units),
    }
    return post("/v1/charges", request.idempotency_key, body, place)


def _lines(request: ChargeRequest, units: Exponents) -> dict[str, object]:
    if request.breakdown is None or (said := said_to(units, request.breakdown, request.amount)) is None:
        return {}
    lines = [{"description": line.description[:DESCRIPTION], "amount": line.amount} for line in said.lines]
    return {"lines": lines, "tax": said.tax}


def post(path: str, key: str, body: Mapping[str, object], place: KeyPlace) -> PreparedCall:
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    if place is KeyPlace.HEADER:
        headers = (*headers, ("idempotency-key", key))
    else:
        body = {**body, "idempotency_key": key}
    return PreparedCall("POST", path, headers, msgspec.json.encode(body, order="deterministic"))


CONFLICT: Final = "idempotency_conflict:"
"""How the code of a 409 begins that names what the key has made already; the id follows."""


def error_code(body: bytes) -> str:
    """The code in an error answer; empty for one that another machine on the way wrote."""
    error = (readable(body, ErrorBody) or ErrorBody()).error
    return f"{CONFLICT}{error.conflicting_id}" if error.conflicting_id else error.code


def outcome(charge: ApiCharge, units: Exponents) -> ChargeOutcome:
    """What a charge has come to; raises MoneyError, or OutcomeUnknownError for a success without its money.

    One that was authorized, or that the processor will try again, is under way. One that was reversed has taken
    nothing in the end; that it had succeeded before is for the ledger to know, and for the events to tell.
    """
    match charge.status:
        case "succeeded":
            captured = from_minor(charge.amount_captured, charge.currency, units)
            if captured.amount <= 0:
                raise OutcomeUnknownError("the processor calls a charge succeeded that captured nothing")
            return Succeeded(charge.id, captured, _ended(charge))
        case "failed" if not charge.will_retry:
            return Declined(decline(charge.decline or ApiRefusal(""), _ended(charge)), charge.id)
        case "reversed":
            return Declined(decline(charge.reversal_reason or ApiRefusal(""), _ended(charge)), charge.id)
        case "pending" | "authorized" | "failed":
            return Pending(charge.id, None if charge.expected_by is None else moment(charge.expected_by))
        case "requires_action":
            return RequiresAction(charge.id, charge.action_url)
        case "canceled":
            return Canceled(charge.id)


def _ended(charge: ApiCharge) -> datetime:
    return moment(charge.closed_at or charge.created_at)


def decline(refusal: ApiRefusal, at: datetime | None = None) -> Decline:
    """`at` is when it was said."""
    return DECLINES.decline(
        refusal.code,
        refusal.message,
        network_code=refusal.network_code,
        network_advice=refusal.network_advice,
        at=at,
    )


def setup_result(setup: ApiSetup) -> SetupResult:
    match setup.status:
        case "completed" if setup.method:
            return SetupReady(method(setup.method), card(setup.method.card))
        case "failed" | "expired":
            failure = setup.failure or ApiRefusal(setup.status, f"The set-up is {setup.status}.")
            return SetupFailed(failure.code, failure.message)
        case _:
            return SetupPending()


def method(shown: ApiMethod) -> PaymentMethodReference:
    return PaymentMethodReference(Secret(shown.token), Secret(shown.customer) if shown.customer else None)


def card(shown: ApiCard) -> Card:
    label = f"{shown.brand} •••• {shown.last4}".strip(" •")
    return Card(shown.brand, shown.last4, shown.exp_month, shown.exp_year, label, shown.fingerprint)


def payer_address(method: ApiMethod) -> PayerAddress | None:
    told = method.address
    if told is None:
        return None
    return address_of(told.country, told.postal_code, told.state, told.city, told.line1, told.line2)


METHOD_STATES: Final[Mapping[str, MethodState]] = {
    "active": MethodState.ACTIVE,
    "pending": MethodState.PENDING,
    "revoked": MethodState.REVOKED,
    "replaced": MethodState.REVOKED,
    "suspended": MethodState.PENDING,
    "expired": MethodState.EXPIRED,
}
"""A suspended method can't be charged now, but may be again; a replaced token never."""


def charged(body: bytes, units: Exponents) -> tuple[str, Money]:
    """The reference and the amount that stored charge bytes ask for."""
    asked = msgspec.json.decode(body, type=AskedCharge)
    return asked.reference, from_minor(asked.amount, asked.currency, units)


def moment(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
