"""PayPal's JSON as it comes: only the fields that we read (orders v2, payments v2, vault v3, disputes v1)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from processors.values import Unprinted

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ApiMoney(msgspec.Struct, frozen=True):
    currency_code: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}$")]
    value: Annotated[str, msgspec.Meta(pattern=r"^-?([0-9]{1,18}([.][0-9]{1,9})?|[.][0-9]{1,9})$")]


class ApiLink(msgspec.Struct, frozen=True):
    href: str
    rel: str


class ApiIssue(msgspec.Struct, frozen=True):
    issue: str = ""


class ErrorBody(msgspec.Struct, frozen=True):
    """`error` is the OAuth endpoint's word, the others are all other endpoints'."""

    name: str = ""
    error: str = ""
    details: tuple[ApiIssue, ...] = ()


class ApiToken(Unprinted, frozen=True):
    access_token: str
    expires_in: int


class ApiEventType(msgspec.Struct, frozen=True):
    name: str = ""


class ApiWebhook(msgspec.Struct, frozen=True):
    """`event_types` are those that it sends; `*` is every one (description: webhooks v1, `webhook`)."""

    id: str
    url: str = ""
    event_types: tuple[ApiEventType, ...] = ()


# Set-ups and stored methods


class ApiCustomer(Unprinted, frozen=True):
    id: str = ""


class ApiAddress(Unprinted, frozen=True):
    """`admin_area_1` is the state or province, `admin_area_2` the city."""

    address_line_1: str | None = None
    address_line_2: str | None = None
    admin_area_1: str | None = None
    admin_area_2: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class ApiShipping(Unprinted, frozen=True):
    address: ApiAddress | None = None


class ApiWallet(Unprinted, frozen=True):
    email_address: str = ""
    payer_id: str = ""
    address: ApiAddress | None = None
    shipping: ApiShipping | None = None


class ApiCard(Unprinted, frozen=True):
    brand: str = ""
    last_digits: str = ""
    expiry: str = ""
    billing_address: ApiAddress | None = None


class ApiSource(Unprinted, frozen=True):
    paypal: ApiWallet | None = None
    card: ApiCard | None = None


class ApiSetupToken(Unprinted, frozen=True):
    id: str
    status: str
    customer: ApiCustomer = ApiCustomer()
    links: tuple[ApiLink, ...] = ()


class ApiPaymentToken(Unprinted, frozen=True):
    id: str
    customer: ApiCustomer = ApiCustomer()
    payment_source: ApiSource = ApiSource()


class ApiPaymentTokens(Unprinted, frozen=True):
    payment_tokens: tuple[ApiPaymentToken, ...] = ()


# Orders, captures, refunds


class ApiParty(msgspec.Struct, frozen=True):
    merchant_id: str = ""


class ApiReason(msgspec.Struct, frozen=True):
    reason: str = ""


class ApiProcessorResponse(msgspec.Struct, frozen=True):
    """Of a card inside the wallet: `payment_advice_code` is the card scheme's."""

    response_code: str = ""
    payment_advice_code: str = ""


class ApiRelatedIds(msgspec.Struct, frozen=True):
    order_id: str = ""
    capture_id: str = ""


class ApiSupplement(msgspec.Struct, frozen=True):
    related_ids: ApiRelatedIds = ApiRelatedIds()


class ApiCapture(msgspec.Struct, frozen=True):
    id: str
    status: str
    amount: ApiMoney
    invoice_id: str = ""
    create_time: Moment | None = None
    update_time: Moment | None = None
    status_details: ApiReason = ApiReason()
    processor_response: ApiProcessorResponse = ApiProcessorResponse()
    payee: ApiParty = ApiParty()
    supplementary_data: ApiSupplement = ApiSupplement()
    links: tuple[ApiLink, ...] = ()


class ApiRefund(msgspec.Struct, frozen=True):
    """`payer` is who pays the refund: the merchant."""

    id: str
    amount: ApiMoney
    status: str = ""
    invoice_id: str = ""
    custom_id: str = ""
    create_time: Moment | None = None
    update_time: Moment | None = None
    status_details: ApiReason = ApiReason()
    payer: ApiParty = ApiParty()
    supplementary_data: ApiSupplement = ApiSupplement()
    links: tuple[ApiLink, ...] = ()


class ApiPayments(msgspec.Struct, frozen=True):
    captures: tuple[ApiCapture, ...] = ()
    refunds: tuple[ApiRefund, ...] = ()


class ApiUnit(msgspec.Struct, frozen=True):
    amount: ApiMoney | None = None
    invoice_id: str = ""
    payee: ApiParty = ApiParty()
    payments: ApiPayments = ApiPayments()


class ApiOrder(msgspec.Struct, frozen=True):
    id: str
    status: str
    purchase_units: tuple[ApiUnit, ...] = ()
    links: tuple[ApiLink, ...] = ()


class AskedUnit(msgspec.Struct, frozen=True):
    amount: ApiMoney
    invoice_id: str


class AskedOrder(msgspec.Struct, frozen=True):
    """What stored charge bytes ask for."""

    purchase_units: tuple[AskedUnit, ...]


class AskedRefund(msgspec.Struct, frozen=True):
    """What stored refund bytes ask for."""

    amount: ApiMoney
    custom_id: str


# Disputes


class ApiDisputed(msgspec.Struct, frozen=True):
    seller_transaction_id: str = ""
    invoice_number: str = ""
    transaction_status: str = ""
    gross_amount: ApiMoney | None = None
    seller: ApiParty = ApiParty()


class ApiVerdict(msgspec.Struct, frozen=True):
    outcome_code: str = "NONE"
    amount_refunded: ApiMoney | None = None


class ApiMovement(msgspec.Struct, frozen=True):
    affected_party: str = ""
    type: str = ""
    reason: str = ""
    amount: ApiMoney | None = None
    initiated_time: Moment | None = None


class ApiDispute(msgspec.Struct, frozen=True):
    dispute_id: str
    status: str = ""
    reason: str = ""
    dispute_life_cycle_stage: str = ""
    create_time: Moment | None = None
    update_time: Moment | None = None
    seller_response_due_date: Moment | None = None
    dispute_amount: ApiMoney | None = None
    dispute_outcome: ApiVerdict | None = None
    disputed_transactions: tuple[ApiDisputed, ...] = ()
    money_movements: tuple[ApiMovement, ...] = ()


class ApiDisputeInfo(msgspec.Struct, frozen=True):
    dispute_id: str


class ApiDisputes(msgspec.Struct, frozen=True):
    """Without its list it says nothing, and not that there are none."""

    items: tuple[ApiDisputeInfo, ...]


# Webhooks


class ApiVaulted(Unprinted, frozen=True):
    id: str


class ApiEvent(Unprinted, frozen=True):
    id: Annotated[str, msgspec.Meta(min_length=1)]
    event_type: Annotated[str, msgspec.Meta(min_length=1)]
    create_time: Moment
    resource: msgspec.Raw


class ApiEvents(Unprinted, frozen=True):
    events: tuple[msgspec.Raw, ...]
    links: tuple[ApiLink, ...] = ()
