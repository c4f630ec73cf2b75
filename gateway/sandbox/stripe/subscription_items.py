"""The items of a subscription, and what is billed beside them once. All items of one share one interval here."""

from __future__ import annotations

from gateway.sandbox.stripe import usage_lines
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.invoice_items import check_tax_rates, new_item
from gateway.sandbox.stripe.objects import Obj, merge_metadata
from gateway.sandbox.stripe.price_objects import RECURRING, make_price
from gateway.sandbox.stripe.pricing import price_amount
from gateway.sandbox.stripe.store import Account

ITEM = f"price price_data:{RECURRING} quantity:int metadata:map? tax_rates:[str]?"
SHARED = ("interval", "interval_count")


def new_subscription_item(account: Account, subscription: str, given: Obj, where: str) -> Obj:
    """An item that counts from now on if it is metered; only licensed ones have a quantity."""
    price = _price(account, given, where)
    item: Obj = {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "price": price,
        "subscription": subscription,
        "tax_rates": check_tax_rates(account, given.get("tax_rates"), f"{where}[tax_rates]"),
    }
    usage_lines.start_counting(account, item)
    _set_quantity(item, given, where)
    return account.subscription_items.add(item["id"], item)


def priced(account: Account, given: Obj, where: str) -> tuple[Obj, int | None]:
    """Price and quantity of an item that is to be made later; metered ones have no quantity."""
    item: Obj = {"price": _price(account, given, where)}
    _set_quantity(item, given, where)
    return item["price"], item.get("quantity")


def _set_quantity(item: Obj, given: Obj, where: str) -> None:
    if not usage_lines.metered(item):
        item["quantity"] = _quantity(given["quantity"] if "quantity" in given else item.get("quantity", 1), where)
        return
    if "quantity" in given:
        raise invalid("You cannot set the quantity for metered prices.", param=f"{where}[quantity]")
    item.pop("quantity", None)


def _quantity(quantity: int, where: str) -> int:
    if quantity < 0:
        raise invalid("Invalid non-negative integer", param=f"{where}[quantity]")
    return quantity


def _price(account: Account, given: Obj, where: str) -> Obj:
    if ("price" in given) == ("price_data" in given):
        raise invalid(
            "You must pass exactly one of price and price_data.", param=f"{where}[price]", code="parameter_missing"
        )
    price = _named_or_made(account, given, where)
    if price["recurring"] is None:
        raise invalid(
            "The price specified is set to `type=one_time` but this field only accepts prices with `type=recurring`.",
            param=f"{where}[price]",
        )
    if not price["active"]:
        raise invalid(f"The price specified is inactive. This field only accepts active prices. ({price['id']})")
    return price


def _named_or_made(account: Account, given: Obj, where: str) -> Obj:
    if "price" in given:
        return account.prices.need(given["price"], f"{where}[price]")
    product = account.products.need(given["price_data"]["product"], f"{where}[price_data][product]")
    return make_price(account, product, given["price_data"])


def common_currency(items: list[Obj], currency: str | None) -> str:
    """The one currency of the items, which also share one interval."""
    first = items[0]["price"]
    for item in items:
        if item["price"]["currency"] != (currency or first["currency"]).lower():
            raise invalid("All prices on a subscription must have the same currency.", param="items")
        if any(item["price"]["recurring"][k] != first["recurring"][k] for k in SHARED):
            raise invalid("All prices on a subscription must have the same billing interval here.", param="items")
    return str(first["currency"])


def licensed_amount(account: Account, items: list[Obj]) -> int:
    """What a whole period of the licensed items costs."""
    found = [item for item in items if not usage_lines.metered(item)]
    return sum(price_amount(account.prices[item["price"]["id"]], item["quantity"]) for item in found)


def changed_items(account: Account, subscription: Obj, given: list[Obj], where: str = "items") -> list[Obj]:
    """The items after a change, as new dicts; nothing is stored yet."""
    old = subscription["items"]["data"]
    rows = {item["id"]: {**item} for item in old}
    for number, entry in enumerate(given):
        at = f"{where}[{number}]"
        if "id" not in entry:
            item = new_subscription_item(account, subscription["id"], entry, at)
            item |= {k: old[0][k] for k in ("current_period_start", "current_period_end")}
            rows[item["id"]] = item
            continue
        if entry["id"] not in rows:
            raise missing("subscription_item", entry["id"], param=f"{at}[id]", status=400)
        if entry.get("deleted"):
            _check_clear(rows.pop(entry["id"]), entry, f"{at}[clear_usage]")
            continue
        _change_item(account, rows[entry["id"]], entry, at)
    if not rows:
        raise invalid("A subscription must have at least one active price.", param=where)
    if common_currency(list(rows.values()), None) != subscription["currency"]:
        raise invalid("The currency of a subscription can't be changed.", param=where)
    return list(rows.values())


def _check_clear(item: Obj, entry: Obj, where: str) -> None:
    """Meters keep their usage; the parameter is for the usage records of old (docs: subscription_items/delete)."""
    if "clear_usage" in entry and usage_lines.metered(item):
        raise invalid("`clear_usage` is not supported for prices with billing meters.", param=where)


def _change_item(account: Account, item: Obj, entry: Obj, where: str) -> None:
    if "price" in entry or "price_data" in entry:
        item["price"] = _price(account, entry, where)
    _set_quantity(item, entry, where)
    if "tax_rates" in entry:
        item["tax_rates"] = check_tax_rates(account, entry["tax_rates"], f"{where}[tax_rates]")
    merge_metadata(item, entry)


def differs(one: Obj, other: Obj) -> bool:
    return bool(one["price"]["id"] != other["price"]["id"] or one.get("quantity") != other.get("quantity"))


def add_invoice_items(account: Account, subscription: Obj, customer: Obj, params: Obj) -> bool:
    for at, given in enumerate(params.get("add_invoice_items", [])):
        where = f"add_invoice_items[{at}]"
        if "price" not in given and "price_data" not in given:
            raise invalid("Pass price or price_data.", param=where, code="parameter_missing")
        price = _named_or_made(account, given, where)
        if price["recurring"] is not None:
            raise invalid("add_invoice_items only accepts one-time prices.", param=where)
        quantity = given.get("quantity", 1)
        new_item(
            account,
            customer,
            price["currency"],
            price_amount(price, quantity),
            description=account.products[price["product"]]["name"],
            price=price,
            quantity=quantity,
            subscription=subscription["id"],
            tax_rates=check_tax_rates(account, given.get("tax_rates"), f"{where}[tax_rates]"),
            metadata=given.get("metadata"),
        )
    return bool(params.get("add_invoice_items"))
