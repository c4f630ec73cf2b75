"""Histories from the life of a customer (cancelled, switched, ended, erased, restored) that break a law."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.accounts import connections
from gateway.sandbox.practice.account import Scripted
from gateway.subscriptions import advance, cancel
from tests.scenarios.test_d_restored import Backup
from tests.support.people import Signup
from tests.support.returning import returned
from tests.support.shop import BY
from tests.support.world import World


def _taken(world: World, invoice: str) -> int:
    return sum(one.captured for one in world.captures() if one.reference.split(".")[0] == invoice)


async def _cases(invoice: str) -> list[Any]:
    rows = await sql.rows("select kind from tollbridge.review_case where invoice = $1 and state = 'open'", invoice)
    return [row["kind"] for row in rows]


async def _hand_over(world: World, ours: str, kind: str = "pm_card_visa") -> tuple[Signup, str]:
    signup, renewal = await world.renew(ours)
    card = await world.stripe_card(signup.customer, kind)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    return signup, renewal


async def _in_dunning(world: World, kind: str = "pm_card_chargeCustomerFail") -> tuple[Signup, str]:
    """A renewal that Stripe has failed to collect, and is going to try again."""
    signup = await world.signup("ok")
    await world.set_policy(unused_methods="keep")
    card = await world.stripe_card(signup.customer, kind)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    await world.later(days=31, hours=2)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


@pytest.mark.parametrize("then", ["stop", "void"])
async def test_a_hand_over_that_waits_ends_with_its_subscription(world: World, then: str) -> None:
    """A debit of ours is under way; Stripe is to pay the invoice if it fails; the subscription is cancelled; it fails.
    Stripe charges the payer for what the policy says is not collected any more."""
    await world.set_policy(canceled_invoices=then)
    signup, renewal = await _hand_over(world, "pending_then_fail")
    await world.cancel(signup.subscription)
    await world.later(hours=25)
    assert (world.taken_at_stripe(renewal), _taken(world, renewal)) == (0, 0)
    await world.later(days=12)
    assert world.taken_at_stripe(renewal) == 0
    if then == "void":
        assert world.stripe_invoice(renewal)["status"] == "void"


async def test_what_was_declined_there_is_closed_with_its_subscription(world: World) -> None:
    """The policy voids what a cancelled subscription leaves behind, also what Stripe could not take."""
    await world.set_policy(canceled_invoices="void")
    signup, renewal = await _hand_over(world, "decline_insufficient_funds", "pm_card_chargeCustomerFail")
    assert await world.open_cases() == ["hand_over_declined"]
    await world.cancel(signup.subscription)
    await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == "void"
    assert await world.open_cases() == []


async def test_a_cancellation_that_comes_while_an_agreement_lives_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set to end since its agreement was ended; the payer gives another card; at this moment a server cancels it. What
    follows from the card takes the place of what somebody has asked for."""
    signup = await world.signup("wallet")
    [agreement] = world.methods_at_processor()
    world.practice.revoke_method(agreement.token)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["cancel_at_period_end"]
    want, asked = advance._want, []

    async def later(*given: Any) -> None:
        if not asked:
            path = f"/v1/subscriptions/{signup.subscription}/cancel"
            asked.append(await world.call("POST", path, {"ends": "now", "wait_s": 0}))
        await want(*given)

    monkeypatch.setattr(advance, "_want", later)
    await world.new_card(signup.customer)
    monkeypatch.undo()
    await world.settle()
    assert asked[0].status_code == 202
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"


