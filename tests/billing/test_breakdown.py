"""What a processor is told of random invoices of the local Stripe: lines and tax that add up to the charge, or none.

Inclusive and exclusive taxes, one for each line or one for all, discounts by amount and by share, lines of less than
nothing, and a customer's balance either way.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import msgspec
import pytest

from gateway.billing.breakdown import breakdown
from processors.breakdown import Breakdown
from processors.money import Money
from tests.processors.paypal.conftest import charge_request, make_adapter
from tests.sandbox.conftest import World, served, world

__all__ = ["served", "world"]
EACH = 25
UNITS = {"eur": 100, "jpy": 1}


@pytest.mark.parametrize("seed", range(4))
async def test_what_is_sent_adds_up_to_the_charge_or_is_left_out(world: World, seed: int) -> None:
    random, told = Random(seed), 0
    for _ in range(EACH):
        live = await _invoice(world, random)
        if not live["amount_remaining"]:
            continue
        found = breakdown(msgspec.json.encode(live), live["amount_remaining"])
        if _is_plain(live):
            assert found is not None, "nothing else took a part of it, and no line is less than nothing"
        _check(live, found)
        told += found is not None
    assert EACH / 5 < told < EACH, "some are told and some are not, or this shows nothing"


def _check(live: dict[str, Any], found: Breakdown | None) -> None:
    """What PayPal is sent, read as PayPal adds it up (orders v2: `amount.breakdown`)."""
    amount, currency = live["amount_remaining"], live["currency"]
    asked = charge_request(amount=Money(amount, currency), breakdown=found)
    [unit] = msgspec.json.decode(make_adapter(None).prepare_charge(asked).body)["purchase_units"]  # type: ignore[arg-type]
    value = Decimal(unit["amount"]["value"])
    assert value == Decimal(amount) / UNITS[currency]
    assert ("items" in unit) == ("breakdown" in unit["amount"]) == (found is not None)
    if found is not None:
        parts = {name: Decimal(part["value"]) for name, part in unit["amount"]["breakdown"].items()}
        assert sum(parts.values()) == value
        assert parts["item_total"] == sum(
            Decimal(i["unit_amount"]["value"]) * int(i["quantity"]) for i in unit["items"]
        )
        assert parts.get("tax_total", 0) == Decimal(sum(t["amount"] for t in live["total_taxes"])) / UNITS[currency]


def _is_plain(live: dict[str, Any]) -> bool:
    """An invoice whose total is charged, in lines that are all worth something."""
    worth = [line["amount"] - sum(d["amount"] for d in line["discount_amounts"]) for line in live["lines"]["data"]]
    return live["amount_remaining"] == live["total"] and min(worth) > 1


async def _invoice(world: World, random: Random) -> dict[str, Any]:
    """One that is finalized, as Stripe shows it."""
    v1, currency = world.v1, random.choice(list(UNITS))
    rates = [await _rate(world, random) for _ in range(random.randint(0, 2))]
    balance = random.choice([0, 0, 0, -random.randint(1, 900), random.randint(1, 900)])
    customer = await world.customer()
    made: dict[str, Any] = {"customer": customer.id, "currency": currency, "collection_method": "send_invoice"}
    if rates and random.random() < 0.5:
        made["default_tax_rates"] = [rates[0]]
    if random.random() < 0.4:
        made["discounts"] = [{"coupon": await _coupon(world, random, currency)}]
    draft = await v1.invoices.create_async(made | {"days_until_due": 10})
    for _ in range(random.randint(1, 4)):
        item = {"customer": customer.id, "invoice": draft.id, "currency": currency, "amount": _amount(random)}
        if rates and random.random() < 0.5:
            item["tax_rates"] = [rates[-1]]
        await v1.invoice_items.create_async(item)
    if balance:
        entry = {"amount": balance, "currency": currency}
        await v1.customers.balance_transactions.create_async(customer.id, entry)
    finalized = await v1.invoices.finalize_invoice_async(draft.id)
    return dict(finalized.to_dict())


def _amount(random: Random) -> int:
    return -random.randint(1, 500) if random.random() < 0.1 else random.randint(30, 9999)


async def _rate(world: World, random: Random) -> str:
    percentage = random.choice([5.5, 7, 8.1, 19, 20, 25])
    wanted = {"display_name": "VAT", "percentage": percentage, "inclusive": random.random() < 0.5}
    return str((await world.v1.tax_rates.create_async(wanted)).id)


async def _coupon(world: World, random: Random, currency: str) -> str:
    by_share: dict[str, Any] = {"percent_off": random.choice([3, 33.3, 50])}
    off = by_share if random.random() < 0.5 else {"amount_off": random.randint(1, 400), "currency": currency}
    return str((await world.v1.coupons.create_async({"duration": "once", **off})).id)
