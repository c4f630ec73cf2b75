"""Q. Who pays on Stripe's page is moved to a processor, and back: at every moment one collects an invoice."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.collect import charge
from tests.support.crash import boundaries, then
from tests.support.hosting import collect_by, paid_there, renewal_of
from tests.support.world import World


async def test_moved_to_stripes_page_between_two_tries(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    tries = len(world.charge_calls())
    shown = await collect_by(world, signup.customer, "hosted")
    assert (shown["collection"], shown["collected_by"]) == ("hosted", "hosted")
    world.break_card(signup.customer, "ok")
    await world.later(days=4)
    invoice = await world.gateway_invoice(renewal)
    assert (invoice["state"], invoice["collected_by"]) == ("due", "hosted")
    assert (await world.collect_now(renewal, wait_s=0)).status_code == 409
    assert len(world.charge_calls()) == tries

    await world.pay_at_stripe(renewal)
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert (len(world.captures()), await world.open_cases()) == (1, [])


async def test_moved_in_the_moment_before_a_charge_goes_out(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last look was taken, and the charge is about to be written down: it is not."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    world.break_card(signup.customer, "ok")
    step, moved = charge.step, []

    async def later(*given: Any) -> None:
        if not moved:
            moved.append(await world.call("POST", f"/v1/customers/{signup.customer}", {"collection": "hosted"}))
        await step(*given)

    monkeypatch.setattr(charge, "step", later)
    await world.later(hours=25)
    assert [answer.status_code for answer in moved] == [200]
    assert await world.attempts(renewal) == ["declined"]
    assert (await world.gateway_invoice(renewal))["collected_by"] == "hosted"


@pytest.mark.parametrize("ours", ["pending_then_ok", "pending_then_fail"])
async def test_moved_while_a_charge_of_ours_is_under_way(world: World, ours: str) -> None:
    """The try ends first, and its money pays the invoice; else its payer does."""
    signup, renewal = await world.renew(ours)
    await collect_by(world, signup.customer, "hosted")
    assert (await world.gateway_invoice(renewal))["state"] == "pending"
    await world.later(hours=30)
    invoice = await world.gateway_invoice(renewal)
    if ours == "pending_then_ok":
        assert (invoice["state"], world.taken_at_stripe(renewal)) == ("paid", 0)
    else:
        assert (invoice["state"], invoice["collected_by"]) == ("due", "hosted")
        await world.later(days=3)
    assert len(await world.attempts(renewal)) == 1
    assert await world.open_cases() == []


@pytest.mark.parametrize("by", ["customer", "subscription"])
async def test_moved_from_stripes_page_to_a_processor(world: World, by: str) -> None:
    """What is open is charged; a customer's own setting, and a subscription's before that."""
    signup = await paid_there(world)
    renewal = await renewal_of(world, signup)
    await world.repair_card(signup)
    await world.settle()
    assert world.charge_calls() == []
    if by == "customer":
        await collect_by(world, signup.customer, "processor")
    else:
        assert (await world.switch(signup.subscription, "gateway")).status_code in (200, 202)
    invoice = await world.gateway_invoice(renewal)
    assert (invoice["state"], invoice["collected_by"]) == ("paid", "gateway")
    assert (len(world.captures()), world.taken_at_stripe(renewal)) == (1, 0)
    # What was paid there before stays what it was.
    assert (await world.gateway_invoice(signup.invoice))["collected_by"] == "hosted"
    assert await world.open_cases() == []


async def test_moved_to_a_processor_while_the_payer_pays_there(world: World) -> None:
    """A debit at Stripe is on its way: nothing is charged beside it."""
    signup = await paid_there(world)
    renewal = await renewal_of(world, signup)
    await world.repair_card(signup)
    await world.pay_at_stripe(renewal, "sepaDebit")
    await collect_by(world, signup.customer, "processor")
    assert world.stripe_invoice(renewal)["status"] == "open"
    await world.later(days=8)
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 1000)
    assert world.charge_calls() == []


@pytest.mark.parametrize("at", ["before", "after"])
async def test_the_payer_pays_there_in_the_moment_of_the_move(world: World, at: str) -> None:
    """Before the last look nothing is charged; after it, what we took too much goes back."""
    signup = await paid_there(world)
    renewal = await renewal_of(world, signup)
    await world.repair_card(signup)
    world.stripe.delivery.set(drop=True)
    if at == "before":
        await world.pay_at_stripe(renewal)
    with boundaries(then("before POST /v1/charges", lambda: world.pays_there(renewal))):
        await world.call("POST", f"/v1/customers/{signup.customer}", {"collection": "processor"})
        await world.settle()
    assert len(world.charge_calls()) == (1 if at == "after" else 0)
    world.stripe.delivery.set(drop=False)
    await world.catch_up()
    await world.later(hours=2)
    back = sum(capture.captured for capture in world.captures())
    refunds = world.practice.account(world.shop.practice_key).refunds.values()
    assert back == sum(refund.amount for refund in refunds)
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 1000)


async def test_one_subscription_of_a_customer_is_switched(world: World) -> None:
    signup = await world.signup("ok")
    answer = await world.switch(signup.subscription, "hosted", days_until_due=20)
    assert answer.status_code == 202, answer.text
    shown = (await world.call("GET", f"/v1/subscriptions/{signup.subscription}")).json()
    assert (shown["collected_by"], shown["days_until_due"], shown["switch"]["status"]) == ("hosted", 20, "done")
    renewal = await renewal_of(world, signup)
    assert (await world.gateway_invoice(renewal))["collected_by"] == "hosted"
    assert len(world.captures()) == 1
    refused = await world.switch(signup.subscription, "hosted", payment_method="pmt_1")
    assert (refused.status_code, refused.json()["param"]) == (400, "payment_method")
    await collect_by(world, signup.customer, "processor")
    assert (await world.gateway_invoice(renewal))["collected_by"] == "hosted", "its own setting goes first"


async def test_from_stripes_own_collection_to_its_page(world: World) -> None:
    """What Stripe charges by itself goes on there; what comes is sent."""
    signup = await world.signup("ok")
    card = await world.stripe_card(signup.customer)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    await world.switch(signup.subscription, "hosted")
    at_stripe = world.stripe_subscription(signup.subscription)
    assert (at_stripe["collection_method"], at_stripe["days_until_due"]) == ("send_invoice", 10)
    renewal = await renewal_of(world, signup)
    await world.later(days=1)
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("open", 0)
    assert (await world.gateway_invoice(renewal))["collected_by"] == "hosted"


@pytest.mark.parametrize("to", ["hosted", "gateway"])
async def test_the_payer_who_ends_an_agreement_keeps_a_hosted_subscription(world: World, to: str) -> None:
    signup = await world.signup("ok")
    await world.switch(signup.subscription, to)
    [method] = world.methods_at_processor()
    world.practice.revoke_method(method.token)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is (to == "gateway")
    shown = (await world.call("GET", f"/v1/subscriptions/{signup.subscription}")).json()
    assert (shown["cancellation"] is None) is (to == "hosted")
