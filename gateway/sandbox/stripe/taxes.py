"""A stand-in for Stripe Tax: a small table, and the rules for when a location suffices.

Location: shipping address, then billing address, then IP. The United States need a 5-digit ZIP, Canada a province or
postal code, elsewhere the country is enough (docs: tax/customer-locations). Rates are examples, not tax advice.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import number
from gateway.sandbox.stripe.objects import Obj

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

RATES = {
    "AT": ("vat", "20"), "BE": ("vat", "21"), "DE": ("vat", "19"), "DK": ("vat", "25"), "ES": ("vat", "21"),
    "FR": ("vat", "20"), "GB": ("vat", "20"), "IE": ("vat", "23"), "IT": ("vat", "22"), "NL": ("vat", "21"),
    "PL": ("vat", "23"), "SE": ("vat", "25"), "CH": ("vat", "8.1"), "US": ("sales_tax", "8"), "CA": ("hst", "13"),
    "AU": ("gst", "10"), "JP": ("jct", "10"),
}  # fmt: skip
UNKNOWN_LOCATION = (
    "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax."
)


def location(account: Account, customer: Obj) -> tuple[str, str | None, str] | None:
    """Country, state and the source of the customer's tax location, or None where Stripe would not know it."""
    places = [
        ((customer.get("shipping") or {}).get("address"), "shipping_destination"),
        (customer.get("address"), "billing_address"),
    ]
    for address, source in places:
        if address and address.get("country"):
            return (address["country"], address.get("state"), source) if _enough(address) else None
    if customer.get("_tax_ip") and _global(customer["_tax_ip"]):
        return account.country, None, "ip_address"  # a stand-in: every public address lies in the account's country
    return None


def _enough(address: Obj) -> bool:
    country = address["country"]
    if country == "US":
        return re.match(r"\d{5}", address.get("postal_code") or "") is not None
    if country == "CA":
        return bool(address.get("state") or address.get("postal_code"))
    return len(country) == 2 and country.isalpha()


def _global(ip: str) -> bool:
    try:
        return ipaddress.ip_address(ip).is_global
    except ValueError:
        return False


def customer_tax(account: Account, customer: Obj) -> Obj:
    """``customer.tax``, which Stripe shows only when expanded."""
    stored = account.customers[customer["id"]]
    place = location(account, stored)
    known = any(stored.get(k) for k in ("address", "shipping", "_tax_ip"))
    status = "supported" if place and place[0] in RATES else "not_collecting" if place else "unrecognized_location"
    return {
        "automatic_tax": status if place or known else "unrecognized_location",
        "ip_address": stored.get("_tax_ip"),
        "location": {"country": place[0], "state": place[1], "source": place[2]} if place else None,
        "provider": "stripe",
    }


def require_location(account: Account, customer: Obj) -> None:
    if location(account, customer) is None:
        raise invalid(UNKNOWN_LOCATION, code="customer_tax_location_invalid", param="address")


def automatic_rate(account: Account, customer: Obj, inclusive: bool) -> Obj | None:
    """The tax rate that automatic tax applies, made on first use; None where nothing is collected."""
    place = location(account, customer)
    if place is None or place[0] not in RATES:
        return None
    kind, percent = RATES[place[0]]
    for rate in account.tax_rates.values():
        if rate.get("_automatic") and rate["country"] == place[0] and rate["inclusive"] == inclusive:
            return rate
    rate = new_rate(account, kind.replace("_", " ").upper(), Decimal(percent), inclusive)
    return account.tax_rates.add(rate["id"], {**rate, "country": place[0], "tax_type": kind, "_automatic": True})


def new_rate(account: Account, name: str, percent: Decimal, inclusive: bool) -> Obj:
    return {
        "id": new_id("txr"),
        "object": "tax_rate",
        "active": True,
        "country": None,
        "created": account.now(),
        "description": None,
        "display_name": name,
        "effective_percentage": number(percent),
        "flat_amount": None,
        "inclusive": inclusive,
        "jurisdiction": None,
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": {},
        "percentage": number(percent),
        "rate_type": "percentage",
        "state": None,
        "tax_type": None,
        "_percent": percent,
    }


def sum_by_rate(taxes: Iterable[Obj]) -> list[Obj]:
    """One row for each tax rate."""
    by_rate: dict[Any, Obj] = {}
    for tax in taxes:
        key = tax["tax_rate_details"]["tax_rate"]
        if key in by_rate:
            by_rate[key]["amount"] += tax["amount"]
            by_rate[key]["taxable_amount"] += tax["taxable_amount"]
        else:
            by_rate[key] = {**tax}
    return list(by_rate.values())
