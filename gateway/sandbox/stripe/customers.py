"""Customers: address, tax location, balance (minor units; negative is credit), metadata."""

from __future__ import annotations

from gateway.sandbox.stripe import balances, payment_methods, payments
from gateway.sandbox.stripe.closing import mark_uncollectible
from gateway.sandbox.stripe.cycle import end_now
from gateway.sandbox.stripe.drafts import follow_drafts
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import require_location

ADDRESS = "{line1? line2? city? state? postal_code? country?}"
FIELDS = (
    "name? email? phone? description? business_name? individual_name? balance:int metadata:map? "
    f"address:{ADDRESS}? shipping:{{*name phone? *address:{ADDRESS}}}? tax_exempt:none|exempt|reverse? "
    "invoice_prefix next_invoice_sequence:int preferred_locales:[str] "
    "invoice_settings:{default_payment_method? footer? custom_fields:[{*name *value}]?}"
)
TEXTS = ("name", "email", "phone", "description")
MAX_ON_CLOCK = 3
PARTS = ("line1", "line2", "city", "state", "postal_code", "country")


@route(
    "POST",
    "/v1/customers",
    f"{FIELDS} payment_method test_clock tax:{{ip_address? validate_location:deferred|immediately}}",
)
def create(call: Call) -> Obj:
    account, test_clock = call.account, call.params.get("test_clock")
    if test_clock is not None:
        _check_room(account, test_clock)
    id = new_id("cus")
    customer: Obj = {
        "id": id,
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": account.now(),
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None,
        },
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": test_clock,
        "_tax_ip": None,
    }  # fmt: skip
    account.customers.add(id, customer)
    try:
        _set(customer, call.params)
        if call.params.get("tax", {}).get("validate_location") == "immediately":
            require_location(account, customer)
        methods = _methods(account, call.params)
    except Exception:
        del account.customers[id]
        raise
    _set_balance(account, customer, call.params, "initial")
    record(account, "customer.created", customer)
    for method in methods.values():
        payment_methods.attach(account, method, customer)
    default = call.params.get("invoice_settings", {}).get("default_payment_method")
    if default:
        with updating(account, customer, "customer.updated"):
            customer["invoice_settings"]["default_payment_method"] = methods[default]["id"]
    return customer


def _check_room(account: Account, test_clock: str) -> None:
    account.test_clocks.need(test_clock, "test_clock")
    if sum(customer.get("test_clock") == test_clock for customer in account.customers.values()) >= MAX_ON_CLOCK:
        raise invalid(f"You can have at most {MAX_ON_CLOCK} customers on a test clock.", param="test_clock")


def _methods(account: Account, params: Obj) -> dict[str, Obj]:
    """The methods that a new customer begins with, by the names given; each can be saved and is nobody's yet."""
    names = [params.get("payment_method"), params.get("invoice_settings", {}).get("default_payment_method")]
    methods = {name: payment_methods.find(account, name, "payment_method") for name in dict.fromkeys(names) if name}
    for name, method in methods.items():
        payment_methods.check_storable(account, method)
        if method["customer"] is not None:
            raise payment_methods.missing_at_customer(name, "payment_method")
    return methods


def _set(customer: Obj, params: Obj) -> None:
    for name in TEXTS:
        if name in params:
            customer[name] = params[name] or None
    for name in ("business_name", "individual_name"):
        if params.get(name):
            customer[name] = params[name]
    for name in ("invoice_prefix", "next_invoice_sequence", "preferred_locales"):
        if name in params:
            customer[name] = params[name]
    if "tax_exempt" in params:
        customer["tax_exempt"] = params["tax_exempt"] or "none"
    if "address" in params:
        customer["address"] = _address(params["address"], customer["address"])
    if "shipping" in params:
        given = params["shipping"]
        customer["shipping"] = None
        if given:
            customer["shipping"] = {
                "address": _address(given["address"], None), "name": given["name"], "phone": given.get("phone") or None,
            }  # fmt: skip
    for name, value in (params.get("invoice_settings") or {}).items():
        if name != "default_payment_method":
            customer["invoice_settings"][name] = value or None
    if "ip_address" in params.get("tax", {}):
        customer["_tax_ip"] = params["tax"]["ip_address"] or None
    merge_metadata(customer, params)


def _address(given: Obj | str, old: Obj | None) -> Obj | None:
    if not given or isinstance(given, str):
        return None
    merged = {**dict.fromkeys(PARTS), **(old or {}), **given}
    return {name: merged[name] or None for name in PARTS}


retrieves("/v1/customers/{id}", lambda account: account.customers)


@route("POST", "/v1/customers/{id}", f"{FIELDS} tax:{{ip_address? validate_location:auto|deferred|immediately}}")
def update(call: Call) -> Obj:
    account, customer = call.account, living(call.account, call.id)
    default = _default(account, customer, call.params)
    before = {name: customer[name] for name in ("address", "shipping", "_tax_ip")}
    with updating(account, customer, "customer.updated"):
        _set(customer, call.params)
        customer["invoice_settings"] |= default
        if call.params.get("tax", {}).get("validate_location") == "immediately":
            try:
                require_location(account, customer)
            except Exception:
                customer |= before
                raise
        _set_balance(account, customer, call.params, "adjustment")
    follow_drafts(account, customer)
    return customer


def _set_balance(account: Account, customer: Obj, params: Obj, type: str) -> None:
    change = params.get("balance", customer["balance"]) - customer["balance"]
    if change:
        balances.book(account, customer, change, type)


def _default(account: Account, customer: Obj, params: Obj) -> Obj:
    name = "default_payment_method"
    given = params.get("invoice_settings", {}).get(name)
    if given is None:
        return {}
    where = f"invoice_settings[{name}]"
    return {name: payment_methods.owned(account, given, customer, where) if given else None}


@route("DELETE", "/v1/customers/{id}")
def delete(call: Call) -> Obj:
    """Cancels the subscriptions at once (docs: customers/delete); open invoices are marked uncollectible, as the
    acceptance cases have it; drafts go."""
    customer = living(call.account, call.id)
    remove(call.account, customer)
    return customer


def remove(account: Account, customer: Obj) -> None:
    for id in account.subscriptions_of_customer.get(customer["id"], []):
        if account.subscriptions[id]["status"] not in ENDED:
            end_now(account, account.subscriptions[id])
    for id in account.invoices_of_customer.get(customer["id"], []):
        invoice = account.invoices.get(id)
        if invoice is not None and invoice["status"] == "open":
            payments.drop_attached(account, invoice)
            mark_uncollectible(account, invoice)
        if invoice is not None and invoice["status"] == "draft":
            invoice |= {"auto_advance": False, "automatically_finalizes_at": None}
    record(account, "customer.deleted", customer)
    id = customer["id"]
    payment_methods.forget(account, id)
    customer.clear()
    customer |= {"id": id, "object": "customer", "deleted": True}


@route("GET", "/v1/customers", f"created:range email test_clock {PAGE}")
def index(call: Call) -> Obj:
    params = call.params

    def keep(c: Obj) -> bool:
        return (
            not c.get("deleted")
            and c["test_clock"] == params.get("test_clock")
            and params.get("email") in (None, c["email"])
            and in_range(c["created"], params.get("created"))
        )

    return listing("/v1/customers", *call.account.customers.page(params, keep))
