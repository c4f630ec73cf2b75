"""What a subscription sells, as Stripe shows it to people: its items, their prices and the period that runs.

Products are not expanded: to read them takes a permission that nothing else of ours needs. The lines of the next
invoice name them.
"""

from __future__ import annotations

import msgspec

from gateway.billing.client import StripeClient
from gateway.domain.terms import Item


class _Recurring(msgspec.Struct, frozen=True):
    interval: str = ""
    interval_count: int = 1
    usage_type: str = "licensed"
    meter: str | None = None


class _Price(msgspec.Struct, frozen=True):
    id: str = ""
    nickname: str | None = None
    currency: str = ""
    unit_amount: int | None = None
    unit_amount_decimal: str | None = None
    billing_scheme: str = "per_unit"
    recurring: _Recurring = _Recurring()


class _Item(msgspec.Struct, frozen=True):
    price: _Price = _Price()
    quantity: int | None = None
    current_period_start: int | None = None
    current_period_end: int | None = None


class _Items(msgspec.Struct, frozen=True):
    data: list[_Item] = []


class TermsShape(msgspec.Struct, frozen=True):
    """As our API version gives it."""

    id: str
    status: str = ""
    items: _Items = _Items()

    @property
    def sold(self) -> list[Item]:
        """Its items, as the rules see them."""
        return [_item(one) for one in self.items.data]

    @property
    def period(self) -> tuple[int | None, int | None]:
        """The period that runs: of its items the earliest beginning and the first end."""
        starts = [one.current_period_start for one in self.items.data if one.current_period_start]
        ends = [one.current_period_end for one in self.items.data if one.current_period_end]
        return min(starts, default=None), min(ends, default=None)


async def read_terms(stripe: StripeClient, subscription: str) -> TermsShape:
    """Raises StripeError."""
    return await stripe.get(f"/v1/subscriptions/{subscription}", TermsShape)


def _item(one: _Item) -> Item:
    price = one.price
    amount = price.unit_amount_decimal or ("" if price.unit_amount is None else str(price.unit_amount))
    return Item(
        price=price.id,
        name=price.nickname or "",
        currency=price.currency,
        unit_amount=amount,
        tiered=price.billing_scheme == "tiered",
        metered=price.recurring.usage_type == "metered",
        interval=price.recurring.interval,
        every=price.recurring.interval_count,
        quantity=one.quantity,
    )
