"""The practice processor's words and ours: pure, both ways."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import iso4217
import msgspec

from processors.errors import DeliveryMalformedError, InexactMoneyError, OutcomeUnknownError, SignatureInvalidError
from processors.money import STRIPE, Exponents, Money, from_minor, to_minor
from processors.outcome import (
    ADVICE,
    Advice,
    Canceled,
    ChargeOutcome,
    Decline,
    DeclineClass,
    Declined,
    Pending,
    RequiresAction,
    Succeeded,
)
from processors.values import (
    Card,
    ChargeRequest,
    EventKind,
    MethodState,
    Notice,
    PaymentMethodReference,
    PreparedCall,
    ProcessorEvent,
    Secret,
    SetupFailed,
    SetupPending,
    SetupReady,
    SetupRequest,
    SetupResult,
    Unprinted,
)

PRACTICE: Final = Exponents("the practice processor")
"""Plain ISO 4217 decimals, which differ from Stripe's for ISK, UGX and MGA."""

CURRENCIES: Final = frozenset(one.code.lower() for one in iso4217.Currency if one.exponent is not None)

MINIMUM: Final = {currency: 10 ** STRIPE.of(currency) for currency in CURRENCIES}
"""The smallest charge is 1.00 in major units of any currency; here in Stripe's minor units."""

TOLERANCE_S: Final = 300
"""How far a signature's time may be from our machine's, either way."""

DECLINE_CLASSES: Final[Mapping[str, DeclineClass]] = {
    "insufficient_funds": DeclineClass.INSUFFICIENT_FUNDS,
    "do_not_honor": DeclineClass.DO_NOT_HONOR,
    "lost_stolen": DeclineClass.LOST_STOLEN,
    "expired_card": DeclineClass.EXPIRED,
    "method_revoked": DeclineClass.REVOKED,
    "authentication_failed": DeclineClass.AUTHENTICATION_REQUIRED,
}
"""A code that is not listed is a plain refusal: do_not_honor."""

NEVER_AGAIN: Final = frozenset({"03", "21"})
"""Mastercard's merchant advice codes for "do not try again", which outrank what the class says."""


class ApiError(msgspec.Struct, frozen=True):
    code: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    error: ApiError = ApiError()


class ApiCard(msgspec.Struct, frozen=True):
    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None


class ApiMethod(Unprinted, frozen=True):
    token: str
    status: str
    card: ApiCard = ApiCard()


class ApiRefusal(msgspec.Struct, frozen=True):
    code: str
    message: str = ""
    network_code: str = ""
    network_advice: str = ""


class ApiAccount(msgspec.Struct, frozen=True):
    id: str


class ApiSetup(Unprinted, frozen=True):
    id: str
    account: str
    status: Literal["open", "completed", "failed", "expired"]
    url: str = ""
    client_token: str = ""
    method: ApiMethod | None = None
    failure: ApiRefusal | None = None
    expires_at: int | None = None


class ApiCharge(msgspec.Struct, frozen=True):
    id: str
    account: str
    reference: str
    amount: int
    amount_captured: int
    currency: str
    status: Literal["succeeded", "failed", "pending", "requires_action", "canceled"]
    created_at: int
    decline: ApiRefusal | None = None
    action_url: str = ""
    closed_at: int | None = None
    expected_by: int | None = None


class ApiCharges(msgspec.Struct, frozen=True):
    data: list[ApiCharge]


class Envelope(msgspec.Struct, frozen=True):
    """A delivery: up to 250 events, each kept as the bytes it came in."""

    events: list[msgspec.Raw]


class ApiEvent(msgspec.Struct, frozen=True):
    id: str
    type: str
    account: str
    created: int
    data: msgspec.Raw


def setup_call(request: SetupRequest) -> PreparedCall:
    body = {
        "reference": request.reference,
        "currency": request.currency.upper(),
        "return_url": request.return_url,
        "locale": request.locale,
    }
    return post("/v1/setups", request.idempotency_key, body)


def charge_call(request: ChargeRequest) -> PreparedCall:
    """The bytes of a charge; the order of `metadata` doesn't matter. Raises MoneyError."""
    if request.amount.amount <= 0:
        raise InexactMoneyError(f"a charge takes more than nothing, not {request.amount.amount}")
    body = {
        "amount": to_minor(request.amount, PRACTICE),
        "currency": request.amount.currency.upper(),
        "method": request.method.token.reveal(),
        "reference": request.reference,
        "description": request.description,
        "metadata": dict(request.metadata),
    }
    return post("/v1/charges", request.idempotency_key, body)


def post(path: str, key: str, body: Mapping[str, object]) -> PreparedCall:
    headers = (("content-type", "application/json"), ("idempotency-key", key))
    return PreparedCall("POST", path, headers, msgspec.json.encode(body, order="deterministic"))


def error_code(body: bytes) -> str:
    """The code in an error answer; empty for one that another machine on the way wrote."""
    try:
        return msgspec.json.decode(body, type=ErrorBody).error.code
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def outcome(charge: ApiCharge) -> ChargeOutcome:
    """What a charge has come to; raises MoneyError, or OutcomeUnknownError for a success without its money."""
    match charge.status:
        case "succeeded":
            captured = from_minor(charge.amount_captured, charge.currency, PRACTICE)
            if captured.amount <= 0:
                raise OutcomeUnknownError("the processor calls a charge succeeded that captured nothing")
            return Succeeded(charge.id, captured, moment(charge.closed_at or charge.created_at))
        case "failed":
            return Declined(decline(charge.decline or ApiRefusal("")), charge.id)
        case "pending":
            return Pending(charge.id, None if charge.expected_by is None else moment(charge.expected_by))
        case "requires_action":
            return RequiresAction(charge.id, charge.action_url)
        case "canceled":
            return Canceled(charge.id)


