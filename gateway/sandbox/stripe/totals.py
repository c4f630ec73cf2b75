"""From lines to amounts: discounts, then taxes, then totals. Pure arithmetic on integers and Decimals.

Discounts apply one after the other, each to what the former left; a fixed amount is spread over the lines in
proportion. Taxes are rounded per line and rate, half away from zero (Stripe lets an account choose; the documents are
silent on the default for a line with several rates).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from gateway.sandbox.stripe.money import nearest, share
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.taxes import automatic_rate, location, sum_by_rate

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

HUNDRED = Decimal(100)


def recompute(account: Account, invoice: Obj) -> None:
    """Bring a draft's amounts in line with its lines, discounts, tax settings and customer."""
    lines: list[Obj] = invoice["lines"]["data"]
    _discount(account, invoice, lines)
    inclusive_before = _tax(account, invoice, lines)
    subtotal = sum(line["amount"] for line in lines)
    discounted = sum(d["amount"] for d in invoice["total_discount_amounts"])
    taxes = sum_by_rate(tax for line in lines for tax in line["taxes"])
    exclusive = sum(t["amount"] for t in taxes if t["tax_behavior"] == "exclusive")
    total = subtotal - discounted + exclusive
    invoice |= {
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - inclusive_before,
        "total_taxes": taxes,
        "total": total,
        "total_excluding_tax": total - sum(t["amount"] for t in taxes),
    }
    preview_balance(account, invoice)
    if invoice["automatic_tax"]["enabled"]:
        known = location(account, account.customers[invoice["customer"]]) is not None
        invoice["automatic_tax"]["status"] = "complete" if known else "requires_location_inputs"


def preview_balance(account: Account, invoice: Obj) -> None:
    """``amount_due`` = total + customer balance, never below zero; a draft shows it, finalization takes it."""
    balance = account.customers[invoice["customer"]].get("balance", 0)
    due = max(0, invoice["total"] + balance)
    invoice |= {"starting_balance": balance, "amount_due": due, "amount_remaining": due}


def _discount(account: Account, invoice: Obj, lines: list[Obj]) -> None:
    left = {line["id"]: line["amount"] for line in lines}
    totals: list[Obj] = []
    for line in lines:
        line["discount_amounts"] = []
    for discount_id in invoice["discounts"]:
        coupon = account.coupons[account.discounts[discount_id]["source"]["coupon"]]
        open_lines = [line for line in lines if line["discountable"] and left[line["id"]] > 0]
        open_lines = [line for line in open_lines if _applies(account, coupon, line)]
        amounts = [left[line["id"]] for line in open_lines]
        if coupon["percent_off"] is not None:
            cuts = [nearest(Decimal(amount) * coupon["_percent"] / HUNDRED) for amount in amounts]
        else:
            cuts = share(min(coupon["amount_off"], sum(amounts)), amounts)
        for line, cut in zip(open_lines, cuts, strict=True):
            left[line["id"]] -= cut
            line["discount_amounts"].append({"amount": cut, "discount": discount_id})
        totals.append({"amount": sum(cuts), "discount": discount_id})
    invoice["total_discount_amounts"] = totals


def _applies(account: Account, coupon: Obj, line: Obj) -> bool:
    products = coupon.get("_products")
    return not products or ((line["pricing"] or {}).get("price_details") or {}).get("product") in products


def _tax(account: Account, invoice: Obj, lines: list[Obj]) -> int:
    """Set each line's taxes; returns the inclusive tax that the amounts before discounts contain."""
    customer = account.customers[invoice["customer"]]
    contained = 0
    for line in lines:
        rates = _rates(account, invoice, customer, line)
        net = line["amount"] - sum(d["amount"] for d in line["discount_amounts"])
        inside = sum((r["_percent"] for r in rates if r["inclusive"]), Decimal(0))
        line["taxes"] = []
        base = nearest(Decimal(net) * HUNDRED / (HUNDRED + inside))
        for rate in rates:
            amount = nearest(Decimal(net) * rate["_percent"] / (HUNDRED + inside))
            line["taxes"].append(_entry(rate, amount, base, customer.get("tax_exempt", "none")))
        line["subtotal"] = line["amount"]
        contained += line["amount"] - nearest(Decimal(line["amount"]) * HUNDRED / (HUNDRED + inside))
    return contained


def _rates(account: Account, invoice: Obj, customer: Obj, line: Obj) -> list[Obj]:
    if invoice["automatic_tax"]["enabled"]:
        rate = automatic_rate(account, customer, line.get("_tax_behavior") == "inclusive")
        return [rate] if rate else []
    own = line["_tax_rates"]
    return [account.tax_rates[id] for id in own] if own else list(invoice["default_tax_rates"])


def _entry(rate: Obj, amount: int, base: int, exempt: str) -> Obj:
    reason = {"exempt": "customer_exempt", "reverse": "reverse_charge"}.get(exempt, "standard_rated")
    return {
        "amount": amount if exempt == "none" else 0,
        "tax_behavior": "inclusive" if rate["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": reason,
        "taxable_amount": base if exempt == "none" else 0,
        "type": "tax_rate_details",
    }
