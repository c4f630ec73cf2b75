"""The endpoints of payment methods."""

from __future__ import annotations

from gateway.sandbox.stripe import payment_methods, ready_made
from gateway.sandbox.stripe.errors import card_error, invalid, missing
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.objects import Obj, listing, merge_metadata
from gateway.sandbox.stripe.routes import PAGE, Call, route

KINDS = "card|sepa_debit|us_bank_account"
BILLING = (
    "billing_details:{address:{line1 line2 city state postal_code country}? email? name? phone? tax_id} "
    "allow_redisplay:always|limited|unspecified metadata:map?"
)
US_ACCOUNT = "account_holder_type:company|individual account_type:checking|savings"


@route(
    "POST",
    "/v1/payment_methods",
    f"type:{KINDS} card:{{number exp_month:int exp_year:int cvc token}} sepa_debit:{{*iban}} "
    f"us_bank_account:{{account_number routing_number {US_ACCOUNT}}} {BILLING}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    kind = params.get("type")
    if kind is None:
        raise invalid("Missing required param: type.", code="parameter_missing", param="type")
    details = params.get(kind)
    if details is None:
        raise invalid(f"Missing required param: {kind}.", code="parameter_missing", param=kind)
    name = _ready_made(kind, details)
    if name is None or ready_made.ALL[name].kind != kind:
        raise card_error("Your card number is incorrect.", "incorrect_number")
    method = payment_methods.make(account, name)
    _set(method, params)
    shown = ("exp_month", "exp_year", "account_holder_type", "account_type", "routing_number")
    method[kind] |= {name: details[name] for name in shown if name in details}
    return method


def _ready_made(kind: str, details: Obj) -> str | None:
    if kind != "card":
        return ready_made.by_number(details.get("iban") or details.get("account_number") or "", kind)
    if "token" in details:
        return ready_made.by_name(details["token"])
    for name in ("number", "exp_month", "exp_year"):
        if name not in details:
            raise invalid(f"Missing required param: card[{name}].", code="parameter_missing", param=f"card[{name}]")
    return ready_made.by_number(details["number"], kind)


def _set(method: Obj, params: Obj) -> None:
    given = params.get("billing_details", {})
    if "address" in given:
        parts = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
        method["billing_details"]["address"] = {**parts, **given["address"]} if given["address"] else None
    for name in ("email", "name", "phone", "tax_id"):
        if name in given:
            method["billing_details"][name] = given[name] or None
    method["allow_redisplay"] = params.get("allow_redisplay", method["allow_redisplay"])
    merge_metadata(method, params)


@route("GET", "/v1/payment_methods/{id}")
def retrieve(call: Call) -> Obj:
    return payment_methods.find(call.account, call.id)


@route(
    "POST",
    "/v1/payment_methods/{id}",
    f"card:{{exp_month:int exp_year:int}} us_bank_account:{{{US_ACCOUNT}}} {BILLING}",
)
def update(call: Call) -> Obj:
    account, params = call.account, call.params
    method = account.payment_methods.need(call.id)
    if method["customer"] is None:
        raise invalid("You must save this PaymentMethod to a customer before you can update it.")
    for kind in ("card", "us_bank_account"):
        if kind in params and method["type"] != kind:
            raise invalid(f"You cannot update `{kind}` of a PaymentMethod of type {method['type']}.", param=kind)
    with updating(account, method, "payment_method.updated"):
        _set(method, params)
        method[method["type"]] |= params.get(method["type"], {})
    return method


@route("POST", "/v1/payment_methods/{id}/attach", "*customer")
def attach(call: Call) -> Obj:
    customer = living(call.account, call.params["customer"], "customer")
    return payment_methods.attach(call.account, payment_methods.find(call.account, call.id), customer)


@route("POST", "/v1/payment_methods/{id}/detach")
def detach(call: Call) -> Obj:
    method = call.account.payment_methods.need(call.id)
    payment_methods.detach(call.account, method)
    return method


@route("GET", "/v1/payment_methods", f"customer type:{KINDS} allow_redisplay:always|limited|unspecified {PAGE}")
def index(call: Call) -> Obj:
    """Without a customer: none, since only Treasury has methods to list then (docs: api/payment_methods/list)."""
    customer = call.params.get("customer")
    if customer is not None:
        call.account.customers.need(customer, "customer")
    return _page(call, customer, "/v1/payment_methods")


def _page(call: Call, customer: str | None, url: str) -> Obj:
    account, params = call.account, call.params

    def keep(method: Obj) -> bool:
        return all(params.get(name) in (None, method[name]) for name in ("type", "allow_redisplay"))

    ids = account.methods_of_customer.get(customer or "", [])
    return listing(url, *account.payment_methods.page(params, keep, ids))


@route(
    "GET",
    "/v1/customers/{id}/payment_methods",
    f"type:{KINDS} allow_redisplay:always|limited|unspecified {PAGE}",
)
def index_of_customer(call: Call) -> Obj:
    living(call.account, call.id)
    return _page(call, call.id, f"/v1/customers/{call.id}/payment_methods")


@route("GET", "/v1/customers/{id}/payment_methods/{method}")
def retrieve_of_customer(call: Call) -> Obj:
    customer, id = call.ids
    method = call.account.payment_methods.need(id)
    if method["customer"] != customer:
        raise missing("PaymentMethod", id)
    return method
