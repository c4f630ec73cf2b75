"""The items of a subscription, and what is billed beside them once. All items of one share one interval here."""

from __future__ import annotations

from gateway.sandbox.stripe import cycle
from gateway.sandbox.stripe.catalog import make_price
from gateway.sandbox.stripe.errors import invalid, missing
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.invoice_items import check_tax_rates, new_item
from gateway.sandbox.stripe.lines import price_amount
from gateway.sandbox.stripe.objects import Obj, merge_metadata, public
from gateway.sandbox.stripe.store import Account

BEHAVIOR = "tax_behavior:exclusive|inclusive|unspecified"
PRICE_DATA = (
    "{*currency *product *recurring:{*interval:day|week|month|year interval_count:int} "
    f"unit_amount:int unit_amount_decimal:num {BEHAVIOR}}}"
)
ITEM = f"price price_data:{PRICE_DATA} quantity:int metadata:map? tax_rates:[str]?"
ONE_TIME = f"{{*currency *product unit_amount:int unit_amount_decimal:num {BEHAVIOR}}}"


def new_subscription_item(account: Account, subscription: str, given: Obj, where: str) -> Obj:
    price = _price(account, given, where)
    return {
        "id": new_id("si"),
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": account.now(),
        "current_period_end": 0,
        "current_period_start": 0,
        "discounts": [],
        "metadata": given.get("metadata") or {},
        "price": public(price),
        "quantity": _quantity(given.get("quantity", 1), where),
        "subscription": subscription,
        "tax_rates": check_tax_rates(account, given.get("tax_rates"), f"{where}[tax_rates]"),
    }


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
        same = ("interval", "interval_count")
        if any(item["price"]["recurring"][k] != first["recurring"][k] for k in same):
            raise invalid("All prices on a subscription must have the same billing interval here.", param="items")
    return str(first["currency"])


def change_items(account: Account, subscription: Obj, given: list[Obj], *, at: int, prorate: bool) -> bool:
    """Apply the changes; True when another interval restarted the cycle (which is then billed at once)."""
    old = {item["id"]: item for item in cycle.items_of(subscription)}
    rows = {id: {**item} for id, item in old.items()}
    for number, entry in enumerate(given):
        where = f"items[{number}]"
        if "id" not in entry:
            item = new_subscription_item(account, subscription["id"], entry, where)
            first = cycle.items_of(subscription)[0]
            item |= {k: first[k] for k in ("current_period_start", "current_period_end")}
            rows[item["id"]] = item
            continue
        if entry["id"] not in rows:
            raise missing("subscription_item", entry["id"], param=f"{where}[id]", status=400)
        if entry.get("deleted"):
            del rows[entry["id"]]
            continue
        _change_item(account, rows[entry["id"]], entry, where)
    if not rows:
        raise invalid("A subscription must have at least one active price.", param="items")
    if common_currency(list(rows.values()), None) != subscription["currency"]:
        raise invalid("The currency of a subscription can't be changed.", param="items")
    before = next(iter(old.values()))["price"]["recurring"]
    after = next(iter(rows.values()))["price"]["recurring"]
    restart = any(before[k] != after[k] for k in ("interval", "interval_count"))
    for id, item in old.items():
        if prorate and (id not in rows or restart or _differs(item, rows[id])):
            cycle.prorate(account, subscription, item, at=at, sign=-1)
    for id, item in rows.items():
        if prorate and not restart and (id not in old or _differs(old[id], item)):
            cycle.prorate(account, subscription, item, at=at, sign=1)
    subscription["items"]["data"] = list(rows.values())
    if restart and subscription["status"] != "trialing":
        now = account.now()
        subscription["billing_cycle_anchor"] = now
        cycle.set_period(subscription, now, cycle.next_end(subscription, now))
        cycle.schedule(account, subscription)
        return True
    return False


def _change_item(account: Account, item: Obj, entry: Obj, where: str) -> None:
    if "price" in entry or "price_data" in entry:
        item["price"] = public(_price(account, entry, where))
    if "quantity" in entry:
        item["quantity"] = _quantity(entry["quantity"], where)
    if "tax_rates" in entry:
        item["tax_rates"] = check_tax_rates(account, entry["tax_rates"], f"{where}[tax_rates]")
    merge_metadata(item, entry)


def _differs(one: Obj, other: Obj) -> bool:
    return bool(one["price"]["id"] != other["price"]["id"] or one["quantity"] != other["quantity"])


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
