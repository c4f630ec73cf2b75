"""Histories of usage, of Stripe's own page, of agreed maxima and of access that break a law."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db import sql
from db.poke import Kind, WakeUp
from gateway.access import gate
from gateway.accounts import accounts
from gateway.clock import business_now
from gateway.doctor.rehearsal import rehearse
from gateway.domain.actions import Resolve
from gateway.domain.decide import decide
from gateway.subscriptions.advance import advance_subscription
from gateway.workers.timers import beating
from tests.doctor.test_rehearsal import working
from tests.domain.views import DUE, METHOD, NOW, SECOND, attempt, replace, view
from tests.scenarios.test_d_restored import Backup
from tests.support.crash import boundaries
from tests.support.metered import Metered, metered_price, sell_metered, subscribe_metered, to_period_end, use
from tests.support.shop import BY
from tests.support.world import Doors, World
from tests.support.world import world as new_world

EVENTS: dict[str, Any] = {"method": "POST", "path": "/v1/billing/meter_events"}


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


@pytest.fixture
async def plan(world: World) -> Metered:
    return await sell_metered(world)


# --- usage ---------------------------------------------------------------------------------------------------------


async def test_a_restored_database_sends_usage_again_after_a_day(plan: Metered) -> None:
    """What the backup calls accepted has been sent since; after a day Stripe knows its identifier no more."""
    plan.world.stripe.faults.add("error_before", times=None, status=429, **EVENTS)
    await plan.report()
    await plan.world.settle()
    backup = Backup(plan.world)
    await backup.take()
    plan.world.stripe.faults.clear()
    await plan.world.later(minutes=10)
    assert plan.counted() == [("u-1", "250")]
    await plan.world.move(hours=25)
    await backup.restore()
    await plan.world.settle()
    await plan.world.later(minutes=10)
    assert plan.counted() == [("u-1", "250")], "each event once"


async def test_usage_that_stripe_may_have_is_not_called_refused(plan: Metered) -> None:
    """The first call was counted and its answer lost; the second is refused for another reason. Whoever reports it
    again under a new identifier, as the case asks, bills it twice."""
    plan.world.stripe.faults.add("lost_after", times=1, **EVENTS)
    await plan.report()
    await plan.world.settle()
    assert plan.counted() == [("u-1", "250")]
    plan.world.stripe.faults.add("error_before", times=1, status=400, **EVENTS)
    await plan.world.later(minutes=1)
    assert await plan.states() != {"u-1": "refused"}


async def test_who_asks_again_puts_the_end_off(plan: Metered) -> None:
    """Each wish waits ten minutes for usage, and takes the place of the one before."""
    plan.world.stripe.faults.add("error_before", times=None, status=500, **EVENTS)
    await plan.report()
    for _ in range(6):
        await plan.world.cancel(plan.subscription, "now", invoice_now=True)
        await plan.world.later(minutes=9)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "canceled"


# --- Stripe's own page ---------------------------------------------------------------------------------------------


async def test_a_hosted_checkout_without_a_first_invoice(world: World) -> None:
    """Nothing is billed ahead, so there is nothing to pay on any page: it is complete."""
    await world.set_policy(collection="hosted")
    price = await metered_price(world)
    opened = await world.open_session("order-1", items=[{"price": price}])
    assert opened.status_code == 200, opened.text
    await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    subscription = opened.json()["subscription"]
    await world.later(hours=25)
    shown = (await world.call("GET", f"/v1/checkout_sessions/{opened.json()['id']}")).json()
    assert (shown["status"], world.stripe_subscription(subscription)["status"]) == ("complete", "active")


async def test_a_forgotten_capture_of_what_is_paid_on_stripes_page(world: World) -> None:
    """Law 5: it was captured, and Stripe not told; then the database was restored, its customer moved to Stripe's page,
    and the payer has paid there. The capture is returned, or a case names it."""
    signup, renewal = await world.renew_unseen()
    backup = Backup(world)
    await backup.take()
    for path in (f"/v1/invoices/{renewal}", f"/v1/invoices/{renewal}/pay"):
        world.stripe.faults.add("error_before", method="POST", path=path, status=429, times=None)
    await world.settle()
    assert len(world.captures()) == 2
    await world.move(minutes=10)
    await backup.restore()
    world.stripe.faults.clear()
    answer = await world.call("POST", f"/v1/customers/{signup.customer}", {"collection": "hosted"})
    assert answer.status_code == 200, answer.text
    await world.catch_up()
    await world.settle()
    await world.later(hours=2)
    if world.stripe_invoice(renewal)["status"] == "open":
        await world.pay_at_stripe(renewal)
    await world.settle()
    for _ in range(12):
        await world.later(days=1)
    back = world.practice.account(world.shop.practice_key).refunds
    paid_by_us = world.taken_at_stripe(renewal) == 0
    assert paid_by_us or back or await world.open_cases(), "1000 are held, and nobody knows"


@pytest.mark.parametrize("away", ["nobody works", "the account is disabled"])
async def test_our_own_downtime_does_not_cut_usage_off(plan: Metered, away: str) -> None:
    """Usage and the end were accepted, then nothing here worked for a quarter of an hour, while Stripe was well: what
    waits is sent before the subscription ends, not left off its last invoice."""
    world = plan.world
    await plan.report(value=100)
    path, body = f"/v1/subscriptions/{plan.subscription}/cancel", {"ends": "now", "invoice_now": True, "wait_s": 0}
    headers = {"authorization": f"Bearer {plan.shop.api_key}"}
    answer = await world.http.post(world.gateway_url + path, json=body, headers=headers)
    assert answer.status_code in (200, 202)
    if away == "nobody works":
        await world.move(minutes=15)
    else:
        await accounts.update(world.runtime.keyring, BY, plan.shop.account, accounts.AccountChange(enabled=False))
        await world.later(minutes=15)
        await accounts.update(world.runtime.keyring, BY, plan.shop.account, accounts.AccountChange(enabled=True))
    assert plan.sent() == 0
    # Which turn comes first is chance.
    await advance_subscription(world.runtime, WakeUp(Kind.SUBSCRIPTION, plan.shop.account, plan.subscription))
    await world.settle()
    await world.later(minutes=2)
    assert world.stripe_subscription(plan.subscription)["status"] == "canceled"
    lines = [line["amount"] for one in world.invoices_of(plan.subscription) for line in one["lines"]["data"]]
    assert 400 in lines, f"100 calls are billed nowhere: {lines}, {await world.open_cases()}"


async def test_late_money_for_a_subscription_that_its_end_has_cancelled(world: World) -> None:
    """The payer pays on Stripe's page what was given up: the money buys nothing any more, and a case says so."""
    await world.set_policy(collection="hosted", at_end=["mark_uncollectible", "cancel_subscription"])
    opened = await world.open_session("order-1")
    await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    session = opened.json()
    first = world.invoices_of(session["subscription"])[0]["id"]
    await world.pay_at_stripe(first)
    await world.settle()
    await world.later(days=31)
    renewal = world.invoices_of(session["subscription"])[-1]["id"]
    await world.later(days=11)
    assert world.stripe_subscription(session["subscription"])["status"] == "canceled"
    await world.pay_at_stripe(renewal)
    await world.settle()
    await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert not (await world.access(session["subscription"]))["granted"]
    assert await world.open_cases(), "10.00 were paid for nothing, and nobody is told"


