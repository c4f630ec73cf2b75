"""Where a payer lives or is billed, as far as a processor keeps that with a stored method: for the tax on what is owed.

It is the payer's own affair: it goes to Stripe, on request, and into no log, error or row of ours.
"""

from __future__ import annotations

import re

import msgspec

UNKNOWN_COUNTRY = "ZZ"
"""Of no country: ISO 3166-1 leaves it to its users, and some processors say so for one that they weren't told."""


class PayerAddress(msgspec.Struct, frozen=True, omit_defaults=True):
    """`country` is ISO 3166-1 alpha-2 in capital letters; what isn't kept is empty. Its repr hides it."""

    country: str
    postal_code: str = ""
    state: str = ""
    city: str = ""
    line1: str = ""
    line2: str = ""

    def __repr__(self) -> str:
        return "PayerAddress(***)"

    @property
    def only_a_country(self) -> bool:
        return self == PayerAddress(self.country)


def address_of(
    country: str | None,
    postal_code: str | None = None,
    state: str | None = None,
    city: str | None = None,
    line1: str | None = None,
    line2: str | None = None,
) -> PayerAddress | None:
    """What a processor told, None where that is no address: without a country, nobody can say whose tax it is."""
    code = (country or "").strip().upper()
    if not re.fullmatch("[A-Z]{2}", code) or code == UNKNOWN_COUNTRY:
        return None
    rest = ((text or "").strip() for text in (postal_code, state, city, line1, line2))
    return PayerAddress(code, *rest)
