"""P. Switching between processors and Stripe."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest

from gateway.sandbox.practice.account import Scripted
from tests.support.crash import boundaries, once
from tests.support.people import Signup
from tests.support.returning import credited, returned
from tests.support.world import World


async def _shown(world: World, subscription: str) -> dict[str, Any]:
    return dict((await world.call("GET", f"/v1/subscriptions/{subscription}")).json())


def _taken(world: World, invoice: str) -> int:
    """`c(G)`: what the processor has taken for it."""
    return sum(one.captured for one in world.captures() if one.reference.split(".")[0] == invoice)


@pytest.mark.scenario(211)
async def test_to_stripe_with_nothing_open(world: World) -> None:
    signup = await world.signup("ok")
    card = await world.stripe_card(signup.customer)
    answer = await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    assert answer.status_code == 202, answer.text
    shown = await _shown(world, signup.subscription)
    assert (shown["collected_by"], shown["switch"]["status"]) == ("stripe", "done")
    at_stripe = world.stripe_subscription(signup.subscription)
    assert (at_stripe["collection_method"], at_stripe["default_payment_method"]) == ("charge_automatically", card)
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]

    await world.later(days=31, hours=2)

    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    assert (world.taken_at_stripe(renewal), len(world.captures())) == (1000, 1)
    assert (await world.gateway_invoice(renewal))["collected_by"] == "stripe"
    assert await world.open_cases() == []


@pytest.mark.scenario(211)
@pytest.mark.scenario(196)
@pytest.mark.parametrize("by_us", [True, False])
async def test_to_stripe_with_an_open_invoice_that_we_finish(world: World, by_us: bool) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    card = await world.stripe_card(signup.customer)
    if by_us:
        await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    else:
        change = {"collection_method": "charge_automatically", "default_payment_method": card}
        await world.shop.client.v1.subscriptions.update_async(signup.subscription, change)  # type: ignore[arg-type]
        await world.settle()
    assert world.methods_at_processor()[0].status == "active", "the open invoice needs it"
    world.break_card(signup.customer, "ok")

    await world.later(hours=25)

    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 0)
    assert _taken(world, renewal) == 1000
    assert world.methods_at_processor()[0].status == "revoked"
    await world.later(days=32)
    following = world.invoices_of(signup.subscription)[-1]["id"]
    assert (following != renewal, world.taken_at_stripe(following)) == (True, 1000)
    assert len(world.captures()) == 2
    assert await world.open_cases() == []


@pytest.mark.parametrize("named", ["", "of_another", "pm_unknown"])
async def test_to_stripe_without_a_method_there(world: World, named: str) -> None:
    signup = await world.signup("ok")
    if named == "of_another":
        other = await world.shop.client.v1.customers.create_async({"name": "B. Payer"})
        named = await world.stripe_card(other.id)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=named)
    shown = await _shown(world, signup.subscription)
    assert (shown["collected_by"], shown["switch"]["status"]) == ("gateway", "refused")
    assert signup.customer in shown["switch"]["error"] or "pm_unknown" in shown["switch"]["error"]
    assert world.stripe_subscription(signup.subscription)["collection_method"] == "send_invoice"
    assert world.methods_at_processor()[0].status == "active"


async def test_whoever_waits_hears_what_came_of_it(world: World) -> None:
    signup = await world.signup("ok")
    path = f"/v1/subscriptions/{signup.subscription}/switch"
    refused = await world.call("POST", path, {"to": "stripe"})
    assert (refused.status_code, refused.json()["type"]) == (400, "urn:tollbridge:error:stripe_refused")
    assert "have one given" in refused.json()["detail"]
    done = await world.call("POST", path, {"to": "gateway", "days_until_due": 14})
    assert (done.status_code, done.json()["days_until_due"]) == (200, 14)
    await world.cancel(signup.subscription)
    ended = await world.call("POST", path, {"to": "gateway"})
    assert (ended.status_code, ended.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    unknown = await world.call("POST", "/v1/subscriptions/sub_unknown/switch", {"to": "gateway"})
    assert unknown.status_code == 404


async def test_to_stripe_with_its_customers_default(world: World) -> None:
    signup = await world.signup("ok")
    card = await world.stripe_card(signup.customer)
    default = {"invoice_settings": {"default_payment_method": card}}
    await world.shop.client.v1.customers.update_async(signup.customer, default)  # type: ignore[arg-type]
    await world.switch(signup.subscription, "stripe")
    assert (await _shown(world, signup.subscription))["switch"]["stripe_payment_method"] == card
    assert world.stripe_subscription(signup.subscription)["default_payment_method"] == card


async def _hand_over(
    world: World, kind: str = "pm_card_visa", ours: str = "decline_insufficient_funds"
) -> tuple[Signup, str]:
    """A renewal that is open with us when its subscription is switched, and that Stripe is to pay."""
    signup, renewal = await world.renew(ours)
    card = await world.stripe_card(signup.customer, kind)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    return signup, renewal


@pytest.mark.scenario(211)
@pytest.mark.parametrize("kind", ["pm_card_visa", "pm_sepaDebit"])
async def test_to_stripe_with_an_open_invoice_that_stripe_pays(world: World, kind: str) -> None:
    signup, renewal = await _hand_over(world, kind)
    world.break_card(signup.customer, "ok")
    await world.later(days=8)
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 1000)
    assert (_taken(world, renewal), len(world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay"))) == (0, 1)
    assert (await world.gateway_invoice(renewal))["collected_by"] == "stripe"
    assert world.methods_at_processor()[0].status == "revoked"
    assert await world.open_cases() == []


@pytest.mark.scenario(211)
@pytest.mark.parametrize("ours", ["pending_then_ok", "pending_then_fail"])
async def test_a_charge_of_ours_that_is_under_way_ends_first(world: World, ours: str) -> None:
    _, renewal = await _hand_over(world, ours=ours)
    assert world.taken_at_stripe(renewal) == 0
    assert world.methods_at_processor()[0].status == "active"
    await world.later(hours=25)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    by_us = 1000 if ours == "pending_then_ok" else 0
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (by_us, 1000 - by_us)
    assert world.methods_at_processor()[0].status == "revoked"


@pytest.mark.scenario(211)
async def test_what_stripe_can_not_pay_stays_open_until_its_end(world: World) -> None:
    await world.set_policy(at_end=["mark_uncollectible"])
    signup, renewal = await _hand_over(world, "pm_card_chargeCustomerFail")
    world.break_card(signup.customer, "ok")
    assert await world.open_cases() == ["hand_over_declined"]
    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], shown["collected_by"], shown["plan"]) == ("due", "stripe", None)
    assert (await world.collect_now(renewal, wait_s=0)).status_code == 409
    await world.later(days=2)
    assert (world.stripe_invoice(renewal)["status"], _taken(world, renewal)) == ("open", 0)
    assert len(world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay")) == 1
    await world.later(days=9)
    assert world.stripe_invoice(renewal)["status"] == "uncollectible"
    assert await world.open_cases() == []


@pytest.mark.scenario(211)
async def test_what_stripe_can_not_pay_is_handed_over_again_with_another_card(world: World) -> None:
    signup, renewal = await _hand_over(world, "pm_card_chargeCustomerFail")
    card = await world.stripe_card(signup.customer)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (0, 1000)
    assert len(world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay")) == 2
    assert await world.open_cases() == []


@pytest.mark.scenario(211)
async def test_what_stripe_can_not_pay_is_ours_again_once_it_is_switched_back(world: World) -> None:
    await world.set_policy(unused_methods="keep")
    signup, renewal = await _hand_over(world, "pm_card_chargeCustomerFail")
    world.break_card(signup.customer, "ok")
    await world.switch(signup.subscription, "gateway")
    await world.later(hours=25)
    assert (_taken(world, renewal), world.stripe_invoice(renewal)["status"]) == (1000, "paid")
    assert await world.open_cases() == []


@pytest.mark.scenario(211)
async def test_a_draft_that_is_handed_over_is_stripes(world: World) -> None:
    await world.set_policy(finalize="leave")
    signup = await world.signup("ok")
    period = world.stripe_subscription(signup.subscription)["items"]["data"][0]
    await world.later(seconds=period["current_period_end"] - world.stripe_account().now() + 60)
    draft = world.invoices_of(signup.subscription)[-1]["id"]
    card = await world.stripe_card(signup.customer)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    assert world.stripe_invoice(draft)["collection_method"] == "charge_automatically"
    await world.later(hours=2)
    assert (_taken(world, draft), world.taken_at_stripe(draft)) == (0, 1000)


@pytest.mark.scenario(218)
@pytest.mark.parametrize("boundary", ["before POST /v1/invoices/{}/pay", "after POST /v1/invoices/{}/pay"])
async def test_handing_over_interrupted(world: World, boundary: str) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    card = await world.stripe_card(signup.customer)
    with boundaries(once(boundary.format(renewal))):
        await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    assert world.kills == 1
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (0, 1000)
    assert await world.open_cases() == []


async def _stripes_own(world: World, kind: str = "pm_card_visa") -> Signup:
    """A subscription that Stripe collects since its first renewal is near; the customer has given us a method."""
    signup = await world.signup("ok")
    await world.set_policy(unused_methods="keep")
    card = await world.stripe_card(signup.customer, kind)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    return signup


async def _in_dunning(world: World) -> tuple[Signup, str]:
    """A renewal that Stripe has failed to collect, and is going to try again."""
    signup = await _stripes_own(world, "pm_card_chargeCustomerFail")
    await world.later(days=31, hours=2)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert (world.stripe_invoice(renewal)["status"], len(world.captures())) == ("open", 1)
    return signup, renewal


@pytest.mark.scenario(212)
async def test_from_stripe_with_an_open_invoice_in_dunning(world: World) -> None:
    signup, renewal = await _in_dunning(world)

    await world.switch(signup.subscription, "gateway", days_until_due=7)

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["collection_method"]) == ("paid", "charge_automatically")
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (1000, 0)
    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], shown["collected_by"]) == ("paid", "gateway")
    at_stripe = world.stripe_subscription(signup.subscription)
    assert (at_stripe["collection_method"], at_stripe["days_until_due"]) == ("send_invoice", 7)
    await world.later(days=31, hours=2)
    assert [one["status"] for one in world.invoices_of(signup.subscription)] == ["paid"] * 3
    assert len(world.captures()) == 3
    assert await world.open_cases() == []


@pytest.mark.scenario(212)
@pytest.mark.parametrize(
    ("when", "kind"),
    [
        ("between", "pm_card_visa"),
        *(
            pytest.param(when, kind, marks=pytest.mark.slow)
            for when, kind in product(("before", "between", "after"), ("pm_card_visa", "pm_sepaDebit"))
            if (when, kind) != ("between", "pm_card_visa")
        ),
    ],
)
async def test_from_stripe_while_its_smart_retry_fires(world: World, when: str, kind: str) -> None:
    """Before Stripe has let go of the invoice, between that and our charge, and after that."""
    signup, renewal = await _in_dunning(world)
    # The payer mends it at Stripe, so that the next retry there would take the money.
    card = await world.stripe_card(signup.customer, kind)
    change = {"default_payment_method": card}
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, change)  # type: ignore[arg-type]

    def retry() -> None:
        live = world.stripe_account().invoices[renewal]
        if live["status"] == "open" and live["next_payment_attempt"]:
            world.stripe.advance(max(live["next_payment_attempt"] - world.stripe_account().now(), 0) + 1)

    told = {"before": f"before POST /v1/invoices/{renewal}", "between": f"after POST /v1/invoices/{renewal}"}
    fired = []

    def at(boundary: str) -> bool:
        if boundary == told.get(when) and not fired:
            fired.append(boundary)
            retry()
        return False

    with boundaries(at):
        await world.switch(signup.subscription, "gateway")
    if when == "after":
        retry()
        fired.append(when)
    for _ in range(3):
        await world.later(days=3)

    assert fired
    assert world.taken_at_stripe(renewal) + _taken(world, renewal) == 1000
    assert _taken(world, renewal) == (0 if when == "before" else 1000)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (returned(world), await world.open_cases()) == ([], [])


@pytest.mark.scenario(212)
async def test_an_invoice_that_somebody_has_stripe_collect_again(world: World) -> None:
    """It is Stripe's as long as Stripe shows that it advances it; another switch takes it once more."""
    await world.set_policy(fallback="never")
    signup, renewal = await _in_dunning(world)
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.switch(signup.subscription, "gateway")
    assert await world.attempts(renewal) == ["declined"]
    await world.shop.client.v1.invoices.update_async(renewal, {"auto_advance": True})
    world.break_card(signup.customer, "ok")
    await world.later(days=2)
    assert await world.attempts(renewal) == ["declined"]
    assert "turned that on again" in (await world.gateway_invoice(renewal))["reason"]
    await world.switch(signup.subscription, "gateway")
    await world.later(hours=1)
    assert (_taken(world, renewal), world.stripe_invoice(renewal)["status"]) == (1000, "paid")


