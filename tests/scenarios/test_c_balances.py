"""C. Customer balance, Stripe's minimum, trials and the last look."""

from __future__ import annotations

import pytest

from tests.support.world import Signup, World


async def _signup_with_balance(world: World, balance: int) -> Signup:
    """A customer who owes us (positive) or whom we owe (negative), and their signup."""
    customer = await world.shop.client.v1.customers.create_async(
        {"name": "A. Payer", "address": {"country": "DE"}, "balance": balance}
    )
    return await world.signup("ok", customer=customer.id)


@pytest.mark.scenario(28)
async def test_below_stripes_minimum(world: World) -> None:
    coupon = await world.shop.client.v1.coupons.create_async({"amount_off": 970, "currency": "eur", "duration": "once"})
    await world.shop.client.v1.promotion_codes.create_async(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "ALMOST"}
    )
    signup = await world.signup("ok", promotion_code="ALMOST")

    first = world.stripe_invoice(signup.invoice)
    assert (first["total"], first["amount_due"], first["status"]) == (30, 0, "paid")
    assert world.stripe_account().customers[signup.customer]["balance"] == 30
    assert world.charge_calls() == []
    assert await world.attempts(signup.invoice) == []

    await world.later(days=31)

    _, second = world.invoices_of(signup.subscription)
    assert (second["amount_due"], second["status"]) == (1030, "paid")
    [capture] = world.captures()
    assert capture.captured == 1030


# The first half of 31; its refund comes with refunds.
async def test_credit_covers_part(world: World) -> None:
    signup = await _signup_with_balance(world, -400)

    live = world.stripe_invoice(signup.invoice)
    assert (live["total"], live["amount_due"], live["status"]) == (1000, 600, "paid")
    [capture] = world.captures()
    assert capture.captured == 600
    shown = await world.gateway_invoice(signup.invoice)
    assert [m["amount"] for m in shown["movements"]] == [r["amount"] for r in shown["recordings"]] == [600]


@pytest.mark.scenario(32)
async def test_debit_balance(world: World) -> None:
    signup = await _signup_with_balance(world, 300)

    live = world.stripe_invoice(signup.invoice)
    assert (live["total"], live["amount_due"], live["status"]) == (1000, 1300, "paid")
    [capture] = world.captures()
    assert capture.captured == 1300
    assert [m["amount"] for m in (await world.gateway_invoice(signup.invoice))["movements"]] == [1300]


# 34 but for its mail, which comes with outbound events.
async def test_trial(world: World) -> None:
    signup = await world.signup("ok", trial_period_days=14)

    first = world.stripe_invoice(signup.invoice)
    assert (first["amount_due"], first["status"]) == (0, "paid")
    assert world.stripe_subscription(signup.subscription)["status"] == "trialing"
    assert world.charge_calls() == []
    methods = await world.call("GET", f"/v1/customers/{signup.customer}/payment_methods")
    assert [m["status"] for m in methods.json()["data"]] == ["active"]

    await world.later(days=13)
    assert world.charge_calls() == []
    await world.later(days=1, hours=1)

    _, second = world.invoices_of(signup.subscription)
    assert (second["amount_due"], second["status"]) == (1000, "paid")
    assert len(world.captures()) == len(world.charge_calls()) == 1
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


@pytest.mark.scenario(38)
async def test_amount_due_becomes_zero_between_read_and_charge(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    assert (await world.gateway_invoice(renewal))["amount_remaining"] == 1000
    await world.shop.client.v1.credit_notes.create_async({"invoice": renewal, "amount": 1000})

    # The next try is due, and no event of the credit note has come.
    await world.move(hours=25)
    await world.work()

    assert world.stripe_invoice(renewal)["amount_remaining"] == 0
    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["amount_remaining"] == 0
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert len(world.captures()) == 1, "the signup's"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
