"""Rounding and Stripe's smallest charges. Integers in Stripe's minor units; no floats."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

# The smallest amount that Stripe charges, in minor units (docs: currencies, "minimum charge amounts").
# An invoice below it is settled to the customer balance. Currencies not listed have none here.
MINIMUM = {
    "usd": 50, "eur": 50, "gbp": 30, "chf": 50, "aud": 50, "cad": 50, "nzd": 50, "sgd": 50, "brl": 50, "inr": 50,
    "jpy": 50, "dkk": 250, "nok": 300, "sek": 300, "hkd": 400, "pln": 200, "ron": 200, "aed": 200, "myr": 200,
    "bgn": 100, "czk": 1500, "huf": 17500, "mxn": 1000, "thb": 1000,
}  # fmt: skip


def nearest(value: Decimal) -> int:
    """Half away from zero, as amounts on an invoice are rounded."""
    return int(value.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def share(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` in proportion to `weights`, exactly: the rest of the rounding goes to the last one."""
    whole = sum(weights)
    if whole == 0:
        return [0] * len(weights)
    parts, given, seen = [], 0, 0
    for weight in weights:
        seen += weight
        part = nearest(Decimal(total) * seen / whole) - given
        parts.append(part)
        given += part
    return parts


def part_of(whole: int, seconds: int, of_seconds: int) -> int:
    """`whole` minor units in proportion to time, half up."""
    return (2 * whole * seconds + of_seconds) // (2 * of_seconds)


def decimal_text(value: Decimal) -> str:
    """``12``, not ``12.00``: how Stripe writes decimal strings."""
    text = format(value.normalize(), "f")
    return text if text != "-0" else "0"


def number(value: Decimal) -> int | float:
    """A percentage for JSON. Calculations keep the Decimal."""
    return int(value) if value == value.to_integral_value() else float(value)


# Currencies without decimals (docs: currencies; ISK and UGX count as two at Stripe), and those with three.
WHOLE = {
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
}  # fmt: skip
THOUSANDTHS = {"bhd", "jod", "kwd", "omr", "tnd"}


def text(amount: int, currency: str) -> str:
    """``EUR 12.50``, for people."""
    decimals = 0 if currency in WHOLE else 3 if currency in THOUSANDTHS else 2
    return f"{currency.upper()} {Decimal(amount).scaleb(-decimals):,}"
