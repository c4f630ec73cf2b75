"""What somebody may mean by what they type into the search of invoices. Pure.

An amount without a currency is that number of major units in any currency. Stripe's minor units differ by currency: 119
are 11900 cents, and 119 yen.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Final

import iso4217
import msgspec

from processors.errors import MoneyError
from processors.money import MAX_AMOUNT_MINOR, STRIPE

LONGEST: Final = 255
CODE: Final = r"(?P<{}>[A-Za-z]{{3}})"
AMOUNT: Final = re.compile(rf"(?:{CODE.format('before')}\s*)?(?P<digits>\d[\d.,' ]*?)(?:\s*{CODE.format('after')})?")


class Amount(msgspec.Struct, frozen=True):
    """An amount in Stripe's minor units, and the currencies in which it is the one that was typed."""

    minor: int
    currencies: tuple[str, ...]


class Sought(msgspec.Struct, frozen=True):
    """What is looked for. `words`: an id, a number, or what a processor calls a payment; empty for what can be none."""

    words: str = ""
    mail: str = ""
    amounts: tuple[Amount, ...] = ()


def understood(typed: str) -> Sought | None:
    """What was typed; None where nothing was."""
    text = " ".join(typed.replace("\0", "").split())[:LONGEST]
    if not text:
        return None
    if "@" in text.strip("@"):
        # A processor's reference may have one too.
        return Sought(text, mail=text.lower())
    return Sought(text, amounts=_amounts(text))


def _amounts(text: str) -> tuple[Amount, ...]:
    found = AMOUNT.fullmatch(text)
    if found is None:
        return ()
    value, code = _decimal(found["digits"]), (found["before"] or found["after"] or "").lower()
    if value is None or (found["before"] and found["after"]):
        return ()
    wanted = (
        {exponent: (code,) for exponent, codes in _currencies().items() if code in codes} if code else _currencies()
    )
    scaled = ((value.scaleb(exponent), codes) for exponent, codes in wanted.items())
    return tuple(
        Amount(int(minor), codes) for minor, codes in scaled if minor == int(minor) and minor <= MAX_AMOUNT_MINOR
    )


def _decimal(digits: str) -> Decimal | None:
    """`1190`, `1,190.00`, `1.190,00` or `1190,00` as a number. A comma before just three digits parts thousands."""
    bare = digits.replace("'", "").replace(" ", "").rstrip(".,")
    last = max(bare.rfind("."), bare.rfind(","))
    if last < 0:
        return Decimal(bare)
    mark, fraction = bare[last], bare[last + 1 :]
    many = bare.count(mark) > 1 or (mark == "," and len(fraction) == 3 and "." not in bare)
    whole = re.sub("[.,]", "", bare if many else bare[:last])
    return Decimal(whole if many else f"{whole or 0}.{fraction}") if len(bare) <= 20 else None


@cache
def _currencies() -> Mapping[int, tuple[str, ...]]:
    """Every currency that Stripe could take, by the decimals that it keeps for it."""
    found: dict[int, list[str]] = defaultdict(list)
    for currency in iso4217.Currency:
        code = currency.code.lower()
        with suppress(MoneyError):  # it has no minor unit: nothing is charged in it
            found[STRIPE.of(code)].append(code)
    return {exponent: tuple(codes) for exponent, codes in found.items()}
