"""What a change means, in the words of the thin events that snapshots do not have.

Their names are those of the official package 16.1; when exactly Stripe sends them is taken from the names. Chosen: a
status counts as reached also where an object begins with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.sandbox.stripe.objects import Obj

STATUSES = frozenset({"active", "incomplete", "incomplete_expired", "past_due", "trialing", "unpaid"})


def told_by(obj: Obj, before: Obj | None) -> list[str]:
    """The types of the thin events that say what is new about `obj`; `before` is None at its making."""
    read = READERS.get(obj.get("object", ""))
    return [] if read is None else [f"v1.{type}" for type in read(before or {}, obj, before is None)]


def _subscription(old: Obj, new: Obj, made: bool) -> Iterator[str]:
    if new.get("status") != old.get("status") and new.get("status") in STATUSES:
        yield f"customer.subscription.{new['status']}"
    if made:
        return
    if new["cancel_at"] != old["cancel_at"]:
        yield "customer.subscription.cancel_at_changed"
    if new["default_payment_method"] != old["default_payment_method"]:
        yield "customer.subscription.default_payment_method_changed"
    yield from _rows(
        "customer.subscription.item",
        _by_id(old["items"]["data"]),
        _by_id(new["items"]["data"]),
        {"price_changed": _price, "quantity_changed": _quantity, "tax_rates_changed": _tax_rates},
    )


def _invoice(old: Obj, new: Obj, made: bool) -> Iterator[str]:
    if made:
        return
    yield from _discounts("invoice", old, new)
    yield from _rows(
        "invoice.line_item",
        _by_id(old["lines"]["data"]),
        _by_id(new["lines"]["data"]),
        {"quantity_changed": _quantity, "pricing_changed": _pricing},
    )


def _invoice_item(old: Obj, new: Obj, made: bool) -> Iterator[str]:
    if made:
        return
    if new["amount"] != old["amount"]:
        yield "invoiceitem.amount_changed"
    yield from _discounts("invoiceitem", old, new)


def _price_object(old: Obj, new: Obj, made: bool) -> Iterator[str]:
    if made:
        return
    yield from _activity("price", old, new)
    for name in ("lookup_key", "tax_behavior"):
        if new[name] != old[name]:
            yield f"price.{name}_changed"


def _product(old: Obj, new: Obj, made: bool) -> Iterator[str]:
    if made:
        return
    yield from _activity("product", old, new)
    for name in ("default_price", "tax_code"):
        if new[name] != old[name]:
            yield f"product.{name}_changed"


def _promotion_code(old: Obj, new: Obj, made: bool) -> Iterator[str]:
    most = new["max_redemptions"]
    if not made and most is not None and old["times_redeemed"] < most <= new["times_redeemed"]:
        yield "promotion_code.fully_redeemed"


def _activity(name: str, old: Obj, new: Obj) -> Iterator[str]:
    if new["active"] != old["active"]:
        yield f"{name}.activated" if new["active"] else f"{name}.deactivated"


def _discounts(name: str, old: Obj, new: Obj) -> Iterator[str]:
    was, now = set(old["discounts"] or ()), set(new["discounts"] or ())
    if now - was:
        yield f"{name}.discount_added"
    if was - now:
        yield f"{name}.discount_removed"


def _rows(prefix: str, old: Obj, new: Obj, changes: dict[str, Callable[[Obj], Any]]) -> Iterator[str]:
    if new.keys() - old.keys():
        yield f"{prefix}_added"
    if old.keys() - new.keys():
        yield f"{prefix}_removed"
    both = old.keys() & new.keys()
    for name, read in changes.items():
        if any(read(old[id]) != read(new[id]) for id in both):
            yield f"{prefix}_{name}"


def _by_id(rows: list[Obj]) -> Obj:
    return {row["id"]: row for row in rows}


def _price(row: Obj) -> Any:
    return row["price"]["id"]


def _quantity(row: Obj) -> Any:
    return row.get("quantity")


def _tax_rates(row: Obj) -> Any:
    return [rate["id"] for rate in row.get("tax_rates") or []]


def _pricing(row: Obj) -> Any:
    return row.get("pricing")


READERS: dict[str, Callable[[Obj, Obj, bool], Iterator[str]]] = {
    "subscription": _subscription,
    "invoice": _invoice,
    "invoiceitem": _invoice_item,
    "price": _price_object,
    "product": _product,
    "promotion_code": _promotion_code,
}
