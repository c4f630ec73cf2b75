"""Customers as other objects need them: alive, and of one currency."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


def living(account: Account, id: str, param: str | None = None) -> Obj:
    """A living customer. Deleted ones count as missing for every write."""
    customer = account.customers.need(id, param)
    if customer.get("deleted"):
        raise missing("customer", id, param=param or "id", status=404 if param is None else 400)
    return customer


def fix_currency(account: Account, customer: Obj, currency: str) -> None:
    """A customer has one currency, set by the first invoice (docs: billing/customer)."""
    if customer["currency"] not in (None, currency):
        raise invalid(
            "You cannot combine currencies on a single customer. This customer has had a subscription, coupon, or "
            f"invoice item with currency {customer['currency']}",
        )
    customer["currency"] = currency


def set_delinquent(account: Account, id: str, value: bool) -> None:
    """The most recent change of any invoice: failed or past due is true, paid or given up by hand false (Customer)."""
    customer = account.customers[id]
    if not customer.get("deleted") and customer["delinquent"] != value:
        with updating(account, customer, "customer.updated"):
            customer["delinquent"] = value
