"""Adyen's JSON as it comes: only the fields that we read (descriptions: Checkout v72, Webhooks v1, Tokenization v1).

Which entries of `additionalData` come is set up by the merchant in the Customer Area, and none of them is signed: so
one of another kind than described is no reason to refuse the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

import msgspec

from processors.values import Unprinted


class ServiceError(msgspec.Struct, frozen=True, rename="camel"):
    """The body of a 4xx; the message is left out, as it may repeat what we sent."""

    error_code: str = ""


class ApiAmount(msgspec.Struct, frozen=True, rename="camel"):
    value: int
    currency: str


class Entry(StrEnum):
    """The entries of `additionalData` that are read."""

    SIGNATURE = "hmacSignature"
    RAW_REASON = "refusalReasonRaw"
    ADVICE = "merchantAdviceCode"
    ACTION = "modification.action"
    TOKEN = "tokenization.storedPaymentMethodId"  # noqa: S105 (a name)
    DISPUTE_CODE = "chargebackReasonCode"
    DISPUTE_STATUS = "disputeStatus"
    DEFENCE_ENDS = "defensePeriodEndsAt"


def entry(data: Mapping[str, object] | None, name: Entry) -> str:
    """An entry of `additionalData`, which are all texts; empty where it's absent."""
    value = None if data is None else data.get(name)
    return value if isinstance(value, str) else ""


class ApiOffer(msgspec.Struct, frozen=True, rename="camel"):
    """What the merchant account offers; none of it is read, but that it's such an answer."""

    payment_methods: tuple[msgspec.Raw, ...] = ()


# Webhooks as the Management API shows them (docs: api-explorer/Management/3)


class ApiWebhook(msgspec.Struct, frozen=True, rename="camel"):
    """`has_error`: Adyen asks for it to be looked after, and tried with its testing endpoint."""

    id: str = ""
    url: str = ""
    type: str = ""
    communication_format: str = ""
    active: bool = False
    has_error: bool = False


class ApiWebhooks(msgspec.Struct, frozen=True, rename="camel"):
    """A page; `data` is left out where there are none."""

    data: tuple[ApiWebhook, ...] = ()


class ApiTestOutput(msgspec.Struct, frozen=True, rename="camel"):
    """How one test notification was answered."""

    status: str = ""
    response_code: str = ""


class ApiTested(msgspec.Struct, frozen=True):
    data: tuple[ApiTestOutput, ...] = ()


# Set-ups and stored payment methods


class ApiSession(Unprinted, frozen=True, rename="camel"):
    """The answer to `POST /sessions`. `sessionData` is for the embedded front end, `url` for the hosted one."""

    id: str
    session_data: str = ""
    url: str = ""
    expires_at: str = ""
    merchant_account: str = ""
    reference: str = ""


class ApiSessionResult(Unprinted, frozen=True, rename="camel"):
    """The answer to `GET /sessions/{id}`: how it stood when the browser was given its `sessionResult`."""

    id: str
    status: str


class ApiAddress(Unprinted, frozen=True, rename="camel"):
    street: str | None = None
    house_number_or_name: str | None = None
    postal_code: str | None = None
    city: str | None = None
    state_or_province: str | None = None
    country: str | None = None


class ApiStoredMethod(Unprinted, frozen=True, rename="camel"):
    id: str
    brand: str = ""
    name: str = ""
    last_four: str = ""
    expiry_month: str = ""
    expiry_year: str = ""
    created_at: str = ""
    billing_address: ApiAddress | None = None


class ApiStoredMethods(Unprinted, frozen=True, rename="camel"):
    merchant_account: str = ""
    shopper_reference: str = ""
    stored_payment_methods: tuple[ApiStoredMethod, ...] = ()


# Payments and refunds


class ApiAction(Unprinted, frozen=True, rename="camel"):
    """What the payer would have to do."""

    url: str = ""


class ApiPayment(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to `POST /payments`: 200 also where the payment is refused."""

    result_code: str
    psp_reference: str = ""
    merchant_reference: str = ""
    amount: ApiAmount | None = None
    refusal_reason: str = ""
    refusal_reason_code: str = ""
    additional_data: Mapping[str, object] | None = None
    action: ApiAction | None = None


class ApiRefund(msgspec.Struct, frozen=True, rename="camel"):
    """The answer to a refund: that it was received, and nothing of how it ends."""

    psp_reference: str
    payment_psp_reference: str
    merchant_account: str
    amount: ApiAmount
    status: Literal["received"]
    reference: str = ""


class AskedPayment(msgspec.Struct, frozen=True, rename="camel"):
    """What stored charge bytes ask for."""

    reference: str
    amount: ApiAmount


class AskedRefund(msgspec.Struct, frozen=True, rename="camel"):
    """What stored refund bytes ask for."""

    merchant_account: str
    reference: str
    amount: ApiAmount


# Webhooks


class Item(Unprinted, frozen=True, rename="camel"):
    """One notification of a standard webhook. `success` is a word, not a boolean."""

    event_code: str
    event_date: str
    success: Literal["true", "false"]
    psp_reference: str = ""
    original_reference: str | None = None
    merchant_account_code: str = ""
    merchant_reference: str | None = None
    amount: ApiAmount | None = None
    reason: str | None = None
    additional_data: Mapping[str, object] | None = None


class ItemWrapper(Unprinted, frozen=True, rename="camel"):
    item: msgspec.Raw = msgspec.field(name="NotificationRequestItem")


class Envelope(Unprinted, frozen=True, rename="camel"):
    """A standard webhook. JSON deliveries hold one item today; the format allows more (docs: webhook-types)."""

    live: Literal["true", "false"]
    notification_items: list[ItemWrapper]


class SignedEvent(Unprinted, frozen=True, rename="camel"):
    """What every webhook shares that is signed as a whole."""

    type: str
    environment: str = ""


class TokenData(Unprinted, frozen=True, rename="camel"):
    stored_payment_method_id: str
    merchant_account: str


class TokenEvent(Unprinted, frozen=True, rename="camel"):
    """A webhook about the life of a token. `eventId` is the reference of what caused it."""

    type: str
    event_id: str
    created_at: str
    environment: Literal["test", "live"]
    data: TokenData
