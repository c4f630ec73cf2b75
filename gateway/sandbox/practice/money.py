"""The practice processor's own minor units: ISO 4217 decimals, upper-case codes."""

from __future__ import annotations

NO_DECIMALS = frozenset(
    "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split()  # noqa: SIM905 - a table
)
THREE_DECIMALS = frozenset(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"])


def minimum(currency: str) -> int:
    """The smallest charge, 1.00 in major units, in minor units of `currency`."""
    if currency in NO_DECIMALS:
        return 1
    return 1000 if currency in THREE_DECIMALS else 100
