"""What the marketplaces of the demo sell, to whom, and what an invoice of it must come to."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from gateway.cli.stage import Actors

EVENT_NAME: Final = "calls"
"""The same at both Stripe accounts: a meter is its account's own."""
PROCESSOR, STRIPES_PAGE = "processor", "Stripe's page"


class Usage(msgspec.Struct, frozen=True):
    """Units of the first period, in time and late, and of the second until the end."""

    in_time: int
    late: int
    last: int


class Buyer(msgspec.Struct, frozen=True):
    """An organization, and where it pays."""

    organization: str
    country: str
    pays_at: str


class Offer(msgspec.Struct, frozen=True):
    """A plan: a base price for a month ahead, and a price for each unit used; minor units."""

    currency: str
    base: int
    unit: int

    def billed(self, used: Usage) -> list[int]:
        """By the first invoice, the period's, and the final one."""
        period = self.base + (used.in_time + used.late) * self.unit
        return [self.base, period, used.last * self.unit]


OFFERS: Final = {
    "northside": Offer("eur", base=4900, unit=4),
    "harbour": Offer("usd", base=9900, unit=7),
}
"""By the marketplace's name."""
BUYERS: Final = (
    Buyer("Lantern Cooperative", "DE", PROCESSOR),
    Buyer("Orchard Clinics", "FR", STRIPES_PAGE),
)
"""Both buy at each marketplace."""
USED: Final = Usage(in_time=150, late=100, last=60)


async def put_up(marketplace: Actors, offer: Offer) -> list[dict[str, Any]]:
    """Make the plan's meter and prices in the marketplace's Stripe; the items that a checkout takes."""
    wanted = {"display_name": "Calls", "event_name": EVENT_NAME, "default_aggregation[formula]": "sum"}
    meter = await marketplace.stripe("POST", "/v1/billing/meters", wanted)
    monthly = {"currency": offer.currency, "recurring[interval]": "month"}
    metered = {"recurring[usage_type]": "metered", "recurring[meter]": meter["id"]}
    base = {**monthly, "unit_amount": str(offer.base), "product_data[name]": "Membership"}
    used = {**monthly, **metered, "unit_amount": str(offer.unit), "product_data[name]": "Calls"}
    made = [await marketplace.stripe("POST", "/v1/prices", price) for price in (base, used)]
    return [{"price": price["id"]} for price in made]
