"""A customer as Stripe shows it to people: who it is, and its balance. Asked when somebody looks, never kept."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.billing.client import StripeClient
from processors.values import Unprinted

MOST_FOUND: Final = 25


class PayerShape(Unprinted, frozen=True):
    """`balance`: below zero what the customer has in credit, above it what it owes with the next invoice."""

    id: str
    deleted: bool = False
    name: str | None = None
    email: str | None = None
    balance: int = 0
    currency: str | None = None


class _Found(msgspec.Struct, frozen=True):
    data: list[PayerShape] = []


async def read_payer(stripe: StripeClient, customer: str) -> PayerShape:
    """Raises StripeError."""
    return await stripe.get(f"/v1/customers/{customer}", PayerShape)


async def find_by_email(stripe: StripeClient, email: str) -> list[str]:
    """The ids of customers with just this mail address, as it is written there (docs: api/customers/list)."""
    params: dict[str, Any] = {"email": email, "limit": MOST_FOUND}
    return [one.id for one in (await stripe.get("/v1/customers", _Found, params)).data]
