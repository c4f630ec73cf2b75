"""Invoice lines: of a subscription's items, and of invoice items."""

from __future__ import annotations

from decimal import Decimal

from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import decimal_text, nearest
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.store import Account


def pricing(price: Obj) -> Obj:
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"],
    }


def price_amount(price: Obj, quantity: int | Decimal) -> int:
    """Unit times quantity in minor units, rounded half away from zero."""
    return nearest(price["_unit"] * quantity)


def _line(currency: str, amount: int, description: str | None, start: int, end: int) -> Obj:
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": False,
        "metadata": {},
        "parent": None,
        "period": {"end": end, "start": start},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
        "_tax_rates": [],
        "_tax_behavior": "unspecified",
    }


def of_period(account: Account, subscription: Obj, item: Obj, *, trial: bool = False) -> Obj:
    """The line of one subscription item for its current period, in advance; nothing is due for a trial."""
    price = account.prices[item["price"]["id"]]
    product = account.products[price["product"]]
    quantity = item["quantity"]
    amount = 0 if trial else price_amount(price, quantity)
    unit = decimal_text(price["_unit"] / 100)
    every = price["recurring"]["interval"]
    text = f"{quantity} × {product['name']} (at {unit} {price['currency'].upper()} / {every})"
    if trial:
        text = f"Trial period for {product['name']}"
    line = _line(price["currency"], amount, text, item["current_period_start"], item["current_period_end"])
    line |= {
        "parent": item_parent(subscription, item, None, proration=False),
        "pricing": pricing(price),
        "quantity": quantity,
        "quantity_decimal": str(quantity),
        "subscription": subscription["id"],
        "_tax_rates": [rate["id"] for rate in item["tax_rates"]],
        "_tax_behavior": price["tax_behavior"],
    }
    return line


def item_parent(subscription: Obj, item: Obj, invoice_item: str | None, *, proration: bool) -> Obj:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": invoice_item,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription["id"],
            "subscription_item": item["id"],
        },
        "type": "subscription_item_details",
    }


def of_item(invoice_item: Obj) -> Obj:
    """The line that an invoice item becomes."""
    period = invoice_item["period"]
    line = _line(
        invoice_item["currency"], invoice_item["amount"], invoice_item["description"], period["start"], period["end"]
    )
    details = (invoice_item["parent"] or {}).get("subscription_details") or {}
    line |= {
        "discountable": invoice_item["discountable"],
        "metadata": dict(invoice_item["metadata"]),
        "parent": {
            "invoice_item_details": {
                "invoice_item": invoice_item["id"],
                "proration": invoice_item["proration"],
                "proration_details": {"credited_items": None},
                "subscription": details.get("subscription"),
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "pricing": invoice_item["pricing"],
        "quantity": invoice_item["quantity"],
        "quantity_decimal": invoice_item["quantity_decimal"],
        "subscription": details.get("subscription"),
        "_invoice_item": invoice_item["id"],
        "_tax_rates": [rate["id"] for rate in invoice_item["tax_rates"]],
        "_tax_behavior": invoice_item["_tax_behavior"],
    }
    return line
