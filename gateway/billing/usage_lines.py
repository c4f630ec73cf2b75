"""Which lines of an invoice bill usage, by what they show themselves.

Up to 2025-02-24 a line carries its whole price, which says so; since 2025-03-31 it names the price, and only the price
says so (Stripe's changelog, basil). To read each price would cost a call. So a line is judged by its time: what a
subscription's item bills for a time that was over when the invoice was made is usage, since Stripe bills any other
price ahead (docs: billing/subscriptions/usage-based). Prorations look back too, and say that they are prorations.
"""

from __future__ import annotations

from typing import Final

import msgspec

SLACK_S: Final = 300
"""A line may end a little after its invoice was made; one that bills ahead ends a day later at the least."""


class _Recurring(msgspec.Struct, frozen=True):
    usage_type: str = ""
    meter: str | None = None


class _Price(msgspec.Struct, frozen=True):
    """`recurring` of a price; a plan of before says it itself."""

    recurring: _Recurring | None = None
    usage_type: str = ""

    @property
    def metered(self) -> bool:
        by_price = self.recurring is not None and (self.recurring.usage_type == "metered" or bool(self.recurring.meter))
        return by_price or self.usage_type == "metered"


class _PriceDetails(msgspec.Struct, frozen=True):
    price: str | _Price | None = None


class _Pricing(msgspec.Struct, frozen=True):
    price_details: _PriceDetails | None = None


class _ItemDetails(msgspec.Struct, frozen=True):
    proration: bool = False


class _Parent(msgspec.Struct, frozen=True):
    subscription_item_details: _ItemDetails | None = None


class _Period(msgspec.Struct, frozen=True):
    end: int = 0


class UsageLine(msgspec.Struct, frozen=True):
    """What of a line tells whether it bills usage, in the shapes of before and after 2025-03-31."""

    period: _Period = _Period()
    parent: _Parent | None = None
    pricing: _Pricing | None = None
    price: _Price | None = None
    plan: _Price | None = None

    def bills_usage(self, made_at: int) -> bool:
        """Whether it does, on an invoice that was made at this Unix second."""
        shown = self._shown_price()
        if shown is not None:
            return shown.metered and self.period.end <= made_at + SLACK_S
        item = self.parent.subscription_item_details if self.parent is not None else None
        return item is not None and not item.proration and 0 < self.period.end <= made_at + SLACK_S

    def _shown_price(self) -> _Price | None:
        details = self.pricing.price_details if self.pricing is not None else None
        expanded = details.price if details is not None and isinstance(details.price, _Price) else None
        return expanded or self.price or self.plan


class UsageLines(msgspec.Struct, frozen=True):
    """The first page of an invoice's lines."""

    data: list[UsageLine] = []
    has_more: bool = False

    def bill_usage(self, made_at: int) -> bool:
        """What the first page does not show may be usage: to wait for that in vain costs nothing but the wait."""
        return self.has_more or any(line.bills_usage(made_at) for line in self.data)
