"""What a rehearsal makes at Stripe, in test mode, and how it is taken away.

All of it carries the run's id. That is a hint (law 11): only what we know to have made is looked at, and only what
still carries the id of the run that made it is deleted.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.billing import subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError
from gateway.billing.subscriptions import MadeSubscription

RUN_KEY: Final = "tollbridge_rehearsal"
"""The metadata key that names the run."""
NAME: Final = "Tollbridge rehearsal"
AMOUNT: Final = 1000
CREDITED: Final = 100
CURRENCY: Final = "eur"
"""10.00 EUR: above what Stripe settles by itself as too little, and every account may invoice in it."""


class Thing(msgspec.Struct, frozen=True):
    """Anything of Stripe's with metadata; of a customer who is deleted it shows none."""

    id: str
    metadata: dict[str, str] = {}


class Made(msgspec.Struct, frozen=True):
    """What one run has made. Its subscription goes with the customer."""

    customer: str | None = None
    product: str | None = None
    price: str | None = None


async def make_product(stripe: StripeClient, run: str) -> str:
    """Raises StripeError."""
    params = {"name": NAME, "metadata": {RUN_KEY: run}}
    return (await stripe.post("/v1/products", Thing, params, key=f"{run}-product")).id


async def make_price(stripe: StripeClient, run: str, product: str) -> str:
    """By the month. Raises StripeError."""
    terms = {"unit_amount": AMOUNT, "currency": CURRENCY, "recurring": {"interval": "month"}}
    params = {"product": product, **terms, "metadata": {RUN_KEY: run}}
    return (await stripe.post("/v1/prices", Thing, params, key=f"{run}-price")).id


async def make_customer(stripe: StripeClient, run: str) -> str:
    """Without an e-mail address, so that Stripe can't write to anybody. Raises StripeError."""
    params = {"name": NAME, "metadata": {RUN_KEY: run}}
    return (await stripe.post("/v1/customers", Thing, params, key=f"{run}-customer")).id


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


async def take_away(stripe: StripeClient, run: str, made: Made) -> int:
    """Delete what this run has made, and archive products and prices, which Stripe never forgets; how many.

    Raises StripeError.
    """
    gone = 0
    if made.customer:
        gone += await _take(stripe, run, f"/v1/customers/{made.customer}")
    if made.price:
        gone += await _take(stripe, run, f"/v1/prices/{made.price}", archived=True)
    if made.product:
        gone += await _take(stripe, run, f"/v1/products/{made.product}", archived=True)
    return gone


async def _take(stripe: StripeClient, run: str, path: str, *, archived: bool = False) -> bool:
    """Whether it was there, and this run's."""
    try:
        if (await stripe.get(path, Thing)).metadata.get(RUN_KEY) != run:
            return False
        if archived:
            await stripe.post(path, Thing, {"active": False})
        else:
            await stripe.delete(path, Thing)
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        return False
    return True
