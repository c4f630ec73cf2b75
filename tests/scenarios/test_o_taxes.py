"""O. Taxes: what the processor is told of them, and invoices whose tax nobody can compute."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.returning import speak_like
from tests.support.world import World

REASONS = "select reason from tollbridge.review_case where kind = 'finalization_failed' and state = 'open'"


async def _renew_nowhere(world: World) -> tuple[Signup, str]:
    """A renewal for a customer whose address has become one that Stripe can't tax."""
    signup = await world.signup("ok", automatic_tax=True)
    nowhere = {"address": {"country": "US", "postal_code": ""}}
    await world.shop.client.v1.customers.update_async(signup.customer, nowhere)
    await world.later(days=31)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


@pytest.mark.scenario(209)
@pytest.mark.parametrize("finalize", ["at_once", "leave"])
async def test_nobody_knows_where_the_customer_is_taxed(world: World, finalize: str) -> None:
    await world.set_policy(finalize=finalize)
    signup, renewal = await _renew_nowhere(world)
    await world.later(hours=3)

    assert world.stripe_invoice(renewal)["status"] == "draft"
    assert len(world.charge_calls()) == 1, "the first invoice's"
    [case] = await sql.rows(REASONS)
    assert "customer's address" in case["reason"]

    here = {"address": {"country": "US", "postal_code": "94103"}}
    await world.shop.client.v1.customers.update_async(signup.customer, here)
    await world.settle()

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"], live["automatic_tax"]["status"]) == ("paid", 1080, "complete")
    assert [c.captured for c in world.captures()] == [1190, 1080]
    assert await world.open_cases() == []


@pytest.mark.scenario(206)
async def test_tax_on_top_of_the_price(world: World) -> None:
    await speak_like(world, "paypal")
    signup = await world.signup("ok", default_tax_rates=[world.shop.tax_rate])

    [call] = world.charge_calls()
    assert (call.params["amount"], call.params["tax"]) == (1200, 200)
    assert [line["amount"] for line in call.params["lines"]] == [1000]
    assert "Plan" in call.params["lines"][0]["description"]
    assert world.last_charge().lines == call.params["lines"], "the processor found that they add up"
    assert world.stripe_invoice(signup.invoice)["amount_paid"] == 1200
    assert [c.captured for c in world.captures()] == [1200]


@pytest.mark.scenario(206)
@pytest.mark.parametrize("inclusive", [False, True])
async def test_lines_tax_and_discount_add_up(world: World, inclusive: bool) -> None:
    await speak_like(world, "paypal")
    signup, client = await world.signup("ok"), world.shop.client.v1
    tax = await client.tax_rates.create_async({"display_name": "VAT", "percentage": 19.0, "inclusive": inclusive})
    coupon = await client.coupons.create_async({"percent_off": 33, "duration": "once"})
    made = await client.invoices.create_async(
        {"customer": signup.customer, "collection_method": "send_invoice", "days_until_due": 10,
         "default_tax_rates": [tax.id], "discounts": [{"coupon": coupon.id}]}
    )  # fmt: skip
    for amount in (999, 333):
        await client.invoice_items.create_async({"customer": signup.customer, "invoice": made.id, "amount": amount})
    await client.invoices.finalize_invoice_async(made.id)
    await world.settle()

    live, asked = world.stripe_invoice(made.id), world.charge_calls()[-1].params
    assert live["status"] == "paid"
    assert sum(line["amount"] for line in asked["lines"]) + asked["tax"] == asked["amount"] == live["amount_due"]
    assert asked["tax"] == sum(tax["amount"] for tax in live["total_taxes"]) > 0
    assert len(asked["lines"]) == 2


@pytest.mark.scenario(206)
@pytest.mark.parametrize(("like", "balance"), [("adyen", 0), ("paypal", -400)])
async def test_no_lines_where_they_are_not_taken_or_do_not_add_up(world: World, like: str, balance: int) -> None:
    await speak_like(world, like)
    customer = await world.shop.client.v1.customers.create_async({"name": "A. Payer", "balance": balance})
    await world.signup("ok", customer=customer.id, default_tax_rates=[world.shop.tax_rate])

    [call] = world.charge_calls()
    assert call.params["amount"] == 1200 + balance
    assert not {"lines", "tax"} & call.params.keys()
    assert len(world.captures()) == 1
