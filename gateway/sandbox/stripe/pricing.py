"""What a quantity costs at a price: per unit, by package, or in tiers. Pure arithmetic in minor units.

Sources: docs products-prices/pricing-models (graduated, volume, flat fees, packages). Each part becomes a line of its
own, as Stripe writes one line per tier. Chosen where they are silent: a flat fee is a part of quantity 1, and the
first tier's flat fee is due for a quantity of zero too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from gateway.sandbox.stripe.money import nearest
from gateway.sandbox.stripe.objects import Obj

NONE = Decimal(0)


@dataclass(frozen=True, slots=True)
class Tier:
    """Amounts in minor units; `up_to` is the last unit of the tier, None for the last tier."""

    up_to: int | None
    unit: Decimal
    flat: Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """One line's worth: `quantity` units at `unit` each; `tier` counts from 1, `flat` marks a tier's flat fee."""

    amount: int
    quantity: Decimal
    unit: Decimal
    tier: int | None = None
    flat: bool = False


def price_amount(price: Obj, quantity: int | Decimal) -> int:
    """The whole amount, each part rounded half away from zero."""
    return sum(part.amount for part in parts(price, quantity))


def parts(price: Obj, quantity: int | Decimal) -> list[Part]:
    """At least one part; a quantity of zero gives one of amount zero."""
    quantity = Decimal(quantity)
    if price["billing_scheme"] == "tiered":
        found = _volume(price["_tiers"], quantity) if price["tiers_mode"] == "volume" else _graduated(price, quantity)
        return found or [Part(0, NONE, price["_tiers"][0].unit, 1)]
    return [Part(nearest(price["_unit"] * _packages(price, quantity)), quantity, price["_unit"])]


def _packages(price: Obj, quantity: Decimal) -> Decimal:
    transform = price["transform_quantity"]
    if transform is None:
        return quantity
    packages = quantity / Decimal(transform["divide_by"])
    rounding = ROUND_CEILING if transform["round"] == "up" else ROUND_FLOOR
    return packages.to_integral_value(rounding)


def _graduated(price: Obj, quantity: Decimal) -> list[Part]:
    """Every unit at the price of the tier that it falls into."""
    found: list[Part] = []
    below = NONE
    for number, tier in enumerate(price["_tiers"], 1):
        if number > 1 and quantity <= below:
            break
        upper = quantity if tier.up_to is None else min(quantity, Decimal(tier.up_to))
        found += _tier_parts(tier, number, upper - below)
        below = upper
    return found


def _volume(tiers: list[Tier], quantity: Decimal) -> list[Part]:
    """Every unit at the price of the tier that the last unit falls into."""
    for number, tier in enumerate(tiers, 1):
        if tier.up_to is None or quantity <= tier.up_to:
            return _tier_parts(tier, number, quantity)
    raise AssertionError("the last tier has no end")


def _tier_parts(tier: Tier, number: int, units: Decimal) -> list[Part]:
    found = [Part(nearest(tier.unit * units), units, tier.unit, number)] if units else []
    if tier.flat:
        found.append(Part(nearest(tier.flat), Decimal(1), tier.flat, number, flat=True))
    return found
