"""The practice processor's own minor units: ISO 4217 decimals unless the account's manner differs, upper-case codes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal

NO_DECIMALS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905 - a table
)
THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])
NO_DIFFERENCE: Mapping[str, int] = {}


def decimals(currency: str, differs: Mapping[str, int] = NO_DIFFERENCE) -> int:
    """How many decimals `currency` has here."""
    if currency in differs:
        return differs[currency]
    if currency in NO_DECIMALS:
        return 0
    return 3 if currency in THREE_DECIMALS else 2


def minimum(currency: str, differs: Mapping[str, int] = NO_DIFFERENCE) -> int:
    """The smallest charge, 1.00 in major units, in minor units of `currency`."""
    return int(10 ** decimals(currency, differs))


def converted(amount: int, rate: str, decimals_from: int, decimals_to: int) -> int:
    """Minor units in another currency: `rate` is what one major unit becomes. Half a unit goes to the even one."""
    exact = Decimal(amount).scaleb(decimals_to - decimals_from) * Decimal(rate)
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


def share(amount: int, basis_points: int) -> int:
    """So many hundredths of a percent of an amount, rounded up."""
    return -(-amount * basis_points // 10_000)