async def test_a_cancellation_that_is_taken_back_before_it_is_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled now by mistake, and taken back before Stripe was called: accepted, and called all the same."""
    signup = await world.signup("ok")
    tell, answers = cancel.tell_stripe, []

    async def later(*given: Any, **more: Any) -> None:
        if not answers:
            path = f"/v1/subscriptions/{signup.subscription}/cancel"
            answers.append(await world.call("POST", path, {"ends": "never", "wait_s": 0}))
        await tell(*given, **more)

    monkeypatch.setattr(cancel, "tell_stripe", later)
    await world.cancel(signup.subscription)
    monkeypatch.undo()
    await world.settle()
    assert answers[0].status_code == 202
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


@pytest.mark.parametrize("when", ["before", "after"])
async def test_who_is_left_alone_is_not_taken_from_stripe(world: World, when: str) -> None:
    """The customer opts out, before the switch or while Stripe can't be reached for it: what Stripe collects is taken
    from it, and nobody collects it."""
    signup, renewal = await _in_dunning(world)
    path, opt_out = f"/v1/customers/{signup.customer}", {"opted_out": True}
    if when == "before":
        await world.call("POST", path, opt_out)
        assert (await world.switch(signup.subscription, "gateway")).status_code == 400
    else:
        fault = world.stripe.faults.add("error_before", path="/v1/invoices", method="GET", status=500, times=None)
        await world.switch(signup.subscription, "gateway")
        await world.call("POST", path, opt_out)
        world.stripe.faults.remove(fault.id)
    await world.later(days=1)
    assert world.stripe_invoice(renewal)["auto_advance"]
    if when == "after":
        await world.call("POST", path, {"opted_out": False})
        await world.later(hours=1)
        assert _taken(world, renewal) == 1000


async def test_the_method_before_stays_where_the_new_one_is_gone(world: World) -> None:
    """Stripe can't be reached; the payer ends the new method before the switch to it is done. The old one, which is
    good, is deleted in its favour."""
    signup = await world.signup("ok")
    new = await world.repair_card(signup)
    path = f"/v1/subscriptions/{signup.subscription}"
    fault = world.stripe.faults.add("error_before", method="POST", path=path, status=500, times=None)
    await world.switch(signup.subscription, "gateway", payment_method=new, retire=True)
    world.practice.revoke_method(world.methods_at_processor()[-1].token)
    await world.settle()
    world.stripe.faults.remove(fault.id)
    await world.later(hours=1)
    assert [method.status for method in world.methods_at_processor()] == ["active", "revoked"]
    await world.later(days=31)
    assert [one["status"] for one in world.invoices_of(signup.subscription)] == ["paid", "paid"]


async def test_nobody_is_erased_who_is_being_switched_to_us(world: World) -> None:
    """Stripe can't be reached just then; the methods are deleted for which the subscription is about to be taken."""
    signup, _ = await _in_dunning(world)
    path = f"/v1/subscriptions/{signup.subscription}"
    world.stripe.faults.add("error_before", method="POST", path=path, status=500, times=None)
    await world.switch(signup.subscription, "gateway")
    answer = await world.call("POST", f"/v1/customers/{signup.customer}/erase", {"reason": "asked for"})
    assert answer.status_code == 409, answer.text
    assert world.methods_at_processor()[0].status == "active"


async def test_a_method_for_one_alone_that_another_has_followed(world: World) -> None:
    """README: "charged for no other". The payer gives a card for the second alone, and then another: the one before is
    nobody's, stands first, and is charged for the first subscription."""
    signup = await world.signup("ok")
    second = await world.signup("ok", "order-2", customer=signup.customer)
    given = []
    for _ in range(2):
        session = await world.method_session(signup.customer, subscription=second.subscription)
        await world.method_setup(session)
        await world.method_done(session)
        await world.settle()
        given.append((await world.methods_of(signup.customer))[0]["id"])
    await world.later(days=31)
    shown = await world.gateway_invoice(world.invoices_of(signup.subscription)[-1]["id"])
    assert {attempt["payment_method"] for attempt in shown["attempts"]}.isdisjoint(given)


async def test_a_payer_does_not_undo_a_schedule(world: World) -> None:
    """A schedule refuses a server's switch; the payer's own, by a card given to Stripe, is done, and the next phase
    puts it back without the method that was deleted here."""
    signup = await world.signup("ok")
    await world.shop.client.v1.subscription_schedules.create_async({"from_subscription": signup.subscription})
    await world.settle()
    session = await world.method_session(signup.customer, connection="stripe")
    path = f"/v1/payment_method_sessions/{session['id']}/setup"
    body = {"processor": "stripe", "return_url": "http://127.0.0.1/return"}
    begun = await world.call("POST", path, body, key=session["client_secret"])
    intent = begun.json()["client"]["setup_intent_client_secret"].partition("_secret_")[0]
    await world.shop.client.v1.setup_intents.confirm_async(intent, {"payment_method": "pm_card_visa"})
    await world.method_done(session)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["collection_method"] == "send_invoice"
    assert world.methods_at_processor()[0].status == "active"


async def test_the_end_of_a_method_that_was_for_another_subscription(world: World) -> None:
    """The first is paid by transfer since its card was removed; the agreement that the payer ends was for the second
    alone."""
    signup = await world.signup("ok")
    second = await world.signup("wallet", "order-2", customer=signup.customer)
    [agreement, card] = [one["id"] for one in await world.methods_of(signup.customer)]
    await world.switch(second.subscription, "gateway", payment_method=agreement)
    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{card}")
    await world.settle()
    world.practice.revoke_method(world.methods_at_processor()[-1].token)
    await world.settle()
    assert world.stripe_subscription(second.subscription)["cancel_at_period_end"]
    assert not world.stripe_subscription(signup.subscription)["cancel_at_period_end"]


