"""What a charge is for, line by line: for processors that show it to the payer, or that want it to take the charge."""

from __future__ import annotations

import msgspec

from processors.errors import InexactMoneyError
from processors.money import Exponents, Money, to_minor


class Line(msgspec.Struct, frozen=True):
    """One line in minor units of the charge's currency: after its discounts, and without any tax."""

    description: str
    amount: int


class Breakdown(msgspec.Struct, frozen=True):
    """The lines of a charge and the tax on all of them, in minor units of its currency."""

    lines: tuple[Line, ...]
    tax: int = 0

    def adds_up_to(self, amount: int) -> bool:
        """Whether it is that amount to the unit, in lines that any processor takes: none takes less than nothing."""
        amounts = [line.amount for line in self.lines]
        return bool(amounts) and min(amounts) > 0 and self.tax >= 0 and sum(amounts) + self.tax == amount


def said_to(system: Exponents, breakdown: Breakdown, total: Money) -> Breakdown | None:
    """The same in `system`'s minor units; None where it does not add up to the total there.

    The total may be said exactly and a line not; the charge goes out without its lines then, since no rounding is ours
    to make (law 10). Raises UnknownCurrencyError.
    """

    def minor(amount: int) -> int:
        return to_minor(Money(amount, total.currency), system)

    try:
        lines = tuple(Line(line.description, minor(line.amount)) for line in breakdown.lines)
        said = Breakdown(lines, minor(breakdown.tax))
        return said if said.adds_up_to(minor(total.amount)) else None
    except InexactMoneyError:
        return None