async def test_what_was_paid_on_stripes_page_stays_paid(world: World) -> None:
    """Law 13: no try of ours makes it ours, so once its customer is left alone the next look at the first invoice
    closes what it has opened."""
    await world.set_policy(collection="hosted")
    opened = await world.open_session("order-1")
    await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    session = opened.json()
    first = world.invoices_of(session["subscription"])[0]["id"]
    await world.pay_at_stripe(first)
    await world.settle()
    answer = await world.call("POST", f"/v1/customers/{session['customer']}", {"opted_out": True})
    assert answer.status_code == 200, answer.text
    await world.settle()
    assert (await world.access(session["subscription"]))["granted"]
    await _looked_at(world, first)
    assert (await world.access(session["subscription"]))["granted"]


@pytest.mark.parametrize("paid", ["out of band", "nothing was due"])
async def test_a_connection_that_is_switched_off_closes_no_access(world: World, paid: str) -> None:
    """Law 13: the first invoice was paid without a try of ours; the account goes over to Stripe's page and needs its
    processor no more. The next look at that invoice calls it nobody's, and who has paid is shut out."""
    trial = {} if paid == "out of band" else {"trial_period_days": 14}
    client = world.shop.client.v1
    customer = await client.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
    items: Any = [{"price": world.shop.price}]
    wanted: Any = {"customer": customer.id, "items": items, "collection_method": "send_invoice", "days_until_due": 10}
    made = await client.subscriptions.create_async(wanted | trial)
    await world.settle()
    first = world.invoices_of(made.id)[0]["id"]
    if paid == "out of band":
        await client.invoices.pay_async(first, {"paid_out_of_band": True})
    await world.settle()
    assert (await world.access(made.id))["granted"]
    await world.set_policy(collection="hosted")
    path = f"/v1/connections/{world.shop.connection}"
    assert (await world.call("POST", path, {"enabled": False})).status_code == 200
    await world.settle()
    await _looked_at(world, first)
    assert (await world.access(made.id))["granted"]


