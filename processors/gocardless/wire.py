"""GoCardless' JSON as it comes: only the fields that we read. Each resource comes in an envelope of its own name."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

import msgspec

from processors.values import Unprinted


class ApiErrorLinks(msgspec.Struct, frozen=True):
    conflicting_resource_id: str = ""


class ApiErrorItem(msgspec.Struct, frozen=True):
    reason: str = ""
    links: ApiErrorLinks = ApiErrorLinks()


class ApiError(msgspec.Struct, frozen=True):
    type: str = ""
    errors: list[ApiErrorItem] = []


class ErrorBody(msgspec.Struct, frozen=True):
    error: ApiError = ApiError()


class ApiLinks(Unprinted, frozen=True):
    """What a resource or an event is about. A mandate's id is the token that charges it."""

    creditor: str | None = None
    customer: str | None = None
    customer_bank_account: str | None = None
    mandate: str | None = None
    mandate_request_mandate: str | None = None
    new_mandate: str | None = None
    payment: str | None = None
    refund: str | None = None


class ApiCreditor(msgspec.Struct, frozen=True):
    id: str


class ApiPayment(Unprinted, frozen=True):
    id: str
    amount: int
    currency: str
    status: str
    created_at: datetime
    links: ApiLinks
    charge_date: date | None = None
    metadata: Mapping[str, str] = {}


class ApiRefund(Unprinted, frozen=True):
    """`links.payment` is missing where money went back to a mandate, by nobody's payment."""

    id: str
    amount: int
    currency: str
    status: str
    created_at: datetime
    links: ApiLinks
    metadata: Mapping[str, str] = {}


class ApiMandate(Unprinted, frozen=True):
    id: str
    status: str
    links: ApiLinks
    scheme: str = ""


class ApiCustomer(Unprinted, frozen=True):
    id: str
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class ApiBankAccount(Unprinted, frozen=True):
    """`bank_account_token` is the same for the same account at any payer, where the organisation is given it."""

    account_number_ending: str = ""
    bank_name: str = ""
    bank_account_token: str | None = None


class ApiConstraints(msgspec.Struct, frozen=True):
    """What a payer has agreed to, where the scheme has payers agree to an amount."""

    max_amount_per_payment: int | None = None


class ApiMandateRequest(msgspec.Struct, frozen=True):
    scheme: str | None = None
    currency: str = ""
    constraints: ApiConstraints | None = None


class ApiResources(Unprinted, frozen=True):
    customer_bank_account: ApiBankAccount | None = None


class ApiBillingRequest(Unprinted, frozen=True):
    id: str
    status: str
    links: ApiLinks = ApiLinks()
    mandate_request: ApiMandateRequest | None = None
    resources: ApiResources | None = None


class ApiFlow(Unprinted, frozen=True):
    authorisation_url: str
    expires_at: datetime | None = None


class ApiDetails(msgspec.Struct, frozen=True):
    """Why something happened: `cause` in GoCardless' words, `reason_code` in the scheme's."""

    cause: str = ""
    description: str = ""
    scheme: str | None = None
    reason_code: str | None = None
    will_attempt_retry: bool | None = None


class ApiEvent(Unprinted, frozen=True):
    id: str
    created_at: datetime
    resource_type: str
    action: str
    links: ApiLinks = ApiLinks()
    details: ApiDetails = ApiDetails()


class ApiCursors(msgspec.Struct, frozen=True):
    after: str | None = None


class ApiMeta(msgspec.Struct, frozen=True):
    cursors: ApiCursors = ApiCursors()


class OneCreditor(Unprinted, frozen=True, rename={"one": "creditors"}):
    one: ApiCreditor


class OnePayment(Unprinted, frozen=True, rename={"one": "payments"}):
    one: ApiPayment


class OneRefund(Unprinted, frozen=True, rename={"one": "refunds"}):
    one: ApiRefund


class OneMandate(Unprinted, frozen=True, rename={"one": "mandates"}):
    one: ApiMandate


class OneCustomer(Unprinted, frozen=True, rename={"one": "customers"}):
    one: ApiCustomer


class OneBankAccount(Unprinted, frozen=True, rename={"one": "customer_bank_accounts"}):
    one: ApiBankAccount


class OneBillingRequest(Unprinted, frozen=True, rename={"one": "billing_requests"}):
    one: ApiBillingRequest


class OneFlow(Unprinted, frozen=True, rename={"one": "billing_request_flows"}):
    one: ApiFlow


class Payments(Unprinted, frozen=True, rename={"page": "payments"}):
    page: list[ApiPayment]
    meta: ApiMeta = ApiMeta()


class Refunds(Unprinted, frozen=True, rename={"page": "refunds"}):
    page: list[ApiRefund]
    meta: ApiMeta = ApiMeta()


class Events(Unprinted, frozen=True, rename={"page": "events"}):
    page: list[ApiEvent]
    meta: ApiMeta = ApiMeta()


class ApiWebhook(msgspec.Struct, frozen=True):
    """A webhook that was sent, and how it was answered (fixtures/webhooks); its body and headers are not read."""

    url: str
    created_at: datetime
    successful: bool
    response_code: int | None = None


class Webhooks(msgspec.Struct, frozen=True):
    webhooks: list[ApiWebhook]


class Envelope(Unprinted, frozen=True):
    """A delivery: up to 250 events, each kept as the bytes it came in."""

    events: list[msgspec.Raw]


class AskedLinks(Unprinted, frozen=True):
    mandate: str = ""
    payment: str = ""


class Asked(Unprinted, frozen=True):
    """What the stored bytes of a charge or a refund ask for; a refund names no currency."""

    amount: int
    metadata: Mapping[str, str]
    links: AskedLinks
    currency: str = ""


class AskedPayment(Unprinted, frozen=True, rename={"one": "payments"}):
    one: Asked


class AskedRefund(Unprinted, frozen=True, rename={"one": "refunds"}):
    one: Asked
