"""Braintree's JSON as it comes: only the fields that we read. Times are ISO 8601 in UTC (docs: graphql Timestamp)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Generic, TypeVar

import msgspec

from processors.values import Unprinted

T = TypeVar("T")

Timestamp = Annotated[datetime, msgspec.Meta(tz=True)]
Decimals = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,3})?$")]


class Camel(msgspec.Struct, frozen=True, rename="camel"):
    """Base of what is read: names there are in camel case."""


class ApiExtensions(Camel, frozen=True):
    error_class: str = ""
    legacy_code: str | None = None
    input_path: tuple[str | int, ...] | None = None


class ApiError(Camel, frozen=True):
    """Its message is for people, and may repeat what was sent: it's not read."""

    extensions: ApiExtensions | None = None


class Envelope(Unprinted, frozen=True):
    """An answer: `data`, `errors`, or a part of each."""

    data: dict[str, msgspec.Raw] | None = None
    errors: list[ApiError] | None = None


class ApiMoney(Camel, frozen=True):
    value: Decimals
    currency_code: str


class ApiResponse(Camel, frozen=True):
    """What the processor behind Braintree, or the bank, said."""

    legacy_code: str | None = None
    message: str | None = None


class ApiCode(Camel, frozen=True):
    code: str | None = None


class ApiOther(Camel, frozen=True):
    """Another transaction, as far as it says whose it is."""

    id: str
    order_id: str | None = None
    merchant_account_id: str | None = None


class ApiEvent(Camel, frozen=True):
    """A status that a payment went through; the newest stands first."""

    status: str
    timestamp: Timestamp
    source: str | None = None
    decline_type: str | None = None
    processor_response: ApiResponse | None = None
    network_response: ApiCode | None = None
    merchant_advice_code_response: ApiCode | None = None
    gateway_rejection_reason: str | None = None
    duplicate_of: ApiOther | None = None


class ApiRefund(Camel, frozen=True):
    id: str
    status: str
    amount: ApiMoney
    created_at: Timestamp
    order_id: str | None = None
    source: str | None = None
    status_history: tuple[ApiEvent, ...] | None = None
    refunded_transaction: ApiOther | None = None


class ApiTransaction(Camel, frozen=True):
    """`refunds` stand only where they were asked for."""

    id: str
    status: str
    amount: ApiMoney
    created_at: Timestamp
    order_id: str | None = None
    merchant_account_id: str | None = None
    status_history: tuple[ApiEvent, ...] | None = None
    refunds: tuple[ApiRefund, ...] | None = None


class ApiKind(msgspec.Struct, frozen=True):
    """What a node or a reversal is."""

    typename: Annotated[str, msgspec.Meta(min_length=1)] = msgspec.field(name="__typename")


class ApiDisputed(Camel, frozen=True):
    id: str
    amount: ApiMoney
    order_id: str | None = None
    merchant_account_id: str | None = None


class ApiDisputeReason(Camel, frozen=True):
    reason: str | None = None


class ApiDisputeEvent(Camel, frozen=True):
    status: str
    timestamp: Timestamp


class ApiDispute(Camel, frozen=True):
    id: str
    type: str
    status: str
    created_at: Timestamp
    transaction: ApiDisputed
    amount_disputed: ApiMoney | None = None
    amount_won: ApiMoney | None = None
    response_deadline: Timestamp | None = None
    reply_by_date: date | None = None
    processor_response: ApiDisputeReason | None = None
    status_history: tuple[ApiDisputeEvent, ...] | None = None


class ApiAddress(Unprinted, frozen=True, rename="camel"):
    """`adminArea1` is the state or province, `adminArea2` the city."""

    address_line1: str | None = None
    address_line2: str | None = None
    admin_area1: str | None = None
    admin_area2: str | None = None
    postal_code: str | None = None
    country_code: str | None = None


class ApiDetails(Camel, frozen=True):
    """Of any kind of payment method: `typename` says which."""

    typename: str = msgspec.field(name="__typename", default="")
    brand_code: str | None = None
    last4: str | None = None
    expiration_month: str | None = None
    expiration_year: str | None = None
    unique_number_identifier: str | None = None
    email: str | None = None
    payer_id: str | None = None
    username: str | None = None
    venmo_user_id: str | None = None
    billing_address: ApiAddress | None = None


class ApiMethod(Unprinted, frozen=True, rename="camel"):
    id: str
    usage: str | None = None
    created_at: Timestamp | None = None
    details: ApiDetails | None = None


class ApiVerification(Camel, frozen=True):
    status: str
    gateway_rejection_reason: str | None = None
    processor_response: ApiResponse | None = None


class ApiVaulted(Unprinted, frozen=True, rename="camel"):
    payment_method: ApiMethod | None = None
    verification: ApiVerification | None = None


class ApiCharged(Camel, frozen=True):
    transaction: ApiTransaction


class ApiRefunded(Camel, frozen=True):
    refund: ApiRefund


class ApiReversed(Camel, frozen=True):
    reversal: msgspec.Raw


class ApiCustomer(Unprinted, frozen=True):
    id: str


class ApiCreated(Unprinted, frozen=True):
    customer: ApiCustomer


class ApiClientToken(Unprinted, frozen=True, rename="camel"):
    client_token: str


class PageInfo(Camel, frozen=True):
    has_next_page: bool
    end_cursor: str | None = None


class Edge(msgspec.Struct, Generic[T], frozen=True):
    node: T


class Connection(Camel, Generic[T], frozen=True):
    """A page of a list."""

    edges: tuple[Edge[T], ...]
    page_info: PageInfo

    @property
    def nodes(self) -> list[T]:
        return [edge.node for edge in self.edges]


class ApiMethods(Unprinted, frozen=True, rename="camel"):
    payment_methods: Connection[ApiMethod]


class ApiMerchantAccount(Camel, frozen=True):
    id: str
    currency_code: str
    status: str | None = None


class ApiMerchant(Camel, frozen=True):
    id: str
    merchant_accounts: Connection[ApiMerchantAccount]


class ApiViewer(Camel, frozen=True):
    merchant: ApiMerchant


class AskedTransaction(Camel, frozen=True):
    amount: str
    order_id: str
    merchant_account_id: str


class AskedChargeInput(Camel, frozen=True):
    transaction: AskedTransaction


class AskedReturn(Camel, frozen=True):
    amount: str
    order_id: str


class AskedRefundInput(Camel, frozen=True):
    transaction_id: str
    refund: AskedReturn


class Variables(msgspec.Struct, Generic[T], frozen=True):
    input: T


class Asked(msgspec.Struct, Generic[T], frozen=True):
    """What stored bytes ask for."""

    variables: Variables[T]
