"""Prorations: pending items for the rest of a period, by the second (docs: billing/subscriptions/prorations).

Discounts are left out of prorations here; Stripe takes them in.
"""

from __future__ import annotations

from decimal import Decimal

from gateway.sandbox.stripe import usage_lines
from gateway.sandbox.stripe.invoice_items import new_item
from gateway.sandbox.stripe.money import part_of
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.pricing import price_amount
from gateway.sandbox.stripe.store import Account


def prorate(account: Account, subscription: Obj, item: Obj, *, at: int, sign: int) -> Obj | None:
    """A pending item for the rest of the item's period: credit (`sign` −1) or charge (+1)."""
    if usage_lines.metered(item):
        return None
    start, end = item["current_period_start"], item["current_period_end"]
    price = account.prices[item["price"]["id"]]
    amount = sign * part_of(price_amount(price, item["quantity"]), end - at, end - start)
    product = account.products[price["product"]]["name"]
    if amount == 0 or end <= at:
        return None
    return new_item(
        account,
        account.customers[subscription["customer"]],
        subscription["currency"],
        amount,
        description=f"{'Remaining' if sign > 0 else 'Unused'} time on {item['quantity']} × {product}",
        price=price,
        quantity=item["quantity"],
        period=(at, end),
        subscription=subscription["id"],
        subscription_item=item["id"],
        proration=True,
        tax_rates=item["tax_rates"],
    )


def bill_usage(account: Account, subscription: Obj, item: Obj) -> None:
    """A metered price goes in mid-period: what it counted becomes pending items.

    Docs usage-based/manage-billing-setup: flexible billing mode only; in classic mode the usage is never billed.
    """
    now, start = account.now(), max(item["current_period_start"], item["_counts_from"])
    if subscription["billing_mode"]["type"] != "flexible" or now <= start:
        return
    price = account.prices[item["price"]["id"]]
    for line in usage_lines.of_item(account, subscription, item, start, now):
        if line["amount"]:
            new_item(
                account,
                account.customers[subscription["customer"]],
                subscription["currency"],
                line["amount"],
                description=line["description"],
                price=price,
                unit=Decimal(line["pricing"]["unit_amount_decimal"]),
                quantity=Decimal(line["quantity_decimal"]),
                period=(start, now),
                subscription=subscription["id"],
                subscription_item=item["id"],
                tax_rates=item["tax_rates"],
            )
