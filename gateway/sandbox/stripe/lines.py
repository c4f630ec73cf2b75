"""Invoice lines: of a subscription's items, and of invoice items."""

from __future__ import annotations

from decimal import Decimal

from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.money import decimal_text, part_of
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.pricing import Part, parts
from gateway.sandbox.stripe.store import Account


def pricing(price: Obj, unit: Decimal | None = None) -> Obj:
    """`unit` instead of the price's own, for a tier."""
    return {
        "price_details": {"price": price["id"], "product": price["product"]},
        "type": "price_details",
        "unit_amount_decimal": price["unit_amount_decimal"] if unit is None else decimal_text(unit),
    }


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


def of_period(
    account: Account, subscription: Obj, item: Obj, *, trial: bool = False, share: tuple[int, int] | None = None
) -> list[Obj]:
    """The lines of one licensed item for its current period, in advance; nothing is due for a trial.

    `share`: seconds of a shortened first period, and of a whole one.
    """
    span = (item["current_period_start"], item["current_period_end"])
    if trial:
        price = account.prices[item["price"]["id"]]
        text = f"Trial period for {account.products[price['product']]['name']}"
        part = Part(0, Decimal(item["quantity"]), price["_unit"] or Decimal(0))
        return [_of_part(subscription, item, price, part, text, span)]
    lines = of_quantity(account, subscription, item, Decimal(item["quantity"]), span)
    if share is None:
        return lines
    for line in lines:
        amount = part_of(line["amount"], *share)
        line |= {"amount": amount, "subtotal": amount}
        line["parent"] = item_parent(subscription["id"], item["id"], None, proration=True)
    return lines


def of_quantity(account: Account, subscription: Obj, item: Obj, quantity: Decimal, span: tuple[int, int]) -> list[Obj]:
    """One line for each part of the price: one, or one for each tier and each flat fee."""
    price = account.prices[item["price"]["id"]]
    name = account.products[price["product"]]["name"]
    return [
        _of_part(subscription, item, price, part, _text(price, name, part), span) for part in parts(price, quantity)
    ]


def _text(price: Obj, name: str, part: Part) -> str:
    """As Stripe words it: ``12 × Plan (Tier 2 at 5 EUR / month)``; the words for a flat fee are chosen."""
    at = f"{decimal_text(part.unit / 100)} {price['currency'].upper()}"
    if part.flat:
        return f"{name} (Tier {part.tier} flat fee at {at})"
    tier = f"Tier {part.tier} " if part.tier else ""
    return f"{decimal_text(part.quantity)} × {name} ({tier}at {at} / {price['recurring']['interval']})"


def _of_part(subscription: Obj, item: Obj, price: Obj, part: Part, text: str, span: tuple[int, int]) -> Obj:
    line = _line(price["currency"], part.amount, text, *span)
    line |= {
        "parent": item_parent(subscription["id"], item["id"], None, proration=False),
        "pricing": pricing(price, part.unit if part.tier else None),
        "quantity": int(part.quantity),
        "quantity_decimal": decimal_text(part.quantity),
        "subscription": subscription["id"],
        "_tax_rates": [rate["id"] for rate in item["tax_rates"]],
        "_tax_behavior": price["tax_behavior"],
    }
    return line


def item_parent(subscription: str, item: str, invoice_item: str | None, *, proration: bool) -> Obj:
    return {
        "invoice_item_details": None,
        "subscription_item_details": {
            "invoice_item": invoice_item,
            "proration": proration,
            "proration_details": {"credited_items": None},
            "subscription": subscription,
            "subscription_item": item,
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
        "parent": _parent(invoice_item, details),
        "pricing": invoice_item["pricing"],
        "quantity": invoice_item["quantity"],
        "quantity_decimal": invoice_item["quantity_decimal"],
        "subscription": details.get("subscription"),
        "_invoice_item": invoice_item["id"],
        "_tax_rates": [rate["id"] for rate in invoice_item["tax_rates"]],
        "_tax_behavior": invoice_item["_tax_behavior"],
    }
    return line


def _parent(invoice_item: Obj, details: Obj) -> Obj:
    """What comes of a subscription's item (prorations) names that; anything else the invoice item."""
    if "subscription_item" in details:
        return item_parent(
            details["subscription"],
            details["subscription_item"],
            invoice_item["id"],
            proration=invoice_item["proration"],
        )
    return {
        "invoice_item_details": {
            "invoice_item": invoice_item["id"],
            "proration": invoice_item["proration"],
            "proration_details": {"credited_items": None},
            "subscription": details.get("subscription"),
        },
        "subscription_item_details": None,
        "type": "invoice_item_details",
    }