async def _looked_at(world: World, invoice: str) -> None:
    """Somebody writes a note on the invoice at Stripe, as staff do; and on its subscription."""
    await world.shop.client.v1.invoices.update_async(invoice, {"metadata": {"note": "seen"}})
    await world.settle()
    of = world.stripe_invoice(invoice)["parent"]["subscription_details"]["subscription"]
    await world.shop.client.v1.subscriptions.update_async(of, {"metadata": {"note": "seen"}})
    await world.settle()


# --- what a payer has agreed to ------------------------------------------------------------------------------------


def test_no_replay_above_what_the_payer_agrees_to_by_now() -> None:
    """Law 4: sent again it may be the first time that it arrives. The payer has lowered the limit meanwhile; the same
    bytes are above it, and are asked for, not sent, as after a pause has begun."""
    unknown = attempt("unknown", lookups=3, resolve_at=NOW - SECOND)
    less = replace(METHOD, agreed_maximum=DUE - 1)
    assert decide(view(attempts=(unknown,), methods=(less,)), NOW) == Resolve("att_1", "lookup")


async def test_a_limit_in_another_currency_is_no_agreement_to_any_amount(world: World) -> None:
    """The payer has agreed to 5.00 USD at once. An invoice of 10.00 EUR is charged as if there were no limit."""
    signup = await world.signup("ok")
    [card] = world.methods_at_processor()
    stored = await world.take_over(signup.customer, card.token, charge_limit={"amount": 500, "currency": "usd"})
    assert stored.status_code in (200, 201), stored.text
    await world.later(days=31)
    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    assert (await world.attempts(renewal), await world.open_cases()) == ([], ["above_agreed_maximum"])


@pytest.mark.parametrize("ends", ["invoice_now", "at once"])
async def test_who_cancels_within_the_draft_hour_pays_for_what_was_used(world: World, ends: str) -> None:
    """The period's invoice is a draft for an hour, since late usage still counts; its subscription is cancelled in that
    hour. Stripe finalizes it no more, and neither do we: what was used in a whole month is billed nowhere, and nobody
    is told."""
    signup = await subscribe_metered(world)
    await use(world, signup.customer, 250)
    await to_period_end(world, signup.subscription)
    await world.later(minutes=10)
    period = world.invoices_of(signup.subscription)[-1]
    assert (period["status"], period["amount_due"]) == ("draft", 2000)
    await world.cancel(signup.subscription, "now", invoice_now=ends == "invoice_now")
    for _ in range(4):
        await world.later(days=3)
    assert world.stripe_invoice(period["id"])["status"] != "draft" or await world.open_cases()


