"""Checkout.com's JSON as it comes: only the fields that we read. What may be missing or null is None."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec

from processors.values import Unprinted

Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class ErrorBody(msgspec.Struct, frozen=True):
    """An answer of 4xx; its codes name what is wrong with the request."""

    error_type: str | None = None
    error_codes: list[str] | None = None


class ApiSource(Unprinted, frozen=True):
    """What was charged. The expiry comes as a number, and masked as `****` for some cards."""

    id: str | None = None
    scheme: str | None = None
    last4: str | None = None
    expiry_month: int | str | None = None
    expiry_year: int | str | None = None
    fingerprint: str | None = None


class ApiCustomer(Unprinted, frozen=True):
    id: str | None = None


class ApiBalances(msgspec.Struct, frozen=True):
    total_captured: int = 0


class ApiProcessing(msgspec.Struct, frozen=True):
    """`partner_merchant_advice_code` is Mastercard's own; `recommendation_code` says as much for all schemes."""

    recommendation_code: str | None = None
    partner_merchant_advice_code: str | None = None


class ApiRetry(msgspec.Struct, frozen=True):
    """Checkout.com's own retries, where an account has them on."""

    next_attempt_on: Moment | None = None


class ApiLink(Unprinted, frozen=True):
    href: str


class ApiLinks(Unprinted, frozen=True):
    redirect: ApiLink | None = None
    self: ApiLink | None = None


class ApiPayment(Unprinted, frozen=True):
    """A payment: as a POST answers it, as it's read, and as a list of payments holds it.

    One that is pending may come without its amount; a decline's code stands in the answer to the POST alone.
    """

    id: str
    status: str
    reference: str | None = None
    amount: int | None = None
    currency: str | None = None
    approved: bool | None = None
    response_code: str | None = None
    response_summary: str | None = None
    requested_on: Moment | None = None
    processed_on: Moment | None = None
    processing_channel_id: str | None = None
    balances: ApiBalances | None = None
    source: ApiSource | None = None
    customer: ApiCustomer | None = None
    processing: ApiProcessing | None = None
    retry: ApiRetry | None = None
    links: ApiLinks | None = msgspec.field(default=None, name="_links")


class ApiPayments(Unprinted, frozen=True):
    data: list[ApiPayment]
    total_count: int | None = None


class ApiAction(msgspec.Struct, frozen=True):
    """A step in the life of a payment; amounts are in its currency. `approved` is missing while it's under way."""

    id: str
    type: str
    amount: int | None = None
    approved: bool | None = None
    reference: str | None = None
    response_code: str | None = None
    response_summary: str | None = None
    processed_on: Moment | None = None
    processing: ApiProcessing | None = None
    metadata: dict[str, Any] | None = None


class ApiAccepted(msgspec.Struct, frozen=True):
    """The answer to a refund: that there is such an action now."""

    action_id: str
    reference: str | None = None


class ApiSession(Unprinted, frozen=True):
    """A payment session; the rest of it is for the Flow component alone."""

    id: str


class ApiAddress(Unprinted, frozen=True):
    address_line1: str | None = None
    address_line2: str | None = None
    city: str | None = None
    state: str | None = None
    zip: str | None = None
    country: str | None = None


class ApiHolder(Unprinted, frozen=True):
    billing_address: ApiAddress | None = None


class ApiInstrument(Unprinted, frozen=True):
    id: str
    expiry_month: int | str | None = None
    expiry_year: int | str | None = None
    account_holder: ApiHolder | None = None


class Envelope(Unprinted, frozen=True):
    """A delivery: one event. Its time was called `timestamp` in some versions."""

    id: str
    type: str
    data: msgspec.Raw
    created_on: Moment | None = None
    timestamp: Moment | None = None
    links: ApiLinks | None = msgspec.field(default=None, name="_links")


class ToldPayment(Unprinted, frozen=True):
    """What an event tells of a payment and of the action that it is about."""

    id: str
    action_id: str | None = None
    reference: str | None = None
    amount: int | None = None
    currency: str | None = None
    response_code: str | None = None
    response_summary: str | None = None
    processed_on: Moment | None = None
    processing_channel_id: str | None = None
    balances: ApiBalances | None = None
    processing: ApiProcessing | None = None
    retry: ApiRetry | None = None


class ToldDispute(msgspec.Struct, frozen=True):
    id: str
    payment_id: str
    amount: int
    currency: str
    payment_reference: str | None = None
    category: str | None = None
    reason_code: str | None = None
    evidence_required_by: Moment | None = None
    processing_channel_id: str | None = None


class ApiDispute(ToldDispute, frozen=True, kw_only=True):
    """A dispute as the list of disputes holds it."""

    status: str
    last_update: Moment


class ApiDisputes(msgspec.Struct, frozen=True):
    data: list[ApiDispute]


class AskedCharge(msgspec.Struct, frozen=True):
    """What stored charge bytes ask for."""

    reference: str
    amount: int
    currency: str


class AskedMetadata(msgspec.Struct, frozen=True):
    currency: str


class AskedRefund(msgspec.Struct, frozen=True):
    """What stored refund bytes ask for."""

    reference: str
    amount: int
    metadata: AskedMetadata


# Workflows: what is sent where (checkout-sdk-java: workflows)


class ApiCondition(msgspec.Struct, frozen=True):
    """A condition of the type `event` or `processing_channel` has that field; those of other types are not read."""

    type: str = ""
    events: Mapping[str, tuple[str, ...]] = {}
    processing_channels: tuple[str, ...] = ()


class ApiWorkflowAction(msgspec.Struct, frozen=True):
    """Its headers and its signature's key are not read: they are secrets."""

    url: str = ""


class ApiWorkflow(msgspec.Struct, frozen=True):
    """Conditions and actions stand in one that is asked for, and not in a list."""

    id: str
    active: bool = False
    conditions: tuple[ApiCondition, ...] = ()
    actions: tuple[ApiWorkflowAction, ...] = ()

    def of(self, condition: str) -> frozenset[str]:
        """What its conditions of one type name; nothing where it has none, and takes all."""
        named: set[str] = set()
        for one in self.conditions:
            if one.type == condition:
                named.update(one.processing_channels, *one.events.values())
        return frozenset(named)


class ApiWorkflows(msgspec.Struct, frozen=True):
    data: tuple[ApiWorkflow, ...] = ()
