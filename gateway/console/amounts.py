"""Amounts as people type them, exactly: `12.50`, `12,50`, `1,234.50`, `12.50 EUR`, `€12.50`. What reads in two ways is
not guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from processors.errors import InexactMoneyError, UnknownCurrencyError
from processors.money import STRIPE, Money, from_decimal_string, to_decimal, to_minor

TYPED: Final = re.compile(
    r"(?P<before>[€£$])?\s*(?P<number>[0-9][0-9.,]*|[.,][0-9]+)\s*(?P<code>[A-Za-z]{3})?(?P<after>[€£$])?"
)
GROUPED: Final = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
LONE_COMMA: Final = re.compile(r"[0-9]+,(?P<behind>[0-9]+)")
# What half of Europe writes for a thousand.
LONE_POINT: Final = re.compile(r"[0-9]+\.[0-9]{3}")
SIGNS: Final[Mapping[str, frozenset[str]]] = {
    "€": frozenset({"eur"}),
    "£": frozenset({"gbp"}),
    "$": frozenset({"usd", "aud", "cad", "hkd", "mxn", "nzd", "sgd"}),
}
"""What a sign may stand for. It is taken where the currency is one of them."""


class AmountError(ValueError):
    """What was typed is no amount of the currency; the message says what to type."""


def typed_amount(text: str, currency: str) -> int:
    """More than nothing, in Stripe's minor units; `currency`: empty before the invoice was read. Raises AmountError."""
    if not currency:
        raise AmountError("The invoice's currency is not known yet: Stripe is asked for it. Try again.")
    _refuse_unknown(currency)
    found = TYPED.fullmatch(text.strip())
    if found is None:
        raise AmountError(f"Type an amount in {currency.upper()}, such as {_example(currency)}.")
    other = next((name for name in _names(found) if currency not in _meant_by(name)), "")
    if other:
        raise AmountError(f"The invoice is in {currency.upper()}, not in {other}.")
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
    names = _names(found) if found is not None else []
    if found is None or not names:
        raise AmountError("Type an amount with its currency, such as 100.00 EUR.")
    meant = frozenset.intersection(*map(_meant_by, names))
    if not meant:
        raise AmountError(f"{names[0]} is not {names[1]}.")
    if len(meant) > 1:
        raise AmountError("Write which dollars, such as 100.00 USD.")
    (currency,) = meant
    _refuse_unknown(currency)
    try:
        return _read(found["number"], currency)
    except InexactMoneyError:
        raise AmountError(f"Type an amount in {currency.upper()}, such as {_example(currency)}.") from None


def plain_amount(amount: int, currency: str) -> str:
    """As it is typed, without the currency: `12.50`, `1000`."""
    value = to_decimal(Money(amount, currency))
    whole = _is_whole(currency) and value == value.to_integral_value()
    return f"{value:.{0 if whole else STRIPE.of(currency)}f}"


def _refuse_unknown(currency: str) -> None:
    try:
        STRIPE.of(currency)
    except UnknownCurrencyError:
        raise AmountError(f"There is no currency {currency.upper()}.") from None


def _read(number: str, currency: str) -> Money:
    """Raises AmountError, InexactMoneyError."""
    return from_decimal_string(_bare(number, currency), currency, STRIPE)


def _names(found: re.Match[str]) -> list[str]:
    """What names a currency in it: a code, a sign, or both, which then must agree."""
    signs = (found["before"], (found["code"] or "").upper(), found["after"])
    return [name for name in signs if name]


def _meant_by(name: str) -> frozenset[str]:
    return SIGNS.get(name, frozenset({name.lower()}))


def _bare(number: str, currency: str) -> str:
    """With a point before decimals, and nothing between thousands. Raises AmountError."""
    if number[0] in ".,":
        number = f"0{number}"
    if "," not in number:
        if LONE_POINT.fullmatch(number) and STRIPE.of(currency) != 3:
            raise _two_ways(number, currency)
        return number
    # A comma before three digits may mean thousands or decimals, unless nobody pays parts of the unit.
    lone = LONE_COMMA.fullmatch(number)
    if GROUPED.fullmatch(number) and (not lone or _is_whole(currency)):
        return number.replace(",", "")
    if not lone:
        raise AmountError(
            f"Write a point before decimals, and nothing between thousands: such as {_example(currency)}."
        )
    digits, wanted = len(lone["behind"]), STRIPE.of(currency)
    if digits == 3 and wanted:
        raise _two_ways(number, currency)
    if digits != wanted:
        after = f"exactly {wanted} decimals stand after a comma, " if wanted else ""
        raise AmountError(f"Type an amount in {currency.upper()}: {after}such as {_example(currency)}.")
    return number.replace(",", ".")


def _two_ways(number: str, currency: str) -> AmountError:
    return AmountError(
        f"{number} reads in two ways. Write a point before decimals, and nothing between thousands: "
        f"such as {_example(currency)}."
    )


def _is_whole(currency: str) -> bool:
    """Whether nobody pays parts of its unit."""
    return STRIPE.step.get(currency, 1) == int(10 ** STRIPE.of(currency))


def _example(currency: str) -> str:
    return plain_amount(STRIPE.step.get(currency, 1) * 1250, currency)
