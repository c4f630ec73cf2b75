"""Braintree's amounts: decimal strings, with as many decimals as the currency has."""

from __future__ import annotations

from typing import Final

from processors.money import Exponents, Money, check_positive, from_decimal_string, to_decimal_string

BRAINTREE: Final = Exponents("Braintree")
"""ISO 4217. An amount is a whole number or has two or three decimals, as the merchant account's currency has (docs:
graphql scalar Amount, TransactionInput.amount).

unverified: that no currency differs there (compare docs reference/general/currencies, and charge HUF and TWD, which
PayPal takes without decimals, through a PayPal account).
"""


def written(money: Money) -> str:
    """The amount as Braintree writes it; raises MoneyError, so also for one that is not more than nothing."""
    check_positive(money)
    return to_decimal_string(money, BRAINTREE)


def read(value: str, currency: str) -> Money:
    """Raises MoneyError."""
    return from_decimal_string(value, currency, BRAINTREE)
