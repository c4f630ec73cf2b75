"""What a checkout is asked for, and the errors that its caller can mend."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
MetadataValue = Annotated[str, msgspec.Meta(max_length=500)]


class Address(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A postal address; `country` is ISO 3166-1 alpha-2."""

    country: Country = ""
    postal_code: str = ""
    state: str = ""
    city: str = ""
    line1: str = ""
    line2: str = ""


class CustomerDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A new customer. `ip_address` is a weak location for tax, used where the address is missing."""

    name: str = ""
    email: str = ""
    address: Address | None = None
    ip_address: str = ""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Stripe price, so many times."""

    price: Text
    quantity: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1


class CheckoutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A checkout. Amounts are never part of it: they come from Stripe.

    With `confirm`, it is collected at once with `payment_method`, or with the customer's stored one.
    """

    client_reference: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=20)]
    days_until_due: Annotated[int, msgspec.Meta(ge=1, le=365)] = 10
    customer: str = ""
    customer_details: CustomerDetails | None = None
    default_tax_rates: Annotated[list[str], msgspec.Meta(max_length=10)] = []
    automatic_tax: bool = False
    promotion_code: str = ""
    trial_period_days: Annotated[int, msgspec.Meta(ge=0, le=730)] = 0
    metadata: dict[str, MetadataValue] = {}
    payment_method: str = ""
    confirm: bool = False


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may still change while a session is open."""

    address: Address | None = None
    ip_address: str = ""
    promotion_code: str = ""


class CheckoutError(Exception):
    """A request that can't be met. `code` is of the API's closed list; `param` names what to mend."""

    def __init__(self, code: str, message: str, param: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def customer_params(details: CustomerDetails | None, *, mails_off: bool, taxed: bool) -> dict[str, Any]:
    """The details in Stripe's parameters.

    An e-mail address makes Stripe send its own invoice mails with its own payment page, so it is written only where the
    account says that those are switched off (Stripe's guide to third-party processors).
    """
    if details is None:
        return {}
    params: dict[str, Any] = {}
    if details.name:
        params["name"] = details.name
    if details.email and mails_off:
        params["email"] = details.email
    params.update(location_params(details.address, details.ip_address, taxed=taxed))
    return params


def location_params(address: Address | None, ip_address: str, *, taxed: bool) -> dict[str, Any]:
    """Where the customer is taxed, in Stripe's parameters.

    `taxed`: Stripe computes the tax, so a place that it does not know is refused now, and not when the invoice can't be
    finalized for lack of it (Stripe's tax documentation).
    """
    params: dict[str, Any] = {}
    tax: dict[str, Any] = {}
    if address is not None:
        params["address"] = msgspec.to_builtins(address)
    if ip_address:
        tax["ip_address"] = ip_address
    if taxed and (address is not None or ip_address):
        tax["validate_location"] = "immediately"
    return params | ({"tax": tax} if tax else {})
