"""Subscriptions and customers at Stripe: made for a checkout, read, changed and ended."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoices import StripeInvoice
from gateway.billing.lists import RawPage
from gateway.billing.shapes import SESSION_KEY, CustomerShape, InvoiceShape, StripeMethodShape, SubscriptionShape

GONE = ("canceled", "incomplete_expired")


class _WithInvoice(msgspec.Struct, frozen=True):
    latest_invoice: msgspec.Raw = msgspec.Raw(b"null")


MOST_PAGES = 10
CLOCKS_APART: Final = timedelta(minutes=5)
"""How far Stripe's clock may be behind ours."""


class MadeSubscription(msgspec.Struct, frozen=True):
    """A subscription and the draft that it began with; a trial or a free plan has a zero invoice, metered ones none."""

    subscription: SubscriptionShape
    invoice: StripeInvoice | None


async def create_customer(stripe: StripeClient, params: Mapping[str, Any], key: str) -> CustomerShape:
    return await stripe.post("/v1/customers", CustomerShape, params, key=key)


class _CustomerPage(msgspec.Struct, frozen=True):
    data: list[CustomerShape] = []
    has_more: bool = False


async def find_customer(stripe: StripeClient, session: str, since: datetime) -> CustomerShape | None:
    """The customer that carries this session's id, made since then: what a lost answer left behind (law 11).

    Searching by metadata would be quicker, but does not show at once what was made (docs: search).
    """
    params: dict[str, Any] = {"created": {"gte": int((since - CLOCKS_APART).timestamp())}, "limit": 100}
    for _ in range(MOST_PAGES):
        page = await stripe.get("/v1/customers", _CustomerPage, params)
        found = next((one for one in page.data if one.metadata.get(SESSION_KEY) == session), None)
        if found is not None or not page.has_more or not page.data:
            return found
        params["starting_after"] = page.data[-1].id
    # Nobody is billed for one too many, unlike for a subscription.
    return None


async def read_customer(stripe: StripeClient, customer: str) -> CustomerShape:
    """One that was deleted is answered as such, with hardly more than its id."""
    return await stripe.get(f"/v1/customers/{customer}", CustomerShape)


async def read_method(stripe: StripeClient, method: str) -> StripeMethodShape:
    """A payment method that Stripe keeps."""
    return await stripe.get(f"/v1/payment_methods/{method}", StripeMethodShape)


async def update_customer(stripe: StripeClient, customer: str, params: Mapping[str, Any]) -> CustomerShape:
    return await stripe.post(f"/v1/customers/{customer}", CustomerShape, params)


async def update_tax_location(stripe: StripeClient, customer: str, params: Mapping[str, Any]) -> CustomerShape:
    """As `update_customer`; the answer shows what Stripe makes of the location."""
    return await update_customer(stripe, customer, {**params, "expand": ["tax"]})


async def create(stripe: StripeClient, params: Mapping[str, Any], key: str) -> MadeSubscription:
    """Create a `send_invoice` subscription; the answer shows its first invoice."""
    # The first invoice's payments need more levels than Stripe expands here (four), so the draft's are not asked for:
    # a draft has none.
    raw = await stripe.post("/v1/subscriptions", msgspec.Raw, {**params, "expand": ["latest_invoice"]}, key=key)
    return _made(raw)


async def find_made(stripe: StripeClient, customer: str, session: str) -> MadeSubscription | None:
    """The customer's subscription that carries this session's id: what a lost answer left behind (law 11)."""
    params: dict[str, Any] = {"customer": customer, "status": "all", "limit": 100, "expand": ["data.latest_invoice"]}
    for _ in range(MOST_PAGES):
        page = await stripe.get("/v1/subscriptions", RawPage, params)
        shapes = [msgspec.json.decode(raw, type=SubscriptionShape) for raw in page.data]
        for shape, raw in zip(shapes, page.data, strict=True):
            if shape.metadata.get(SESSION_KEY) == session:
                return _made(raw)
        if not page.has_more or not shapes:
            return None
        params["starting_after"] = shapes[-1].id
    # Not to have found it among so many is no proof that it is not there, and another one would be billed too.
    raise StripeRefusedError(f"customer {customer} has more than {MOST_PAGES}00 subscriptions", status=400)


async def read(stripe: StripeClient, subscription: str) -> SubscriptionShape:
    return await stripe.get(f"/v1/subscriptions/{subscription}", SubscriptionShape)


async def update(stripe: StripeClient, subscription: str, params: Mapping[str, Any]) -> SubscriptionShape:
    return await stripe.post(f"/v1/subscriptions/{subscription}", SubscriptionShape, params)


async def cancel(stripe: StripeClient, subscription: str, params: Mapping[str, Any] | None = None) -> SubscriptionShape:
    """Cancel at once, without proration or a final invoice unless `params` want them; one that is gone is success."""
    try:
        return await stripe.delete(f"/v1/subscriptions/{subscription}", SubscriptionShape, params)
    except StripeRefusedError:
        found = await read(stripe, subscription)
        if found.status in GONE:
            return found
        raise


class _Coupon(msgspec.Struct, frozen=True):
    duration: str


class _Promotion(msgspec.Struct, frozen=True):
    coupon: _Coupon | None = None


class PromotionCode(msgspec.Struct, frozen=True):
    """A promotion code that a payer may type: active, with its coupon's duration."""

    id: str
    duration: str


class _PromotionShape(msgspec.Struct, frozen=True):
    id: str
    promotion: _Promotion = _Promotion()


class _PromotionPage(msgspec.Struct, frozen=True):
    data: list[_PromotionShape] = []


async def find_promotion_code(stripe: StripeClient, code: str) -> PromotionCode | None:
    """The active promotion code that a payer calls `code`, if there is one."""
    params = {"code": code, "active": True, "limit": 1, "expand": ["data.promotion.coupon"]}
    page = await stripe.get("/v1/promotion_codes", _PromotionPage, params)
    if not page.data or page.data[0].promotion.coupon is None:
        return None
    return PromotionCode(page.data[0].id, page.data[0].promotion.coupon.duration)


def _made(raw: msgspec.Raw) -> MadeSubscription:
    subscription = msgspec.json.decode(raw, type=SubscriptionShape)
    body = bytes(msgspec.json.decode(raw, type=_WithInvoice).latest_invoice)
    if not body.startswith(b"{"):
        return MadeSubscription(subscription, None)
    return MadeSubscription(subscription, StripeInvoice(msgspec.json.decode(body, type=InvoiceShape), body))
