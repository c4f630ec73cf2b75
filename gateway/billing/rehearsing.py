"""What a rehearsal makes at Stripe, in test mode: all of it carries the run's name, so that the next one finds what is
left over, and takes it away."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from gateway.billing import subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.subscriptions import MadeSubscription

RUN_KEY: Final = "tollbridge_rehearsal"
"""The metadata key that names the run."""
NAME: Final = "Tollbridge rehearsal"
AMOUNT: Final = 1000
CREDITED: Final = 100
CURRENCY: Final = "eur"
"""10.00 EUR: above what Stripe settles by itself as too little, and every account may invoice in it."""
PAGE: Final = 100
MOST_PAGES: Final = 20


class Made(msgspec.Struct, frozen=True):
    """Anything of Stripe's with metadata."""

    id: str
    metadata: dict[str, str] = {}


class _Page(msgspec.Struct, frozen=True):
    data: list[Made] = []
    has_more: bool = False


async def make_plan(stripe: StripeClient, run: str) -> str:
    """A product and its monthly price; the price's id. Raises StripeError."""
    marked = {"metadata": {RUN_KEY: run}}
    product = await stripe.post("/v1/products", Made, {"name": NAME, **marked}, key=f"{run}-product")
    terms = {"unit_amount": AMOUNT, "currency": CURRENCY, "recurring": {"interval": "month"}}
    price = await stripe.post("/v1/prices", Made, {"product": product.id, **terms, **marked}, key=f"{run}-price")
    return price.id


async def make_customer(stripe: StripeClient, run: str) -> str:
    """Without an e-mail address, so that Stripe can't write to anybody. Raises StripeError."""
    params = {"name": NAME, "metadata": {RUN_KEY: run}}
    return (await stripe.post("/v1/customers", Made, params, key=f"{run}-customer")).id


async def subscribe(stripe: StripeClient, run: str, customer: str, price: str, days: int) -> MadeSubscription:
    """Raises StripeError."""
    params: dict[str, Any] = {
        "customer": customer,
        "items": [{"price": price}],
        "collection_method": "send_invoice",
        "days_until_due": days,
        "metadata": {RUN_KEY: run},
    }
    return await subscriptions.create(stripe, params, f"{run}-subscription")


async def take_away(stripe: StripeClient, since: datetime, run: str = "") -> int:
    """Delete the customers of a rehearsal, or of all made `since`, with their subscriptions, and archive products and
    prices, which Stripe never forgets; how many. Raises StripeError."""
    customers = await _marked(stripe, "/v1/customers", {"created": {"gte": int(since.timestamp())}}, run)
    for customer in customers:
        await stripe.delete(f"/v1/customers/{customer}", Made)
    wanted = {"active": True, "created": {"gte": int(since.timestamp())}}
    prices = await _marked(stripe, "/v1/prices", wanted, run)
    for price in prices:
        await stripe.post(f"/v1/prices/{price}", Made, {"active": False})
    products = await _marked(stripe, "/v1/products", wanted, run)
    for product in products:
        await stripe.post(f"/v1/products/{product}", Made, {"active": False})
    return len(customers) + len(prices) + len(products)


async def _marked(stripe: StripeClient, path: str, params: dict[str, Any], run: str) -> list[str]:
    """The ids of those that this rehearsal made, or any, among the newest two thousand."""
    found: list[str] = []
    asked: dict[str, Any] = {**params, "limit": PAGE}
    for _ in range(MOST_PAGES):
        page = await stripe.get(path, _Page, asked)
        found += [one.id for one in page.data if one.metadata.get(RUN_KEY) and run in ("", one.metadata[RUN_KEY])]
        if not page.has_more or not page.data:
            break
        asked["starting_after"] = page.data[-1].id
    return found
