"""What a subscription sells and when its period ends, asked of Stripe for people; nothing of it is kept."""

from __future__ import annotations

import msgspec

from gateway.billing.terms import read_terms
from gateway.domain.terms import in_words
from gateway.readers.subscriptions import find_subscription
from gateway.runtime import Runtime


class Term(msgspec.Struct, frozen=True):
    """One item: its price's id, the price's own name if it has one, and what it costs in words."""

    price: str
    name: str
    words: str
    metered: bool


class Terms(msgspec.Struct, frozen=True):
    """All of them, and the period that runs, in Unix seconds."""

    items: list[Term]
    began: int | None
    ends: int | None

    @property
    def metered(self) -> bool:
        return any(one.metered for one in self.items)


async def find_terms(runtime: Runtime, account: str, subscription: str) -> Terms:
    """Raises NotThereError, StripeError."""
    await find_subscription(account, subscription)
    shape = await read_terms(await runtime.stripe(account), subscription)
    items = [Term(one.price, one.name, in_words(one), one.metered) for one in shape.sold]
    return Terms(items, *shape.period)