def decline(refusal: ApiRefusal) -> Decline:
    kind = DECLINE_CLASSES.get(refusal.code, DeclineClass.DO_NOT_HONOR)
    return Decline(
        decline_class=kind,
        advice=Advice.NEVER if refusal.network_advice in NEVER_AGAIN else ADVICE[kind],
        processor_code=refusal.code,
        processor_message=refusal.message,
        network_code=refusal.network_code,
        network_advice=refusal.network_advice,
    )


def setup_result(setup: ApiSetup) -> SetupResult:
    match setup.status:
        case "completed" if setup.method:
            return SetupReady(PaymentMethodReference(Secret(setup.method.token)), card(setup.method.card))
        case "failed" | "expired":
            failure = setup.failure or ApiRefusal(setup.status, f"The set-up is {setup.status}.")
            return SetupFailed(failure.code, failure.message)
        case _:
            return SetupPending()


def card(shown: ApiCard) -> Card:
    label = f"{shown.brand} •••• {shown.last4}".strip(" •")
    return Card(shown.brand, shown.last4, shown.exp_month, shown.exp_year, label)


METHOD_STATES: Final[Mapping[str, MethodState]] = {
    "active": MethodState.ACTIVE,
    "pending": MethodState.PENDING,
    "revoked": MethodState.REVOKED,
    "expired": MethodState.EXPIRED,
}


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256, hex, over `timestamp.body`."""
    return hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()


def check_signature(header: str, secret: str, body: bytes, at: float) -> None:
    """Raises SignatureInvalidError unless `t=..,v1=..` signs these bytes within the tolerance around `at`.

    Several `v1` may stand there, as during a change of the secret; one that holds is enough.
    """
    if not secret:
        raise SignatureInvalidError("no webhook secret is configured")
    fields = [part.strip().partition("=")[::2] for part in header.split(",")]
    stamps = [value for name, value in fields if name == "t"]
    if len(stamps) != 1 or not re.fullmatch(r"[0-9]{1,12}", stamps[0]):
        raise SignatureInvalidError("practice-signature is missing or has no time")
    expected = signature(secret, int(stamps[0]), body).encode()
    given = [value.encode() for name, value in fields if name == "v1"]
    if not any(hmac.compare_digest(expected, one) for one in given):
        raise SignatureInvalidError("practice-signature does not sign this body with our secret")
    if abs(at - int(stamps[0])) > TOLERANCE_S:
        raise SignatureInvalidError(f"the signature's time is more than {TOLERANCE_S} s from ours")


def notices(body: bytes) -> tuple[Notice, ...]:
    """The events of a delivery; raises DeliveryMalformedError."""
    try:
        events = msgspec.json.decode(body, type=Envelope).events
        read = [(msgspec.json.decode(one, type=ApiEvent), one) for one in events]
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DeliveryMalformedError("the body is not a batch of events") from None
    return tuple(Notice(event.id, event.type, bytes(raw)) for event, raw in read)


CHARGE_KINDS: Final[Mapping[str, EventKind]] = {
    "charge.succeeded": EventKind.CHARGE_SUCCEEDED,
    "charge.failed": EventKind.CHARGE_FAILED,
    "charge.canceled": EventKind.CHARGE_FAILED,
    "charge.pending": EventKind.CHARGE_PENDING,
    "charge.requires_action": EventKind.CHARGE_PENDING,
}


def event(notice: Notice) -> ProcessorEvent:
    """What one event says; raises DeliveryMalformedError, or MoneyError for an amount that can't be read."""
    try:
        told = msgspec.json.decode(notice.body, type=ApiEvent)
        if kind := CHARGE_KINDS.get(told.type):
            return _charge_event(kind, told, msgspec.json.decode(told.data, type=ApiCharge))
        if told.type == "method.revoked":
            token = Secret(msgspec.json.decode(told.data, type=ApiMethod).token)
            return ProcessorEvent(
                EventKind.METHOD_REVOKED, moment(told.created), token=token, account_ref=told.account, detail=told.type
            )
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise DeliveryMalformedError(f"the {notice.kind} event {notice.key} can't be read") from None
    return ProcessorEvent(EventKind.IGNORED, moment(told.created), account_ref=told.account, detail=told.type)


def _charge_event(kind: EventKind, told: ApiEvent, charge: ApiCharge) -> ProcessorEvent:
    return ProcessorEvent(
        kind,
        moment(told.created),
        reference=charge.reference,
        processor_id=charge.id,
        outcome=outcome(charge),
        account_ref=told.account,
        detail=told.type,
    )


def charged(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored charge bytes ask for."""
    asked = msgspec.json.decode(body, type=Asked)
    return asked.reference, from_minor(asked.amount, asked.currency, PRACTICE)


class Asked(msgspec.Struct, frozen=True):
    reference: str
    amount: int
    currency: str


def moment(unix_s: int) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)