# --- the rehearsal -------------------------------------------------------------------------------------------------


async def test_a_rehearsal_that_fails_leaves_no_money_behind(world: World) -> None:
    """Its payment is recorded here, and Stripe can't be told in time: the invoice is voided in the cleanup, and what it
    took stays held for good."""
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=429, times=None)
    async with working(world):
        played = await rehearse(world.runtime, BY, world.shop.account, wait_s=3)
    assert [step.name for step in played.steps if not step.ok] == ["payment"]
    world.stripe.faults.clear()
    for _ in range(3):
        await world.later(days=1)
    held = "select coalesce(sum(tollbridge.held_money(account, id)), 0) from tollbridge.invoice"
    assert (await sql.value(held), await world.open_cases()) == (0, [])


# --- between a processor and Stripe's page -------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["account", "customer"])
async def test_who_has_confirmed_a_card_is_charged_to_it(world: World, by: str) -> None:
    """The session was opened to collect a card, and keeps that; its account goes over to Stripe's page before the payer
    has confirmed. The card is charged, as the payer was told, or the session says where to pay."""
    opened = (await world.open_session("order-1")).json()
    await world.give_card(opened)
    if by == "account":
        await world.set_policy(collection="hosted")
    else:
        await world.call("POST", f"/v1/customers/{opened['customer']}", {"collection": "hosted"})
    await world.settle()
    await world.confirm(opened, wait_s=0)
    await world.settle()
    await world.later(hours=26)
    shown = (await world.call("GET", f"/v1/checkout_sessions/{opened['id']}")).json()
    assert (shown["status"], shown["hosted_invoice_url"] is None) in (("complete", True), ("processing", False)), shown


@pytest.mark.parametrize("body", [{"trial_period_days": 14}])
async def test_a_hosted_checkout_of_nothing_due(world: World, body: dict[str, Any]) -> None:
    opened = await world.open_session("order-1", collection="hosted", **body)
    assert opened.status_code == 200, opened.text
    await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    await world.later(hours=26)
    shown = (await world.call("GET", f"/v1/checkout_sessions/{opened.json()['id']}")).json()
    assert shown["status"] == "complete"


@pytest.mark.parametrize("collection", ["hosted", "processor"])
async def test_a_recorded_capture_is_forgotten_with_its_card(world: World, collection: str) -> None:
    """Laws 5, 8: charged and recorded, forgotten by a restored database, and the card deleted before anybody has
    looked. The invoice's metadata name our try, the processor has the money, and no ledger, case or refund knows it."""
    signup, renewal = await world.renew_unseen()
    backup = Backup(world)
    await backup.take()
    await world.settle()
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 0)
    await world.move(minutes=10)
    await backup.restore()
    await world.call("POST", f"/v1/customers/{signup.customer}", {"collection": collection})
    [card] = await world.methods_of(signup.customer)
    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{card['id']}")
    await world.settle()
    await world.catch_up()
    await world.settle()
    await world.later(days=2)
    shown = await world.gateway_invoice(renewal)
    assert shown["movements"] or await world.open_cases(), (shown["state"], shown["collected_by"], shown["reason"])


async def test_a_session_for_a_card_ends_while_its_payer_pays_on_stripes_page(world: World) -> None:
    """Law 7: staff have switched its subscription to Stripe's page, where a debit is on its way. The session ends for
    want of a charge, and cancels the subscription; then the money comes, for nothing, and no case says so."""
    opened = (await world.open_session("order-1")).json()
    await world.give_card(opened)
    assert (await world.switch(opened["subscription"], "hosted")).status_code in (200, 202)
    await world.confirm(opened, wait_s=0)
    await world.settle()
    [invoice] = world.invoices_of(opened["subscription"])
    await world.later(hours=20)
    await world.pay_at_stripe(invoice["id"], "sepaDebit")
    await world.settle()
    await world.later(hours=6)
    await world.later(days=8)
    assert world.taken_at_stripe(invoice["id"]) == 1000
    alive = world.stripe_subscription(opened["subscription"])["status"] == "active"
    assert alive or await world.open_cases(), world.stripe_invoice(invoice["id"])["status"]