async def test_a_restored_database_after_an_invoice_was_taken(world: World) -> None:
    """Stripe has let go of it, and nobody here knows that it is ours."""
    signup, renewal = await _in_dunning(world)
    world.break_card(signup.customer, "decline_insufficient_funds")
    backup = Backup(world)
    await backup.take()
    await world.switch(signup.subscription, "gateway")
    assert await world.attempts(renewal) == ["declined"]
    await world.move(minutes=10)
    await backup.restore()
    world.break_card(signup.customer, "ok")
    await world.catch_up()
    await world.settle()
    await world.later(days=2)
    assert await world.open_cases() == ["nobody_collects"]
    await world.switch(signup.subscription, "gateway")
    await world.later(days=2)
    assert (world.stripe_invoice(renewal)["status"], _taken(world, renewal)) == ("paid", 1000)
    assert await world.open_cases() == []


async def test_our_late_success_while_stripes_debit_is_under_way(world: World) -> None:
    """What we declined succeeds after all while the debit that Stripe took up for it is processing."""
    _, renewal = await _hand_over(world, "decline_insufficient_funds", "pm_sepaDebit")
    world.succeed_after_all(world.last_charge())
    await world.settle()
    for _ in range(3):
        await world.later(days=4)
    both = world.taken_at_stripe(renewal) + _taken(world, renewal) - sum(returned(world))
    assert both == 1000 or await _cases(renewal)


async def test_the_rest_that_is_not_billed_yet_needs_the_method(world: World) -> None:
    """A part came; Stripe can't be told of the rest just then; the subscription is switched to Stripe, and the method
    is deleted with which the rest was to be collected."""
    await world.set_policy(partial_payment="split")
    signup = await world.signup("ok")
    world.practice.script(world.shop.practice_key, Scripted(percent=60))
    fault = world.stripe.faults.add("error_before", method="POST", path="/v1/invoices", status=429, times=None)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert (world.stripe_invoice(renewal)["status"], _taken(world, renewal)) == ("paid", 600)
    card = await world.stripe_card(signup.customer)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    assert world.methods_at_processor()[0].status == "active"
    world.stripe.faults.remove(fault.id)
    await world.later(hours=2)
    assert sum(one.captured for one in world.captures()) == 2000
    await world.later(hours=7)
    assert world.methods_at_processor()[0].status == "revoked"


@pytest.mark.parametrize("kind", ["pm_card_visa", "pm_card_chargeCustomerFail"])
async def test_a_hand_over_of_which_no_answer_came_is_not_ours_again(world: World, kind: str) -> None:
    """Stripe may be charging it at this moment: whoever switches back waits for what came of it."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    path = f"/v1/invoices/{renewal}/pay"
    fault = world.stripe.faults.add("error_before", method="POST", path=path, status=500, times=None)
    card = await world.stripe_card(signup.customer, kind)
    await world.set_policy(unused_methods="keep")
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    world.break_card(signup.customer, "ok")
    new = await world.repair_card(signup)
    await world.switch(signup.subscription, "gateway", payment_method=new)
    assert _taken(world, renewal) == 0
    world.stripe.faults.remove(fault.id)
    await world.later(hours=25)
    by_us = 1000 if kind == "pm_card_chargeCustomerFail" else 0
    assert (_taken(world, renewal), world.taken_at_stripe(renewal)) == (by_us, 1000 - by_us)
    assert await world.open_cases() == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"currencies": ["usd"]}])
async def test_what_no_connection_can_charge_stays_with_stripe(world: World, change: dict[str, Any]) -> None:
    """The customer's method is good, and its connection is switched off, or not for this currency."""
    signup, _ = await _in_dunning(world)
    await connections.update(
        world.runtime, BY, world.shop.account, "practice-eu", connections.ConnectionChange(**change)
    )
    assert (await world.switch(signup.subscription, "gateway")).status_code == 400
    assert world.stripe_subscription(signup.subscription)["collection_method"] == "charge_automatically"


async def test_a_restored_database_that_has_forgotten_our_own_deletion(world: World) -> None:
    """The old token was retired and deleted by us: that its next charge says so is no word of the payer's."""
    signup = await world.signup("ok")
    backup = Backup(world)
    await backup.take()
    method = await world.repair_card(signup)
    await world.switch(signup.subscription, "gateway", payment_method=method, retire=True)
    assert [one.status for one in world.methods_at_processor()] == ["revoked", "active"]
    await world.move(minutes=10)
    await backup.restore()
    await world.catch_up()
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert await world.attempts(renewal) == ["declined"]
    live = world.stripe_subscription(signup.subscription)
    assert (live["status"], live["cancel_at_period_end"]) == ("active", False)
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
