"""How a price is made, by the price endpoints and by every ``price_data``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import decimal_text
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.pricing import Tier
from gateway.sandbox.stripe.store import Account

BEHAVIOR = "tax_behavior:exclusive|inclusive|unspecified"
AMOUNT = "unit_amount:int unit_amount_decimal:num"
INTERVAL = "*interval:day|week|month|year interval_count:int"
ONE_TIME = f"{{*currency *product {AMOUNT} {BEHAVIOR}}}"
RECURRING = f"{{*currency *product *recurring:{{{INTERVAL}}} {AMOUNT} {BEHAVIOR}}}"
MAX_DECIMALS = 12
MAX_YEARS = {"day": 1095, "week": 156, "month": 36, "year": 3}  # three years (docs: prices/create, interval_count)


def make_price(account: Account, product: Obj, params: Obj) -> Obj:
    """A stored price from the parameters that prices and ``price_data`` share. Unit amounts in minor units."""
    tiered = params.get("billing_scheme") == "tiered"
    tiers = _tiers(params) if tiered else None
    unit = None if tiered else _unit(params)
    recurring = _recurring(account, params.get("recurring"))
    transform = params.get("transform_quantity")
    if transform and (tiered or transform["divide_by"] < 1):
        raise invalid("`transform_quantity` needs a positive `divide_by` and no tiers.", param="transform_quantity")
    price = {
        "id": new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "tiered" if tiered else "per_unit",
        "created": account.now(),
        "currency": params["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product["id"],
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": params.get("tiers_mode"),
        "transform_quantity": dict(transform) if transform else None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": _whole(unit),
        "unit_amount_decimal": None if unit is None else decimal_text(unit),
        "_unit": unit,
        "_tiers": tiers,
    }
    return account.prices.add(price["id"], price)


def shown_tiers(account: Account, price: Obj) -> Any:
    """``price.tiers``, which Stripe shows only when expanded."""
    tiers: list[Tier] | None = account.prices[price["id"]]["_tiers"]
    if tiers is None:
        return None
    return [
        {
            "flat_amount": _whole(tier.flat) if tier.flat else None,
            "flat_amount_decimal": decimal_text(tier.flat) if tier.flat else None,
            "unit_amount": _whole(tier.unit),
            "unit_amount_decimal": decimal_text(tier.unit),
            "up_to": tier.up_to,
        }
        for tier in tiers
    ]


def _whole(amount: Decimal | None) -> int | None:
    return int(amount) if amount is not None and amount == amount.to_integral_value() else None


def _unit(params: Obj) -> Decimal:
    for name in ("tiers", "tiers_mode"):
        if name in params:
            raise invalid(f"`{name}` can only be set with `billing_scheme=tiered`.", param=name)
    unit = _amount(params, "unit_amount", "")
    if unit is None:
        raise invalid("You must specify either `unit_amount` or `unit_amount_decimal`.", code="parameter_missing")
    return unit


def _amount(params: Obj, name: str, where: str) -> Decimal | None:
    """`name` or ``{name}_decimal``, whichever is given; Stripe takes one of them with at most 12 decimals."""
    exact = f"{name}_decimal"
    if name in params and exact in params:
        raise invalid(f"You may only specify one of these parameters: {where}{name}, {where}{exact}.", param=name)
    if name not in params and exact not in params:
        return None
    amount = Decimal(params[name]) if name in params else Decimal(params[exact])
    if amount < 0:
        raise invalid("Invalid non-negative integer", param=f"{where}{name}")
    exponent = amount.normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MAX_DECIMALS:
        raise invalid(f"Invalid decimal: at most {MAX_DECIMALS} decimal places.", param=f"{where}{exact}")
    return amount


def _tiers(params: Obj) -> list[Tier]:
    given = params.get("tiers")
    if not given or "tiers_mode" not in params:
        name = "tiers_mode" if given else "tiers"
        raise invalid(f"`{name}` is required with `billing_scheme=tiered`.", code="parameter_missing", param=name)
    if "unit_amount" in params or "unit_amount_decimal" in params:
        raise invalid("`unit_amount` can't be set with `billing_scheme=tiered`.", param="unit_amount")
    found: list[Tier] = []
    for at, entry in enumerate(given):
        where = f"tiers[{at}]"
        unit, flat = _amount(entry, "unit_amount", f"{where}."), _amount(entry, "flat_amount", f"{where}.")
        if unit is None and flat is None:
            raise invalid("A tier needs a unit_amount or a flat_amount.", param=where, code="parameter_missing")
        last = at == len(given) - 1
        if (entry["up_to"] == "inf") != last:
            raise invalid("The last tier, and only the last one, must have `up_to=inf`.", param=f"{where}[up_to]")
        if not last and entry["up_to"] <= (found[-1].up_to if found else 0):
            raise invalid("Tiers must be in ascending order of `up_to`.", param=f"{where}[up_to]")
        found.append(Tier(None if last else entry["up_to"], unit or Decimal(0), flat or Decimal(0)))
    return found


def _recurring(account: Account, given: Obj | None) -> Obj | None:
    if given is None:
        return None
    count = given.get("interval_count", 1)
    if not 1 <= count <= MAX_YEARS[given["interval"]]:
        raise invalid("The interval must be between one and three years' worth.", param="recurring[interval_count]")
    metered = given.get("usage_type") == "metered"
    if metered != ("meter" in given):
        # Since 2025-03-31.basil every metered price is backed by a meter.
        raise invalid(
            "Metered prices, and only they, need a meter.", code="parameter_missing", param="recurring[meter]"
        )
    if metered:
        meter = account.meters.need(given["meter"], "recurring[meter]")
        if meter["status"] != "active":
            raise invalid("The meter is inactive.", param="recurring[meter]")
    return {
        "interval": given["interval"],
        "interval_count": count,
        "meter": given.get("meter"),
        "usage_type": "metered" if metered else "licensed",
    }
