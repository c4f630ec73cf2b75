"""Objects as older API versions show them: the present shape is that of 2026-08-26.dahlia.

What moved with 2025-03-31.basil (Stripe's changelog): invoice.subscription, paid, paid_out_of_band, charge,
payment_intent, tax, total_tax_amounts; line.price, plan, type, proration, tax_amounts; invoiceitem.price, subscription,
unit_amount; subscription.current_period_*; credit_note.refund, tax_amounts; payment_intent.invoice, charge.invoice;
price.recurring.aggregate_usage, of the usage records that meters replaced. And one trap: an invoice paid out of band
showed amount_paid=0 and the full amount_remaining (recorded with 2020-08-27).

With 2025-05-28.basil: credit_note.type `mixed`, which was post_payment before. With 2025-09-30.clover: discount.coupon
became source, promotion_code.coupon became promotion.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.sandbox.stripe.objects import Obj, public

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account


def in_version(account: Account, version: str, obj: Obj) -> Obj:
    """`obj` as that API version shows it; the latest change is undone first."""
    shown: Obj = public(obj)
    if shown.get("deleted"):
        return shown
    for since, converters in CHANGES:
        convert = converters.get(shown.get("object", ""))
        if version[:10] < since and convert is not None:
            shown = convert(account, obj, shown)
    return shown


def _invoice(account: Account, obj: Obj, shown: Obj) -> Obj:
    details = (shown.pop("parent") or {}).get("subscription_details") or {}
    oob = obj.get("_paid_by") == "out_of_band" and obj["status"] == "paid"
    intent = account.payment_intents.get(obj.get("_payment_intent") or "")
    taxes = shown.pop("total_taxes") or []
    for name in ("amount_overpaid", "payments", "confirmation_secret"):
        shown.pop(name, None)
    shown |= {
        "subscription": details.get("subscription"),
        "subscription_details": {"metadata": details.get("metadata")},
        "paid": obj["status"] == "paid",
        "paid_out_of_band": oob,
        "payment_intent": None if intent is None or (oob and intent["status"] == "canceled") else intent["id"],
        "charge": intent["latest_charge"] if intent else None,
        "tax": sum(t["amount"] for t in taxes) if taxes else None,
        "total_tax_amounts": [_tax(t) for t in taxes],
        "discount": None,
        "quote": None,
        "transfer_data": None,
        "application_fee_amount": None,
    }
    if oob:
        shown["amount_paid"] -= obj["_out_of_band"]
        shown["amount_remaining"] += obj["_out_of_band"]
    shown["lines"]["data"] = [_line(account, line, line) for line in shown["lines"]["data"]]
    return shown


def _tax(tax: Obj) -> Obj:
    return {
        "amount": tax["amount"],
        "inclusive": tax["tax_behavior"] == "inclusive",
        "tax_rate": (tax["tax_rate_details"] or {}).get("tax_rate"),
        "taxability_reason": tax["taxability_reason"],
        "taxable_amount": tax["taxable_amount"],
    }


def _line(account: Account, obj: Obj, shown: Obj) -> Obj:
    parent = shown.pop("parent") or {}
    item = parent.get("subscription_item_details") or {}
    loose = parent.get("invoice_item_details") or {}
    pricing = shown.pop("pricing") or {}
    price = account.prices.get((pricing.get("price_details") or {}).get("price", ""))
    shown |= {
        "type": "invoiceitem" if loose or item.get("invoice_item") else "subscription",
        "price": _price(account, price, public(price)) if price else None,
        "plan": None,
        "proration": bool((item or loose).get("proration")),
        "subscription": item.get("subscription") or loose.get("subscription"),
        "tax_amounts": [_tax(t) for t in shown.pop("taxes") or []],
        "tax_rates": [],
    }
    if item:
        shown["subscription_item"] = item["subscription_item"]
    if loose or item.get("invoice_item"):
        shown["invoice_item"] = (loose or item)["invoice_item"]
    return shown


def _price(account: Account, obj: Obj, shown: Obj) -> Obj:
    if shown.get("recurring"):
        shown["recurring"]["aggregate_usage"] = None
    return shown


def _item(account: Account, obj: Obj, shown: Obj) -> Obj:
    return shown | {"plan": None, "price": _price(account, obj["price"], shown["price"])}


def _subscription(account: Account, obj: Obj, shown: Obj) -> Obj:
    items = [_item(account, item, item) for item in shown["items"]["data"]]
    shown["items"]["data"] = items
    shown |= {
        "current_period_start": items[0]["current_period_start"] if items else shown["start_date"],
        "current_period_end": items[0]["current_period_end"] if items else shown["start_date"],
        "discount": None,
        "quantity": items[0].get("quantity") if len(items) == 1 else None,
        "plan": None,
    }
    return shown


def _credit_note(account: Account, obj: Obj, shown: Obj) -> Obj:
    refunds = shown.pop("refunds")
    shown["refund"] = refunds[0]["refund"] if refunds else None
    shown["tax_amounts"] = [_tax(t) for t in shown.pop("total_taxes") or []]
    for name in ("pre_payment_amount", "post_payment_amount"):
        shown.pop(name)
    for line in shown["lines"]["data"]:
        line["tax_amounts"] = [_tax(t) for t in line.pop("taxes") or []]
    return shown


def _invoice_item(account: Account, obj: Obj, shown: Obj) -> Obj:
    parent = (shown.pop("parent") or {}).get("subscription_details") or {}
    pricing = shown.pop("pricing") or {}
    price = account.prices.get((pricing.get("price_details") or {}).get("price", ""))
    return shown | {
        "plan": None,
        "price": _price(account, price, public(price)) if price else None,
        "subscription": parent.get("subscription"),
        "subscription_item": parent.get("subscription_item"),
        "unit_amount": price["unit_amount"] if price else None,
        "unit_amount_decimal": pricing.get("unit_amount_decimal"),
    }


def _payment(account: Account, obj: Obj, shown: Obj) -> Obj:
    shown["invoice"] = obj.get("_invoice")
    return shown


def _without_mixed(account: Account, obj: Obj, shown: Obj) -> Obj:
    return shown | {"type": "post_payment"} if shown["type"] == "mixed" else shown


def _discount(account: Account, obj: Obj, shown: Obj) -> Obj:
    return shown | {"coupon": _coupon(account, shown.pop("source"))}


def _promotion_code(account: Account, obj: Obj, shown: Obj) -> Obj:
    return shown | {"coupon": _coupon(account, shown.pop("promotion"))}


def _coupon(account: Account, named: Obj) -> Obj | None:
    coupon = account.coupons.get(named["coupon"] or "")
    return None if coupon is None else public(coupon)


CHANGES: tuple[tuple[str, dict[str, Callable[[Account, Obj, Obj], Obj]]], ...] = (
    ("2025-09-30", {"discount": _discount, "promotion_code": _promotion_code}),
    ("2025-05-28", {"credit_note": _without_mixed}),
    (
        "2025-03-31",
        {
            "invoice": _invoice,
            "invoiceitem": _invoice_item,
            "line_item": _line,
            "price": _price,
            "subscription": _subscription,
            "subscription_item": _item,
            "credit_note": _credit_note,
            "payment_intent": _payment,
            "charge": _payment,
        },
    ),
)
"""What changed when, the latest first."""
