"""I. The payer, or the bank, ends the agreement at the processor."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World

REVOKED = "tollbridge.payment_method.revoked"


async def _revoke(world: World, place: int = -1) -> Any:
    """The payer ends a method at the processor, which tells of it."""
    method = world.methods_at_processor()[place]
    world.practice.revoke_method(method.token)
    await world.settle()
    return method


async def _told() -> list[list[tuple[str, str]]]:
    """Of each revocation that the merchant was told of: what happens to which subscription."""
    rows = await sql.rows(
        "select data::text as data from tollbridge.outbound_event where type = $1 order by id", REVOKED
    )

    found = [msgspec.json.decode(row["data"])["subscriptions"] for row in rows]
    return [[(one["id"], one["outcome"]) for one in told] for told in found]


async def _cancellation(world: World, signup: Signup) -> Any:
    return (await world.call("GET", f"/v1/subscriptions/{signup.subscription}")).json()["cancellation"]


@pytest.mark.parametrize(
    ("policy", "status", "ending", "outcome"),
    [
        ("cancel_at_period_end", "active", True, "cancel_at_period_end"),
        ("cancel_now", "canceled", False, "canceled"),
        ("keep", "active", False, "kept"),
    ],
)
async def test_the_only_agreement_is_ended_by_its_payer(
    world: World, policy: str, status: str, ending: bool, outcome: str
) -> None:
    await world.set_policy(agreement_canceled=policy)
    signup = await world.signup("wallet")
    await _revoke(world)
    live = world.stripe_subscription(signup.subscription)
    assert (live["status"], live["cancel_at_period_end"]) == (status, ending)
    assert await _told() == [[(signup.subscription, outcome)]]
    await world.later(days=31)
    assert len(world.charge_calls()) == 1
    assert len(world.invoices_of(signup.subscription)) == (2 if policy == "keep" else 1)
    assert (await world.access(signup.subscription))["granted"] is (policy == "keep")


@pytest.mark.scenario(122)
async def test_a_late_notice_of_an_agreement_that_another_has_followed(world: World) -> None:
    signup = await world.signup("wallet")
    await world.new_card(signup.customer)
    await _revoke(world, 0)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is False
    assert await _told() == [[(signup.subscription, "kept")]]
    await world.later(days=31)
    assert [one["status"] for one in world.invoices_of(signup.subscription)] == ["paid", "paid"]


@pytest.mark.scenario(122)
async def test_an_agreement_that_we_had_ended_ourselves(world: World) -> None:
    """Its notice tells nothing new, whenever it comes."""
    signup = await world.signup("wallet")
    await world.new_card(signup.customer)
    old = (await world.methods_of(signup.customer))[1]["id"]
    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{old}")
    await _revoke(world, 0)
    assert await _told() == []
    assert await _cancellation(world, signup) is None


@pytest.mark.scenario(133)
@pytest.mark.parametrize("heard", [True, False])
async def test_one_that_was_set_to_end_already(world: World, heard: bool) -> None:
    signup = await world.signup("wallet")
    if not heard:
        world.stripe.delivery.set(drop={"customer.subscription.updated"})
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, {"cancel_at_period_end": True})
    await _revoke(world)
    assert await _told() == []
    assert await _cancellation(world, signup) is None
    await world.new_card(signup.customer)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"], "a person wanted it"


@pytest.mark.scenario(134)
async def test_the_notice_was_lost_and_the_next_charge_says_it(world: World) -> None:
    signup = await world.signup("wallet")
    world.practice.delivery.set(drop=True)
    [agreement] = world.methods_at_processor()
    world.practice.revoke_method(agreement.token)
    await world.later(days=31)
    assert (await world.methods_of(signup.customer))[0]["status"] == "revoked"
    assert await _told() == [[(signup.subscription, "cancel_at_period_end")]]
    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    assert len(world.charge_calls()) == 2
    await world.later(days=3)
    assert len(world.charge_calls()) == 2, "no more calls with it"
    await world.new_card(signup.customer)
    shown = await world.gateway_invoice(renewal)
    assert (shown["status"], [a["reason"] for a in shown["attempts"]]) == ("paid", ["first", "method_stored"])
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is False


async def test_another_method_afterwards_lets_it_live_on(world: World) -> None:
    signup = await world.signup("wallet")
    await _revoke(world)
    await world.new_card(signup.customer)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is False
    await world.later(days=31)
    assert [one["status"] for one in world.invoices_of(signup.subscription)] == ["paid", "paid"]
    await _revoke(world)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"], "ended once more"
    assert len(await _told()) == 2


@pytest.mark.parametrize("first", [True, False])
async def test_a_person_who_wants_it_to_end_is_heeded(world: World, first: bool) -> None:
    signup = await world.signup("wallet")
    if first:
        await world.cancel(signup.subscription, "period_end")
    await _revoke(world)
    if not first:
        await world.cancel(signup.subscription, "period_end")
    await world.new_card(signup.customer)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"]
    assert len(await _told()) == (0 if first else 1)


async def test_a_person_who_lets_it_live_on_without_a_method(world: World) -> None:
    signup = await world.signup("wallet")
    await _revoke(world)
    await world.cancel(signup.subscription, "never")
    await world.later(days=1)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is False


async def test_another_method_before_stripe_was_told(world: World) -> None:
    signup = await world.signup("wallet")
    world.stripe.faults.add("error_before", method="GET", path="/v1/subscriptions/{id}", times=1)
    await _revoke(world)
    await world.new_card(signup.customer)
    await world.later(minutes=11)
    assert world.stripe_calls("POST", f"/v1/subscriptions/{signup.subscription}") == []
    assert await _told() == [[(signup.subscription, "kept")]]


@pytest.mark.parametrize("kind", ["ok", "setup_fails"])
async def test_a_payer_who_is_giving_another_at_that_moment(world: World, kind: str) -> None:
    signup = await world.signup("wallet")
    session = await world.method_session(signup.customer)
    client = await world.begin_method(session)
    await world.method_done(session)
    await _revoke(world)
    assert await _told() == [], "what happens is not decided yet"
    await world.complete_at_processor(client, kind)
    await world.later(minutes=30)
    ends = world.stripe_subscription(signup.subscription)["cancel_at_period_end"]
    assert ends is (kind != "ok")
    assert await _told() == [[(signup.subscription, "cancel_at_period_end" if ends else "kept")]]


async def test_all_subscriptions_of_the_customer_in_one_event(world: World) -> None:
    first = await world.signup("wallet")
    second = await world.signup("wallet", "order-2", customer=first.customer)
    await world.cancel(second.subscription, "period_end")
    await _revoke(world, 0)
    assert sorted((await _told())[0]) == sorted([(first.subscription, "kept"), (second.subscription, "ending_already")])
    await _revoke(world, 1)
    last = {first.subscription: "cancel_at_period_end", second.subscription: "ending_already"}
    assert dict((await _told())[1]) == last


async def test_one_that_stripe_collects_itself_is_left_alone(world: World) -> None:
    signup = await world.signup("wallet")
    change = {"collection_method": "charge_automatically"}
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, change)
    await _revoke(world)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is False
    assert await _told() == []


async def test_stripe_refuses_to_end_it(world: World) -> None:
    signup = await world.signup("wallet")
    world.stripe.faults.add("error_before", method="POST", path="/v1/subscriptions/{id}", status=400)
    await _revoke(world)
    assert await world.open_cases() == ["cancellation_refused"]
    assert await _told() == [[(signup.subscription, "kept")]]


async def test_a_method_that_is_reinstated(world: World) -> None:
    signup = await world.signup("wallet")
    agreement = await _revoke(world)
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"]
    world.practice.advance(1)
    world.practice.reinstate_method(agreement.token)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"] is False
    await world.later(days=31)
    assert [one["status"] for one in world.invoices_of(signup.subscription)] == ["paid", "paid"]


@pytest.mark.parametrize(("verb", "reason"), [("suspend_method", "suspended"), ("expire_method", "expired")])
async def test_a_method_that_can_not_be_charged_for_now(world: World, verb: str, reason: str) -> None:
    signup = await world.signup("ok")
    [method] = world.methods_at_processor()
    getattr(world.practice, verb)(method.token)
    await world.settle()
    [shown] = await world.methods_of(signup.customer)
    assert (shown["status"], shown["stopped_reason"]) == ("stopped", reason)
    await world.later(days=31)
    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    assert len(world.charge_calls()) == 1, "not charged in vain"
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
    world.practice.reinstate_method(method.token)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_an_older_notice_that_comes_later_changes_nothing(world: World) -> None:
    signup = await world.signup("ok")
    [method] = world.methods_at_processor()
    world.practice.suspend_method(method.token)
    world.practice.advance(1)
    world.practice.reinstate_method(method.token)
    world.practice.delivery.set(mode="manual", shuffle=True, double=True)
    await world.settle()
    assert [one["status"] for one in await world.methods_of(signup.customer)] == ["active"]


async def test_a_payer_who_pays_stripe_instead_lives_on(world: World) -> None:
    """The agreement was ended, the subscription set to end because of that; then the payer gave Stripe a card."""
    signup = await world.signup("wallet")
    [agreement] = world.methods_at_processor()
    world.practice.revoke_method(agreement.token)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"]

    card = await world.stripe_card(signup.customer)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)

    live = world.stripe_subscription(signup.subscription)
    assert (live["collection_method"], live["cancel_at_period_end"]) == ("charge_automatically", False)
    await world.later(days=31)
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.charge_calls()) == 1


async def test_the_agreement_of_one_subscription_ends_that_one(world: World) -> None:
    """Each has its own; what the payer ended paid for the first alone."""
    first = await world.signup("wallet")
    second = await world.signup("ok", "order-2", customer=first.customer)
    own = {method["id"] for method in await world.methods_of(first.customer)}
    [agreement, card] = world.methods_at_processor()
    newest, oldest = [method["id"] for method in await world.methods_of(first.customer)]
    assert {newest, oldest} == own
    await world.switch(first.subscription, "gateway", payment_method=oldest)
    await world.switch(second.subscription, "gateway", payment_method=newest)
    world.practice.revoke_method(agreement.token)
    await world.settle()
    assert world.stripe_subscription(first.subscription)["cancel_at_period_end"]
    assert not world.stripe_subscription(second.subscription)["cancel_at_period_end"]
    assert card.status == "active"