@pytest.mark.parametrize("opted_out", [True, False])
async def test_access_hears_of_who_is_left_alone_again(world: World, opted_out: bool) -> None:
    """A hosted invoice was given up, and has closed access; its customer is opted out, and nothing is owed to us; or
    opted in again, and it is. Only drafts and open invoices are told, so what stands there is the answer of before: it
    stays closed, or open."""
    await world.set_policy(collection="hosted", at_end=["mark_uncollectible"])
    opened = (await world.open_session("order-1")).json()
    await world.confirm(opened, wait_s=0)
    await world.settle()
    await world.pay_at_stripe(world.invoices_of(opened["subscription"])[0]["id"])
    await world.settle()
    await world.later(days=31)
    await world.later(days=11)
    assert not (await world.access(opened["subscription"]))["granted"]
    if not opted_out:
        await _opt_out(world, opened, True)
        await _worked_out(world, opened["subscription"])
    await _opt_out(world, opened, opted_out)
    stored = (await world.access(opened["subscription"]))["granted"]
    assert stored is await _worked_out(world, opened["subscription"]), "nobody has told the subscription"


async def _opt_out(world: World, session: dict[str, Any], opted_out: bool) -> None:
    await world.call("POST", f"/v1/customers/{session['customer']}", {"opted_out": opted_out})
    await world.settle()


async def _worked_out(world: World, subscription: str) -> bool:
    found = await gate.settle(world.shop.account, subscription, await business_now())
    assert found is not None
    return found.granted


@pytest.mark.parametrize("end", [["cancel_subscription"], ["mark_uncollectible", "cancel_subscription"]])
async def test_the_payer_pays_in_the_moment_of_the_end(world: World, end: list[str]) -> None:
    """After the last look, and before its subscription is cancelled: whoever is quicker keeps it, as in a checkout; or
    somebody is told that money came for what has ended."""
    await world.set_policy(collection="hosted", at_end=end)
    opened = (await world.open_session("order-1")).json()
    await world.confirm(opened, wait_s=0)
    await world.settle()
    await world.pay_at_stripe(world.invoices_of(opened["subscription"])[0]["id"])
    await world.settle()
    await world.later(days=31)
    renewal = world.invoices_of(opened["subscription"])[-1]["id"]
    last = f"before DELETE /v1/subscriptions/{opened['subscription']}"
    paid: list[str] = []

    def pay(crossed: str) -> bool:
        if crossed == last and not paid:
            paid.append(renewal)
            world.pays_there(renewal)
        return False

    with boundaries(pay):
        await world.later(days=11)
    assert (paid, world.taken_at_stripe(renewal)) == ([renewal], 1000)
    alive = world.stripe_subscription(opened["subscription"])["status"] == "active"
    await world.later(days=1)
    assert alive or await world.open_cases(), "paid, cancelled, and nobody is told"


async def test_nobody_works_and_what_is_paid_on_stripes_page_is_overdue(world: World) -> None:
    """Downtime of ours postpones nothing for a hosted invoice: its access closes at its moment, worker or not."""
    await world.set_policy(collection="hosted", access_closes="overdue")
    opened = (await world.open_session("order-1")).json()
    await world.confirm(opened, wait_s=0)
    await world.settle()
    await world.pay_at_stripe(world.invoices_of(opened["subscription"])[0]["id"])
    await world.settle()
    await beating()()
    await world.later(days=31)
    shown = await world.access_unworked(opened["subscription"])
    assert (shown["granted"], shown["closes_at"] is None) == (True, False)
    await sql.rows("update tollbridge.worker set beat_at = clock_timestamp() - interval '1 hour'")
    await world.move(seconds=shown["closes_at"] - (await business_now()).timestamp() + 3600)
    assert not (await world.access_unworked(opened["subscription"]))["granted"]
