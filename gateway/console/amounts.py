"""Amounts as people type them, exactly: `12.50`, `1,234.50`, `12.50 EUR`. What reads in two ways is not guessed."""

from __future__ import annotations

import re
from typing import Final

from processors.errors import InexactMoneyError, UnknownCurrencyError
from processors.money import STRIPE, Money, from_decimal_string, to_decimal, to_minor

TYPED: Final = re.compile(r"(?P<number>[0-9][0-9.,]*|\.[0-9]+)\s*(?P<code>[A-Za-z]{3})?")
GROUPED: Final = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")


class AmountError(ValueError):
    """What was typed is no amount of the currency; the message says what to type."""


def typed_amount(text: str, currency: str) -> int:
    """More than nothing, in Stripe's minor units; raises AmountError."""
    found = TYPED.fullmatch(text.strip())
    if found is None:
        raise AmountError(f"Type an amount in {currency.upper()}, such as {_example(currency)}.")
    if found["code"] and found["code"].lower() != currency:
        raise AmountError(f"The invoice is in {currency.upper()}, not in {found['code'].upper()}.")
    try:
        money = _read(found["number"], currency)
        to_minor(money, STRIPE)
    except InexactMoneyError:
        smallest = plain_amount(STRIPE.step.get(currency, 1), currency)
        raise AmountError(
            f"Type an amount in {currency.upper()}, such as {_example(currency)}: {smallest} is the smallest step."
        ) from None
    if money.amount <= 0:
        raise AmountError("Type an amount above zero.")
    return money.amount


def typed_money(text: str) -> Money:
    """An amount that names its currency, nothing included; raises AmountError."""
    found = TYPED.fullmatch(text.strip())
    if found is None or not found["code"]:
        raise AmountError("Type an amount with its currency, such as 100.00 EUR.")
    currency = found["code"].lower()
    try:
        return _read(found["number"], currency)
    except UnknownCurrencyError:
        raise AmountError(f"There is no currency {currency.upper()}.") from None
    except InexactMoneyError:
        raise AmountError(f"Type an amount in {currency.upper()}, such as {_example(currency)}.") from None


def plain_amount(amount: int, currency: str) -> str:
    """As it is typed, without the currency: `12.50`, `1000`."""
    value = to_decimal(Money(amount, currency))
    whole = _is_whole(currency) and value == value.to_integral_value()
    return f"{value:.{0 if whole else STRIPE.of(currency)}f}"


def _read(number: str, currency: str) -> Money:
    """Raises AmountError, MoneyError."""
    return from_decimal_string(_bare(number, currency), currency, STRIPE)


def _bare(number: str, currency: str) -> str:
    """Without the commas that group thousands, where they can't be anything else."""
    if "," not in number:
        return f"0{number}" if number.startswith(".") else number
    if not GROUPED.fullmatch(number) or not ("." in number or _is_whole(currency)):
        raise AmountError(f"Write decimals after a point, and no comma: such as {_example(currency)}.")
    return number.replace(",", "")


def _is_whole(currency: str) -> bool:
    """Whether nobody pays parts of its unit."""
    return STRIPE.step.get(currency, 1) == int(10 ** STRIPE.of(currency))


def _example(currency: str) -> str:
    return plain_amount(STRIPE.step.get(currency, 1) * 1250, currency)
