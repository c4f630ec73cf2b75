"""Products, prices (licensed per unit, recurring or one-time) and tax rates."""

from __future__ import annotations

from decimal import Decimal

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import decimal_text
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route, updates
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.taxes import new_rate

PRODUCT = (
    "description statement_descriptor tax_code unit_label url images:[str]? active:bool shippable:bool metadata:map?"
)
RECURRING = "{*interval:day|week|month|year interval_count:int usage_type:licensed}"
BEHAVIOR = "tax_behavior:exclusive|inclusive|unspecified"
AMOUNT = "unit_amount:int unit_amount_decimal:num"


@route("POST", "/v1/products", f"*name id {PRODUCT}")
def create_product(call: Call) -> Obj:
    params, account = call.params, call.account
    id = params.get("id") or new_id("prod")
    if id in account.products:
        raise invalid(f"Product already exists with ID: {id}", code="resource_already_exists", param="id")
    product = {
        "id": id,
        "object": "product",
        "active": params.get("active", True),
        "created": account.now(),
        "default_price": None,
        "description": params.get("description"),
        "images": params.get("images") or [],
        "livemode": False,
        "marketing_features": [],
        "metadata": {},
        "name": params["name"],
        "package_dimensions": None,
        "shippable": params.get("shippable"),
        "statement_descriptor": params.get("statement_descriptor"),
        "tax_code": params.get("tax_code"),
        "unit_label": params.get("unit_label"),
        "updated": account.now(),
        "url": params.get("url"),
    }
    merge_metadata(product, params)
    account.products.add(id, product)
    record(account, "product.created", product)
    return product


retrieves("/v1/products/{id}", lambda account: account.products)
updates("/v1/products/{id}", f"name {PRODUCT}", lambda account: account.products)


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
    "/v1/prices",
    f"*currency product product_data:{{*name id active:bool metadata:map tax_code unit_label}} {AMOUNT} {BEHAVIOR} "
    f"recurring:{RECURRING} active:bool nickname lookup_key metadata:map billing_scheme:per_unit "
    "transfer_lookup_key:bool",
)
def create_price(call: Call) -> Obj:
    account, params = call.account, call.params
    if ("product" in params) == ("product_data" in params):
        raise invalid(
            "You must specify either `product` or `product_data` when creating a price.", code="parameter_missing"
        )
    if "product" in params:
        product = account.products.need(params["product"], "product")
    else:
        product = create_product(Call(account, params["product_data"]))
    price = make_price(account, product, params)
    price |= {"nickname": params.get("nickname"), "lookup_key": params.get("lookup_key")}
    price["active"] = params.get("active", True)
    if params.get("transfer_lookup_key"):
        for other in account.prices.values():
            if other is not price and other["lookup_key"] == params.get("lookup_key"):
                other["lookup_key"] = None
    merge_metadata(price, params)
    record(account, "price.created", price)
    return price


def make_price(account: Account, product: Obj, params: Obj) -> Obj:
    """A stored price from the parameters that prices and ``price_data`` share. Unit amounts in minor units."""
    if ("unit_amount" in params) == ("unit_amount_decimal" in params):
        raise invalid("You must specify either `unit_amount` or `unit_amount_decimal`.", code="parameter_missing")
    unit = Decimal(params["unit_amount"]) if "unit_amount" in params else params["unit_amount_decimal"]
    if unit < 0:
        raise invalid("Invalid non-negative integer", param="unit_amount")
    recurring = params.get("recurring")
    if recurring is not None:
        recurring = {
            "interval": recurring["interval"],
            "interval_count": recurring.get("interval_count", 1),
            "meter": None,
            "usage_type": "licensed",
        }
    price = {
        "id": new_id("price"),
        "object": "price",
        "active": True,
        "billing_scheme": "per_unit",
        "created": account.now(),
        "currency": params["currency"].lower(),
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": None,
        "metadata": {},
        "nickname": None,
        "product": product["id"],
        "recurring": recurring,
        "tax_behavior": params.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "recurring" if recurring else "one_time",
        "unit_amount": int(unit) if unit == unit.to_integral_value() else None,
        "unit_amount_decimal": decimal_text(unit),
        "_unit": unit,
    }
    return account.prices.add(price["id"], price)


retrieves("/v1/prices/{id}", lambda account: account.prices)
updates("/v1/prices/{id}", f"active:bool nickname lookup_key metadata:map? {BEHAVIOR}", lambda account: account.prices)


@route(
    "GET", "/v1/prices", f"active:bool currency product type:one_time|recurring lookup_keys:[str] created:range {PAGE}"
)
def list_prices(call: Call) -> Obj:
    params = call.params

    def keep(p: Obj) -> bool:
        return (
            all(params.get(name) in (None, p[name]) for name in ("active", "currency", "product", "type"))
            and in_range(p["created"], params.get("created"))
            and ("lookup_keys" not in params or p["lookup_key"] in params["lookup_keys"])
        )

    return listing("/v1/prices", *call.account.prices.page(params, keep))


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
