"""Money as integers in Stripe's minor units, and the one place where they become another system's units.

Every amount inside Tollbridge is a `Money`: an integer in the minor unit that *Stripe* uses for the currency, with the
currency in lower case. Processors disagree with Stripe and with ISO 4217 about the number of decimals, so each system
has one exponent table, and a conversion that would lose a fraction is refused (law 10).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import iso4217
import msgspec

from processors.errors import InexactMoneyError, UnknownCurrencyError

MAX_AMOUNT_MINOR: Final = 10**15
"""An upper bound on any single amount: larger ones are a mistake, not a payment."""


class Money(msgspec.Struct, frozen=True, order=True):
    """An amount in Stripe's minor units of `currency` (ISO 4217 code, lower case)."""

    amount: int
    currency: str

    def __post_init__(self) -> None:
        if not isinstance(self.amount, int) or isinstance(self.amount, bool):
            raise TypeError(f"money is an integer number of minor units, not {type(self.amount).__name__}")
        if not -MAX_AMOUNT_MINOR <= self.amount <= MAX_AMOUNT_MINOR:
            raise InexactMoneyError(f"{self.amount} {self.currency} is beyond what one amount may be")
        if len(self.currency) != 3 or not self.currency.isascii() or not self.currency.islower():
            raise UnknownCurrencyError(f"currency {self.currency!r} is not a lower-case ISO 4217 code")

    def __add__(self, other: Money) -> Money:
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount - self._same(other), self.currency)

    def _same(self, other: Money) -> int:
        if other.currency != self.currency:
            raise InexactMoneyError(f"{self.currency} and {other.currency} do not add up")
        return other.amount


def check_positive(money: Money) -> None:
    """What is charged or refunded is more than nothing; raises InexactMoneyError, before anything is sent."""
    if money.amount <= 0:
        raise InexactMoneyError(f"a charge or refund is of more than nothing, not {money.amount}")


class Exponents(msgspec.Struct, frozen=True):
    """How many decimals one system keeps: ISO 4217, and where that system differs from it.

    `step` names currencies of which the system takes only multiples of so many minor units.
    """

    system: str
    differs: Mapping[str, int] = {}
    step: Mapping[str, int] = {}

    def of(self, currency: str) -> int:
        """The number of decimals that this system keeps for `currency`; raises UnknownCurrencyError."""
        if currency in self.differs:
            return self.differs[currency]
        try:
            exponent = iso4217.Currency(currency.upper()).exponent
        except ValueError:
            raise UnknownCurrencyError(f"{self.system} has no currency {currency!r}") from None
        if exponent is None:
            raise UnknownCurrencyError(f"{currency!r} has no minor unit, so it can't be charged")
        return int(exponent)


STRIPE: Final = Exponents(
    "Stripe",
    # docs.stripe.com/currencies: MGA is zero-decimal there; ISK and UGX are sent as two-decimal amounts ending in 00.
    differs={"isk": 2, "mga": 0, "ugx": 2},
    step={"isk": 100, "ugx": 100, "bhd": 10, "jod": 10, "kwd": 10, "omr": 10, "tnd": 10},
)


def to_decimal(money: Money) -> Decimal:
    """The amount in major units, exactly: `Money(1050, "eur")` is `Decimal("10.50")`."""
    return Decimal(money.amount).scaleb(-STRIPE.of(money.currency))


def to_text(amount: int, currency: str) -> str:
    """An amount in Stripe's minor units as people read it: `12.00 EUR`, `1,000 JPY`. Never rounded; raises nothing.

    A currency that Stripe writes with decimals and takes in whole units alone is shown without them: `5 ISK` is 500.
    """
    currency = currency.lower()
    try:
        exponent, value = STRIPE.of(currency), to_decimal(Money(amount, currency))
    except (InexactMoneyError, UnknownCurrencyError):
        return f"{amount} {currency.upper()} (minor units)"
    whole = STRIPE.step.get(currency) == 10**exponent and value == value.to_integral_value()
    return f"{value:,.{0 if whole else exponent}f} {currency.upper()}"


def to_minor(money: Money, system: Exponents) -> int:
    """The amount in `system`'s minor units; raises InexactMoneyError where it can't be said exactly."""
    shift = system.of(money.currency) - STRIPE.of(money.currency)
    scaled = Decimal(money.amount).scaleb(shift)
    minor = int(scaled)
    if minor != scaled or minor % system.step.get(money.currency, 1):
        raise InexactMoneyError(f"{to_decimal(money)} {money.currency} can't be said exactly to {system.system}")
    return minor


def to_decimal_string(money: Money, system: Exponents) -> str:
    """The amount as the decimal string that `system` wants, with exactly its number of decimals."""
    exponent = system.of(money.currency)
    return f"{Decimal(to_minor(money, system)).scaleb(-exponent):.{exponent}f}"


def from_minor(amount: int, currency: str, system: Exponents) -> Money:
    """Money from `system`'s minor units; raises InexactMoneyError where Stripe's units can't hold it."""
    currency = currency.lower()
    scaled = Decimal(amount).scaleb(STRIPE.of(currency) - system.of(currency))
    if int(scaled) != scaled:
        raise InexactMoneyError(f"{amount} {currency} of {system.system} is not a whole number of Stripe's units")
    return Money(int(scaled), currency)


def from_decimal_string(text: str, currency: str, system: Exponents) -> Money:
    """Money from a decimal string; raises InexactMoneyError for no number, or more decimals than `system` keeps."""
    currency = currency.lower()
    if not re.fullmatch(r"-?[0-9]{1,20}(\.[0-9]{1,10})?", text):  # Decimal also reads exponents and NaN
        raise InexactMoneyError(f"{system.system} answered with an amount that is no number")
    scaled = Decimal(text).scaleb(system.of(currency))
    if int(scaled) != scaled:
        raise InexactMoneyError(f"{text} {currency} has more decimals than {system.system} keeps")
    return from_minor(int(scaled), currency, system)
