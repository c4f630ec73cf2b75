"""Where a customer is taxed, as Stripe is told of it: the same for a checkout and for a customer who has moved."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from gateway.customers.offers import Country


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


IpAddress = Annotated[str, _about("The payer's: a weak location for tax, used where the address is missing.")]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    country: Country = ""
    postal_code: Annotated[str, _about("Or ZIP code.")] = ""
    state: Annotated[str, _about("Or province, county, region.")] = ""
    city: Annotated[str, _about("Or town, village, suburb.")] = ""
    line1: Annotated[str, _about("Street and number.")] = ""
    line2: Annotated[str, _about("Flat, suite, floor.")] = ""


NOTHING: Final = dict.fromkeys(Address.__struct_fields__, "")


def location_params(address: Address | None, ip_address: str, *, taxed: bool) -> dict[str, Any]:
    """Where the customer is taxed, in Stripe's parameters: an address takes the place of the one before.

    `taxed`: Stripe computes the tax, so a place that it does not know is refused now, and not when the invoice can't be
    finalized for lack of it (Stripe's tax documentation).
    """
    params: dict[str, Any] = {}
    tax: dict[str, Any] = {}
    if address is not None:
        # In full: Stripe keeps the parts that it isn't told, and nobody lives in Berlin, California.
        params["address"] = NOTHING | msgspec.to_builtins(address)
    if ip_address:
        tax["ip_address"] = ip_address
    if taxed and (address is not None or ip_address):
        tax["validate_location"] = "immediately"
    return params | ({"tax": tax} if tax else {})
