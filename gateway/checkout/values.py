"""What a checkout is asked for, and the errors that its caller can mend."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from db.states import Collection
from gateway.customers.errors import SessionError
from gateway.customers.locations import Address, IpAddress, location_params
from gateway.customers.offers import Attributes


def _about(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


PromotionCode = Annotated[str, _about("As the payer types it.")]
MetadataValue = Annotated[str, msgspec.Meta(max_length=500)]


class CustomerDetails(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A new customer."""

    name: Annotated[str, _about("Stands on the invoice.")] = ""
    email: Annotated[str, _about("Written to Stripe only where the account says that invoice mails are off.")] = ""
    address: Annotated[Address | None, _about("Stands on the invoice, and decides the tax.")] = None
    ip_address: IpAddress = ""


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A Stripe price, so many times."""

    price: Annotated[str, msgspec.Meta(min_length=1, max_length=500, description="The price's id at Stripe.")]
    quantity: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None,
        _about("Of this price; by itself 1. A metered price has none: what is used is reported."),
    ] = None


class CheckoutRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A checkout. Amounts are never part of it: they come from Stripe."""

    client_reference: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=200,
            description="Yours, such as an order's number: the same one gives the same session while it lives.",
        ),
    ]
    items: Annotated[list[Item], msgspec.Meta(min_length=1, max_length=20, description="What is subscribed to.")]
    days_until_due: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=365)] | None,
        _about("Of every invoice: in these days it is collected; by itself the account's policy."),
    ] = None
    customer: Annotated[str, _about("A customer that is at Stripe already; else `customer_details`.")] = ""
    customer_details: Annotated[CustomerDetails | None, _about("For a new customer.")] = None
    default_tax_rates: Annotated[list[str], msgspec.Meta(max_length=10, description="Ids of Stripe tax rates.")] = []
    automatic_tax: Annotated[bool, _about("Stripe computes the tax.")] = False
    promotion_code: PromotionCode = ""
    trial_period_days: Annotated[int, msgspec.Meta(ge=0, le=730, description="Free days before the first invoice.")] = 0
    metadata: Annotated[
        dict[str, MetadataValue], _about("For the Stripe subscription: names of 1 to 40 letters without brackets.")
    ] = {}
    attributes: Attributes = {}
    collection: Annotated[
        Collection | None,
        _about(
            "`hosted`: the payer pays this subscription's invoices on Stripe's own page; `processor`: we charge them. "
            "By itself as for the customer, or as the account's policy says."
        ),
    ] = None
    payment_method: Annotated[str, _about("A stored one of the customer's; goes with `confirm`.")] = ""
    confirm: Annotated[
        bool,
        _about(
            "Collect at once, with `payment_method` or with the method of the customer's that comes first; where it is "
            "`hosted`, finalize at once."
        ),
    ] = False


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may still change while a session is open."""

    address: Annotated[Address | None, _about("The customer's new address.")] = None
    ip_address: IpAddress = ""
    promotion_code: PromotionCode = ""


class CheckoutError(SessionError):
    """A checkout that can't be met."""


def customer_params(details: CustomerDetails | None, *, mails_off: bool, taxed: bool) -> dict[str, Any]:
    """The details in Stripe's parameters. `mails_off`: Stripe's mails are off, or wanted.

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
