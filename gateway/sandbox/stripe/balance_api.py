"""The endpoints of a customer's balance transactions."""

from __future__ import annotations

from gateway.sandbox.stripe import balances
from gateway.sandbox.stripe.drafts import follow_drafts
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.holders import fix_currency, living
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.routes import PAGE, Call, route

ALL = "/v1/customers/{customer}/balance_transactions"
ONE = f"{ALL}/{{transaction}}"


@route("POST", ALL, "*amount:int *currency description metadata:map?")
def create(call: Call) -> Obj:
    """An adjustment: negative credits the customer."""
    account, params = call.account, call.params
    customer = living(account, call.id)
    if params["amount"] == 0:
        raise invalid("Invalid integer: amount must not be zero.", param="amount")
    fix_currency(account, customer, params["currency"].lower())
    with updating(account, customer, "customer.updated"):
        row = balances.book(account, customer, params["amount"], "adjustment")
    row["description"] = params.get("description")
    merge_metadata(row, params)
    follow_drafts(account, customer)
    return row


def _need(call: Call) -> Obj:
    customer, id = call.ids
    row = call.account.balance_transactions.get(id)
    if row is None or row["customer"] != customer:
        raise missing("customer balance transaction", id)
    return row


@route("GET", ONE)
def retrieve(call: Call) -> Obj:
    return _need(call)


@route("POST", ONE, "description metadata:map?")
def update(call: Call) -> Obj:
    row = _need(call)
    row["description"] = call.params.get("description", row["description"])
    merge_metadata(row, call.params)
    return row


@route("GET", ALL, f"created:range invoice {PAGE}")
def index(call: Call) -> Obj:
    account, params = call.account, call.params
    account.customers.need(call.id)

    def keep(row: Obj) -> bool:
        return params.get("invoice") in (None, row["invoice"]) and in_range(row["created"], params.get("created"))

    ids = account.balance_transactions_of_customer.get(call.id, [])
    url = f"/v1/customers/{call.id}/balance_transactions"
    return listing(url, *account.balance_transactions.page(params, keep, ids))
