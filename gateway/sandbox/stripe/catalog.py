"""Products, prices (licensed per unit, recurring or one-time) and tax rates."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata, snapshot
from gateway.sandbox.stripe.price_objects import AMOUNT, BEHAVIOR, INTERVAL, make_price
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route, updates
from gateway.sandbox.stripe.taxes import new_rate

PRODUCT = "statement_descriptor images:[str]? active:bool shippable:bool metadata:map? marketing_features:[{*name}]?"
TEXTS = ("description", "tax_code", "unit_label", "url")
PLAIN = ("name", "statement_descriptor", "active", "shippable")
DEFAULT_PRICE = f"{{*currency {AMOUNT} {BEHAVIOR} recurring:{{{INTERVAL}}} metadata:map}}"


@route(
    "POST",
    "/v1/products",
    f"*name id description tax_code unit_label url default_price_data:{DEFAULT_PRICE} {PRODUCT}",
)
def create_product(call: Call) -> Obj:
    params, account = call.params, call.account
    id = params.get("id") or new_id("prod")
    if id in account.products:
        raise invalid(f"Product already exists with ID: {id}", code="resource_already_exists", param="id")
    product = {
        "id": id,
        "object": "product",
        "active": True,
        "created": account.now(),
        "default_price": None,
        "description": None,
        "images": [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": params["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": None,
        "unit_label": None,
        "updated": account.now(),
        "url": None,
    }
    _set_product(product, params)
    if "default_price_data" in params:
        price = make_price(account, product, params["default_price_data"])
        merge_metadata(price, params["default_price_data"])
        product["default_price"] = price["id"]
    account.products.add(id, product)
    record(account, "product.created", product)
    if "default_price_data" in params:
        record(account, "price.created", price)
    return product


def _set_product(product: Obj, params: Obj) -> None:
    product |= {name: params[name] for name in PLAIN if name in params}
    product |= {name: params[name] or None for name in TEXTS if name in params}
    product |= {name: params[name] or [] for name in ("images", "marketing_features") if name in params}
    merge_metadata(product, params)


retrieves("/v1/products/{id}", lambda account: account.products)


@route("POST", "/v1/products/{id}", f"name default_price description? tax_code? unit_label? url? {PRODUCT}")
def update_product(call: Call) -> Obj:
    account, params, product = call.account, call.params, call.account.products.need(call.id)
    if (
        "default_price" in params
        and account.prices.need(params["default_price"], "default_price")["product"] != call.id
    ):
        raise invalid("The price belongs to another product.", param="default_price")
    with updating(account, product, "product.updated"):
        before = snapshot(product)
        _set_product(product, params)
        product["default_price"] = params.get("default_price", product["default_price"])
        if product != before:
            product["updated"] = account.now()
    return product


@route("DELETE", "/v1/products/{id}")
def delete_product(call: Call) -> Obj:
    """Only a product without prices can be deleted (docs: products/delete)."""
    account, product = call.account, call.account.products.need(call.id)
    if any(price["product"] == call.id for price in account.prices.values()):
        raise invalid("This product cannot be deleted because it has one or more user-created prices.")
    del account.products[call.id]
    record(account, "product.deleted", product)
    return {"id": call.id, "object": "product", "deleted": True}


@route("GET", "/v1/products", f"active:bool created:range ids:[str] {PAGE}")
def list_products(call: Call) -> Obj:
    params = call.params

    def keep(p: Obj) -> bool:
        return (
            params.get("active") in (None, p["active"])
            and in_range(p["created"], params.get("created"))
            and ("ids" not in params or p["id"] in params["ids"])
        )

    return listing("/v1/products", *call.account.products.page(params, keep))


@route(
    "POST",
    "/v1/tax_rates",
    "*display_name *inclusive:bool *percentage:num active:bool country state description jurisdiction metadata:map "
    "tax_type:gst|hst|igst|jct|pst|qst|rst|sales_tax|vat|service_tax",
)
def create_tax_rate(call: Call) -> Obj:
    account, params = call.account, call.params
    if not 0 <= params["percentage"] <= 100:
        raise invalid("Percentage must be between 0 and 100.", param="percentage")
    rate = new_rate(account, params["display_name"], params["percentage"], params["inclusive"])
    for name in ("active", "country", "state", "description", "jurisdiction", "tax_type"):
        rate[name] = params.get(name, rate[name])
    merge_metadata(rate, params)
    account.tax_rates.add(rate["id"], rate)
    record(account, "tax_rate.created", rate)
    return rate


retrieves("/v1/tax_rates/{id}", lambda account: account.tax_rates)
updates(
    "/v1/tax_rates/{id}",
    "active:bool display_name description jurisdiction country state metadata:map?",
    lambda account: account.tax_rates,
)


@route("GET", "/v1/tax_rates", f"active:bool inclusive:bool created:range {PAGE}")
def list_tax_rates(call: Call) -> Obj:
    params = call.params

    def keep(r: Obj) -> bool:
        named = all(params.get(name) in (None, r[name]) for name in ("active", "inclusive"))
        return named and in_range(r["created"], params.get("created"))

    return listing("/v1/tax_rates", *call.account.tax_rates.page(params, keep))
