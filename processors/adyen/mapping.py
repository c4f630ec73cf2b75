"""Payments in Adyen's words and ours: pure, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import iso4217
import msgspec

from processors.adyen.api import VERSION
from processors.adyen.config import Settings
from processors.adyen.declines import DECLINES, ERROR, INVALID_AMOUNT, decline
from processors.adyen.wire import ApiAmount, ApiPayment, AskedPayment, Entry, entry
from processors.errors import OutcomeUnknownError
from processors.money import Exponents, Money, check_positive, from_minor, to_minor
from processors.outcome import (
    Canceled,
    ChargeOutcome,
    Declined,
    Pending,
    Rejected,
    RequiresAction,
    Succeeded,
)
from processors.values import ChargeRequest, PreparedCall, Usage

ADYEN: Final = Exponents("Adyen", differs={"clp": 2, "cve": 0, "idr": 0, "isk": 2})
"""docs: development-resources/currency-codes, which marks where its table differs from ISO 4217."""

CURRENCIES: Final = frozenset(one.code.lower() for one in iso4217.Currency if one.exponent is not None)
"""What an account really takes depends on its contract: Adyen refuses the rest, and has taken nothing then."""

RETURN_URL: Final = "https://tollbridge.invalid/unused"
"""Required of every payment, and used by none that the payer is not there for (Checkout v72, PaymentRequest)."""

MODELS: Final[Mapping[Usage, str]] = {
    Usage.RECURRING: "Subscription",
    Usage.UNSCHEDULED: "UnscheduledCardOnFile",
}

METADATA_PAIRS: Final = 20
METADATA_KEY: Final = 20
METADATA_VALUE: Final = 80
"""Beyond these Adyen refuses the whole payment (Checkout v72, PaymentRequest.metadata: error 177)."""

UNDER_WAY: Final = frozenset({"Received", "Pending", "PresentToShopper"})
WANTS_PAYER: Final = frozenset({"RedirectShopper", "IdentifyShopper", "ChallengeShopper"})


def post(path: str, key: str, body: Mapping[str, object]) -> PreparedCall:
    """`path` without its version; the same body gives the same bytes, whatever the order of its fields."""
    headers = (("content-type", "application/json"), ("idempotency-key", key))
    return PreparedCall("POST", VERSION + path, headers, msgspec.json.encode(body, order="deterministic"))


def check_call(settings: Settings) -> PreparedCall:
    """Asks which payment methods the merchant account offers; it makes nothing."""
    body = msgspec.json.encode({"merchantAccount": settings.account})
    return PreparedCall("POST", f"{VERSION}/paymentMethods", (("content-type", "application/json"),), body)


def charge_call(request: ChargeRequest, settings: Settings) -> PreparedCall:
    """The bytes of a charge that the payer is not there for. Raises MoneyError.

    Adyen has no field for a description that the payer would not read on a statement, so it's left out.
    """
    check_positive(request.amount)
    body: dict[str, object] = {
        "merchantAccount": settings.account,
        "amount": amount(request.amount),
        "reference": request.reference,
        "paymentMethod": {
            "type": settings.payment_method_type,
            "storedPaymentMethodId": request.method.token.reveal(),
        },
        "shopperInteraction": "ContAuth",
        "recurringProcessingModel": MODELS[request.usage],
        "returnUrl": RETURN_URL,
        "metadata": metadata(request.metadata),
    }
    if request.method.processor_customer:
        body["shopperReference"] = request.method.processor_customer.reveal()
    return post("/payments", request.idempotency_key, body)


def metadata(given: Mapping[str, str]) -> dict[str, str]:
    """What of our metadata Adyen takes. A pair that is too long is left out: half an id would mislead."""
    fitting = [
        (key, value)
        for key, value in sorted(given.items())
        if len(key) <= METADATA_KEY and len(value) <= METADATA_VALUE
    ]
    return dict(fitting[:METADATA_PAIRS])


def amount(money: Money) -> dict[str, object]:
    """Raises MoneyError."""
    return {"value": to_minor(money, ADYEN), "currency": money.currency.upper()}


def money_of(told: ApiAmount) -> Money:
    """Raises MoneyError."""
    return from_minor(told.value, told.currency, ADYEN)


def moment(text: str) -> datetime | None:
    """A time of Adyen's, ISO 8601 with an offset; None where it's anything else."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else None


def asked(body: bytes) -> tuple[str, Money]:
    """The reference and the amount that stored charge bytes ask for."""
    payment = msgspec.json.decode(body, type=AskedPayment)
    return payment.reference, money_of(payment.amount)


def outcome(payment: ApiPayment, reference: str, wanted: Money, at: datetime) -> ChargeOutcome:
    """What an answer says of the charge of `wanted`; it names no time, so it counts as said at `at`.

    `Authorised` is money for us: the merchant account must capture by itself, as Adyen does unless told otherwise.
    Raises OutcomeUnknownError for an answer that is about something else or can't be understood, and MoneyError.
    """
    if payment.merchant_reference not in ("", reference):
        raise OutcomeUnknownError("Adyen answered with a payment that is not the one asked for")
    taken = wanted if payment.amount is None else money_of(payment.amount)
    match payment.result_code:
        case "PartiallyAuthorised" if payment.amount is not None and payment.psp_reference:
            # Money is held all the same, so it is told as what it is; the merchant has asked Adyen for this.
            return Succeeded(payment.psp_reference, taken, at)
        case _ if taken != wanted:
            raise OutcomeUnknownError("Adyen answered with a payment of another amount")
        case "Authorised" if payment.psp_reference:
            return Succeeded(payment.psp_reference, taken, at)
        case code if code in UNDER_WAY and payment.psp_reference:
            return Pending(payment.psp_reference)
        case code if code in WANTS_PAYER:
            return RequiresAction(payment.psp_reference, payment.action.url if payment.action else "")
        case "Cancelled":
            return Canceled(payment.psp_reference)
        case "Refused" | "Error":
            return refused(payment, at)
        case _:
            raise OutcomeUnknownError("Adyen answered with a result that can't be understood")


def refused(payment: ApiPayment, at: datetime) -> Declined | Rejected:
    """A payment that has ended without money. An error that names no known reason is the processor's."""
    code = payment.refusal_reason_code
    if code == INVALID_AMOUNT:
        return Rejected(f"refused_{code}", "Adyen refused the amount")
    if payment.result_code == "Error" and code not in DECLINES.classes:
        code = ERROR
    data = payment.additional_data
    raw, advice = entry(data, Entry.RAW_REASON), entry(data, Entry.ADVICE)
    said = decline(code, payment.refusal_reason, raw, advice, at)
    return Declined(said, payment.psp_reference)
