"""Mollie's JSON as it comes: only the fields that we read. Sources: docs.mollie.com/reference, by object."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from processors.values import Unprinted

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ErrorBody(msgspec.Struct, frozen=True):
    title: str = ""
    detail: str = ""
    field: str | None = None


class ApiAmount(msgspec.Struct, frozen=True):
    currency: str
    value: str


class ApiLink(Unprinted, frozen=True):
    href: str


class PaymentLinks(Unprinted, frozen=True):
    checkout: ApiLink | None = None


class PageLinks(Unprinted, frozen=True):
    next: ApiLink | None = None


class ApiProfile(msgspec.Struct, frozen=True):
    id: str


class ApiCustomer(Unprinted, frozen=True):
    id: str


class MandateDetails(Unprinted, frozen=True, rename="camel"):
    """Of a card, or of a bank account; `consumer_account` is an IBAN, and at PayPal an address."""

    card_number: str | None = None
    card_label: str | None = None
    card_fingerprint: str | None = None
    card_expiry_date: str | None = None
    consumer_account: str | None = None


class ApiMandate(Unprinted, frozen=True, rename="camel"):
    id: str
    mode: str
    status: str
    method: str
    created_at: Moment
    details: MandateDetails | None = None


class ApiRefund(msgspec.Struct, frozen=True, rename="camel"):
    """`metadata` is whatever its maker wrote there."""

    id: str
    payment_id: str
    amount: ApiAmount
    status: str
    created_at: Moment
    metadata: Any = None


class ApiReason(msgspec.Struct, frozen=True):
    code: str = ""
    description: str = ""


class ApiChargeback(msgspec.Struct, frozen=True, rename="camel"):
    """`reason` is given for direct debits alone: the bank's code."""

    id: str
    payment_id: str
    amount: ApiAmount
    created_at: Moment
    reversed_at: Moment | None = None
    reason: ApiReason | None = None


class PaymentDetails(Unprinted, frozen=True, rename="camel"):
    failure_reason: str | None = None
    failure_message: str | None = None
    bank_reason_code: str | None = None
    bank_reason: str | None = None
    due_date: str | None = None


class PaymentParts(msgspec.Struct, frozen=True):
    refunds: list[ApiRefund] = []
    chargebacks: list[ApiChargeback] = []


class ApiPayment(Unprinted, frozen=True, rename="camel"):
    """`embedded` stands only where it was asked for. A status of tomorrow must not make a whole list unreadable."""

    id: str
    mode: str
    status: str
    amount: ApiAmount
    created_at: Moment
    profile_id: str = ""
    sequence_type: str = "oneoff"
    method: str | None = None
    metadata: Any = None
    customer_id: str | None = None
    mandate_id: str | None = None
    is_cancelable: bool | None = None
    paid_at: Moment | None = None
    failed_at: Moment | None = None
    canceled_at: Moment | None = None
    expired_at: Moment | None = None
    expires_at: Moment | None = None
    details: PaymentDetails | None = None
    links: PaymentLinks = msgspec.field(name="_links", default=PaymentLinks())
    embedded: PaymentParts = msgspec.field(name="_embedded", default=PaymentParts())


class PaymentsOf(Unprinted, frozen=True):
    payments: list[ApiPayment]


class ApiPayments(Unprinted, frozen=True):
    embedded: PaymentsOf = msgspec.field(name="_embedded")
    links: PageLinks = msgspec.field(name="_links", default=PageLinks())


class MandatesOf(Unprinted, frozen=True):
    mandates: list[ApiMandate]


class ApiMandates(Unprinted, frozen=True):
    embedded: MandatesOf = msgspec.field(name="_embedded")
    links: PageLinks = msgspec.field(name="_links", default=PageLinks())


class RefundsOf(msgspec.Struct, frozen=True):
    refunds: list[ApiRefund]


class ApiRefunds(Unprinted, frozen=True):
    embedded: RefundsOf = msgspec.field(name="_embedded")
    links: PageLinks = msgspec.field(name="_links", default=PageLinks())


class ChargebacksOf(msgspec.Struct, frozen=True):
    chargebacks: list[ApiChargeback]


class ApiChargebacks(Unprinted, frozen=True):
    embedded: ChargebacksOf = msgspec.field(name="_embedded")
    links: PageLinks = msgspec.field(name="_links", default=PageLinks())


class ApiEvent(msgspec.Struct, frozen=True, rename="camel"):
    """A signed notification: what it says beside the id of its object is fetched anyway."""

    id: str
    type: str
    entity_id: str


class AskedMetadata(msgspec.Struct, frozen=True):
    tollbridge_reference: str


class Asked(msgspec.Struct, frozen=True):
    """What stored bytes of a charge or a refund ask for."""

    amount: ApiAmount
    metadata: AskedMetadata
