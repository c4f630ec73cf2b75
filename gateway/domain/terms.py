"""What a subscription sells, in words: `3 × 10.00 EUR every month`. Pure."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from processors.errors import MoneyError
from processors.money import STRIPE


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One item. `unit_amount`: exact, in minor units, as Stripe writes it; empty where tiers decide."""

    price: str = ""
    name: str = ""
    currency: str = ""
    unit_amount: str = ""
    tiered: bool = False
    metered: bool = False
    interval: str = ""
    every: int = 1
    quantity: int | None = None


def in_words(item: Item) -> str:
    """What it costs, how often."""
    often = f"every {item.interval}" if item.every == 1 else f"every {item.every} {item.interval}s"
    if item.tiered or not item.unit_amount:
        what = "by the tiers of its price"
        return f"{what} for what is used, billed {often}" if item.metered else f"{what}, {often}"
    each = _amount(item.unit_amount, item.currency)
    if item.metered:
        return f"{each} for each unit that is used, billed {often}"
    times = f"{item.quantity:,} × " if item.quantity not in (None, 1) else ""
    return f"{times}{each} {often}"


def _amount(minor: str, currency: str) -> str:
    """A price of a unit may have more decimals than money has: 0.045 EUR."""
    try:
        exponent = STRIPE.of(currency)
    except MoneyError:
        return f"{minor} {currency.upper()} (minor units)"
    value = Decimal(minor).scaleb(-exponent).normalize()
    decimals = max(exponent, -int(value.as_tuple().exponent))
    return f"{value:,.{decimals}f} {currency.upper()}"
