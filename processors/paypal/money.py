"""PayPal's amounts: decimal strings with each currency's own number of decimals."""

from __future__ import annotations

from typing import Final

from processors.errors import UnknownCurrencyError
from processors.money import Exponents, Money, check_positive, from_decimal_string, to_decimal_string
from processors.paypal.wire import ApiMoney

PAYPAL: Final = Exponents("PayPal", differs={"huf": 0, "twd": 0})
"""ISO 4217 but for two: "This currency does not support decimals" (docs: currency codes, for HUF, JPY and TWD)."""

# fmt: off
CURRENCIES: Final = frozenset({
    "aud", "brl", "cad", "chf", "cny", "czk", "dkk", "eur", "gbp", "hkd", "huf", "ils",
    "jpy", "mxn", "myr", "nok", "nzd", "php", "pln", "sek", "sgd", "thb", "twd", "usd",
})
# fmt: on
"""What an account may be paid in (docs: currency codes). BRL, CNY and MYR within their own country alone."""


def api_money(money: Money) -> dict[str, str]:
    """An amount as PayPal wants it; raises MoneyError for one of nothing, and for what it can't say exactly."""
    if money.currency not in CURRENCIES:
        raise UnknownCurrencyError(f"PayPal takes no {money.currency.upper()}")
    check_positive(money)
    return {"currency_code": money.currency.upper(), "value": to_decimal_string(money, PAYPAL)}


def our_money(told: ApiMoney) -> Money:
    """Raises MoneyError."""
    return from_decimal_string(told.value, told.currency_code, PAYPAL)