@pytest.mark.scenario(212)
async def test_from_stripe_with_a_draft(world: World) -> None:
    signup = await _stripes_own(world)
    period = world.stripe_subscription(signup.subscription)["items"]["data"][0]
    await world.later(seconds=period["current_period_end"] - world.stripe_account().now() + 60)
    draft = world.invoices_of(signup.subscription)[-1]["id"]
    assert world.stripe_invoice(draft)["status"] == "draft"
    await world.switch(signup.subscription, "gateway")
    live = world.stripe_invoice(draft)
    assert (live["status"], live["collection_method"]) == ("paid", "send_invoice")
    assert (_taken(world, draft), world.taken_at_stripe(draft)) == (1000, 0)


SUBSCRIPTION = "POST /v1/subscriptions/{}"


@pytest.mark.scenario(218)
@pytest.mark.parametrize(
    "boundary", ["before GET /v1/payment_methods/{}", f"before {SUBSCRIPTION}", f"after {SUBSCRIPTION}"]
)
async def test_to_stripe_interrupted(world: World, boundary: str) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    card = await world.stripe_card(signup.customer)
    named = boundary.format(card if "payment_methods" in boundary else signup.subscription)
    with boundaries(once(named)):
        await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    assert (world.kills, (await _shown(world, signup.subscription))["switch"]["status"]) == (1, "done")
    world.break_card(signup.customer, "ok")
    await world.later(hours=25)
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (1000, 0)
    await world.later(days=32)
    following = world.invoices_of(signup.subscription)[-1]["id"]
    assert (_taken(world, following), world.taken_at_stripe(following)) == (0, 1000)
    assert world.methods_at_processor()[0].status == "revoked"


