"""The endpoints of prices. What they cost is in `pricing.py`."""

from __future__ import annotations

from gateway.sandbox.stripe.catalog import create_product
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.price_objects import AMOUNT, BEHAVIOR, INTERVAL, make_price
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account

TIER = "{*up_to:int|inf unit_amount:int unit_amount_decimal:num flat_amount:int flat_amount_decimal:num}"


@route(
    "POST",
    "/v1/prices",
    "*currency product product_data:{*name id active:bool metadata:map statement_descriptor tax_code unit_label} "
    f"{AMOUNT} {BEHAVIOR} recurring:{{{INTERVAL} usage_type:licensed|metered meter}} active:bool nickname lookup_key "
    f"metadata:map billing_scheme:per_unit|tiered tiers:[{TIER}] tiers_mode:graduated|volume "
    "transform_quantity:{*divide_by:int *round:down|up} transfer_lookup_key:bool",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if ("product" in params) == ("product_data" in params):
        raise invalid(
            "You must specify either `product` or `product_data` when creating a price.", code="parameter_missing"
        )
    _check_key(account, params, None)
    if "product" in params:
        product = account.products.need(params["product"], "product")
    else:
        product = create_product(Call(account, params["product_data"]))
    price = make_price(account, product, params)
    price |= {"nickname": params.get("nickname"), "active": params.get("active", True)}
    merge_metadata(price, params)
    _take_key(account, params, price)
    record(account, "price.created", price)
    return price


def _holder(account: Account, key: str) -> Obj | None:
    return next((price for price in account.prices.values() if price["lookup_key"] == key), None)


def _check_key(account: Account, params: Obj, price: Obj | None) -> None:
    """A lookup key belongs to one price, unless it is to be transferred."""
    holder = _holder(account, params["lookup_key"]) if "lookup_key" in params else None
    if holder is not None and holder is not price and not params.get("transfer_lookup_key"):
        raise invalid(f"A price (`{holder['id']}`) already uses that lookup key.", param="lookup_key")


def _take_key(account: Account, params: Obj, price: Obj) -> None:
    if "lookup_key" not in params:
        return
    holder = _holder(account, params["lookup_key"])
    if holder is not None and holder is not price:
        with updating(account, holder, "price.updated"):
            holder["lookup_key"] = None
    price["lookup_key"] = params["lookup_key"]


retrieves("/v1/prices/{id}", lambda account: account.prices)


@route("POST", "/v1/prices/{id}", f"active:bool nickname lookup_key transfer_lookup_key:bool metadata:map? {BEHAVIOR}")
def update(call: Call) -> Obj:
    account, params, price = call.account, call.params, call.account.prices.need(call.id)
    behavior = params.get("tax_behavior", price["tax_behavior"])
    if price["tax_behavior"] not in ("unspecified", behavior):
        raise invalid("`tax_behavior` can't be changed once it is exclusive or inclusive.", param="tax_behavior")
    if params.get("active") is False and account.products[price["product"]]["default_price"] == price["id"]:
        raise invalid("This price cannot be archived because it is the default price of its product.", param="active")
    _check_key(account, params, price)
    with updating(account, price, "price.updated"):
        price |= {name: params[name] for name in ("active", "nickname", "tax_behavior") if name in params}
        merge_metadata(price, params)
        _take_key(account, params, price)
    return price


@route(
    "GET",
    "/v1/prices",
    "active:bool currency product type:one_time|recurring lookup_keys:[str] created:range "
    f"recurring:{{interval:day|week|month|year meter usage_type:licensed|metered}} {PAGE}",
)
def index(call: Call) -> Obj:
    params = call.params

    def keep(p: Obj) -> bool:
        recurring = p["recurring"] or {}
        return (
            all(params.get(name) in (None, p[name]) for name in ("active", "currency", "product", "type"))
            and all(recurring.get(name) == value for name, value in params.get("recurring", {}).items())
            and in_range(p["created"], params.get("created"))
            and ("lookup_keys" not in params or p["lookup_key"] in params["lookup_keys"])
        )

    return listing("/v1/prices", *call.account.prices.page(params, keep))
