"""How many decimals Checkout.com keeps, by its own list (docs: payments/accept-payments/format-the-amount-value).

There are three kinds of currency: some whole, some divided by 1000 and ending in 0, and all others divided by 100,
whatever ISO 4217 says of them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import iso4217

from processors.money import STRIPE, Exponents

WHOLE: Final = (
    *("bif", "djf", "gnf", "isk", "jpy", "kmf", "krw", "pyg", "rwf", "ugx", "vuv", "vnd", "xaf", "xof", "xpf"),
    "clf",  # unverified: on the list until 2022 only; check before anybody charges in it
)
THOUSANDTHS: Final = ("bhd", "iqd", "jod", "kwd", "lyd", "omr", "tnd")

CURRENCIES: Final = frozenset(one.code.lower() for one in iso4217.Currency if one.exponent is not None)
"""Those that have an amount at all; which of them an account takes is set in the account."""

CHECKOUT_COM: Final = Exponents(
    "Checkout.com",
    differs=dict.fromkeys(CURRENCIES, 2) | dict.fromkeys(WHOLE, 0) | dict.fromkeys(THOUSANDTHS, 3),
    # Pesos are sent with two decimals that must be 00.
    step=dict.fromkeys(THOUSANDTHS, 10) | {"clp": 100},
)

MOST_DIGITS: Final = 9
"""An amount there has nine digits at most."""


def _most(currency: str) -> int:
    """The largest amount of nine digits that both can say, in Stripe's minor units."""
    more = STRIPE.of(currency) - CHECKOUT_COM.of(currency)
    stripes = Decimal(10**MOST_DIGITS - 1).scaleb(more)
    step = max(Decimal(STRIPE.step.get(currency, 1)), Decimal(CHECKOUT_COM.step.get(currency, 1)).scaleb(more))
    return int(stripes // step * step)


MAXIMUM: Final = {currency: _most(currency) for currency in CURRENCIES}