@pytest.mark.scenario(218)
@pytest.mark.parametrize(
    "boundary",
    [f"before {SUBSCRIPTION}", f"after {SUBSCRIPTION}", "after GET /v1/invoices", "after POST /v1/invoices/{}"],
)
async def test_from_stripe_interrupted(world: World, boundary: str) -> None:
    signup, renewal = await _in_dunning(world)
    with boundaries(once(boundary.format(signup.subscription if "subscriptions" in boundary else renewal))):
        await world.switch(signup.subscription, "gateway")
    assert world.kills == 1
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (1000, 0)
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def _at_another(world: World, signup: Signup) -> str:
    """The payer gives a method at another connection, which the subscription is charged to from now on."""
    await world.connect_twice()
    made = world.practice.create_method(world.shop.practice_key, "ok")
    taken = (await world.take_over(signup.customer, made.token, connection="practice-two")).json()
    await world.switch(signup.subscription, "gateway", payment_method=taken["id"], retire=True)
    return str(taken["id"])


@pytest.mark.scenario(214)
async def test_a_late_success_at_the_processor_before(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    declined = world.last_charge()
    await _at_another(world, signup)
    assert world.stripe_invoice(renewal)["status"] == "paid"

    world.succeed_after_all(declined)
    await world.settle()
    await world.later(hours=1)

    assert returned(world) == [1000]
    shown = await world.gateway_invoice(renewal)
    assert shown["movements"][0]["processor_id"] != declined.id
    assert [one["state"] for one in shown["recordings"]] == ["recorded"]


@pytest.mark.scenario(215)
async def test_what_the_processor_before_tells_after_the_switch(world: World) -> None:
    """A refund in its dashboard, and a dispute: each belongs to the invoice that its own charge had paid."""
    signup = await world.signup("ok")
    first = world.last_charge()
    await _at_another(world, signup)
    await world.later(days=31)
    assert [method.status for method in world.methods_at_processor()] == ["revoked", "active"]

    world.practice.refund_from_dashboard(first.id, 400)
    await world.settle()
    await world.later(minutes=6)
    assert credited(world, signup.invoice) == [400]
    dispute = world.practice.open_dispute(first.id, stage="funds_withdrawn")
    world.practice.move_dispute(dispute.id, "lost")
    await world.settle()

    [told] = (await world.gateway_invoice(signup.invoice))["disputes"]
    assert (told["state"], sum(credited(world, signup.invoice))) == ("lost", 1000)
    assert world.invoices_of(signup.subscription)[-1]["post_payment_credit_notes_amount"] == 0


@pytest.mark.scenario(217)
async def test_a_renewal_that_failed_elsewhere_is_collected_now(world: World) -> None:
    """Nothing was ever tried here for it: it came with its subscription, and its payer agreed on the telephone."""
    signup, renewal = await _in_dunning(world)
    await world.call("POST", f"/v1/customers/{signup.customer}/pause_collection", {"reason": "moves over"})
    await world.switch(signup.subscription, "gateway")
    assert (await world.gateway_invoice(renewal))["attempts"] == []
    await world.call("POST", f"/v1/customers/{signup.customer}/resume_collection", {"reason": "moved"})
    answers = await asyncio.gather(*[world.collect_now(renewal, wait_s=0) for _ in range(2)])
    await world.settle()
    assert {answer.status_code for answer in answers} <= {200, 202, 409}
    assert (await world.attempts(renewal), _taken(world, renewal)) == (["succeeded"], 1000)
    assert world.stripe_invoice(renewal)["status"] == "paid"


@pytest.mark.scenario(217)
@pytest.mark.parametrize("percent", [100, 60])
async def test_a_failed_renewal_of_a_migrated_subscription_can_be_paid(world: World, percent: int) -> None:
    """Its renewal was finalized long before anybody here had heard of it, and is overdue."""
    client = world.shop.client.v1
    customer = await client.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
    world.stripe.delivery.set(drop=True)
    subscription = await client.subscriptions.create_async(
        {
            "customer": customer.id,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    await world.move(days=12)
    world.stripe.delivery.set(drop=False)
    await world.move(hours=13)
    await world.catch_up()
    await world.settle()
    [invoice] = world.invoices_of(subscription.id)
    assert (invoice["status"], (await world.gateway_invoice(invoice["id"]))["attempts"]) == ("open", [])
    made = world.practice.create_method(world.shop.practice_key, "ok")
    world.practice.script(world.shop.practice_key, Scripted(percent=percent))

    # The payer's way to pay now: a payment method is enough, since nothing was tried yet.
    await world.take_over(customer.id, made.token)
    await world.settle()

    live = world.stripe_invoice(invoice["id"])
    assert (live["status"], live["amount_paid"]) == ("paid", 10 * percent)
    assert sum(capture.captured for capture in world.captures()) == 1000
    assert world.stripe_subscription(subscription.id)["status"] == "active"


async def test_a_schedule_at_stripe_would_undo_it(world: World) -> None:
    """Each of its phases says anew how the subscription is collected: who wants a switch, releases it first."""
    signup = await world.signup("ok")
    schedules = world.shop.client.v1.subscription_schedules
    made = await schedules.create_async({"from_subscription": signup.subscription})
    await world.settle()
    card = await world.stripe_card(signup.customer)
    refused = await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    assert (refused.status_code, made.id in refused.json()["detail"]) == (409, True)

    await schedules.release_async(made.id)
    await world.settle()
    assert (await world.switch(signup.subscription, "stripe", stripe_payment_method=card)).status_code in (200, 202)
    assert world.stripe_subscription(signup.subscription)["collection_method"] == "charge_automatically"
