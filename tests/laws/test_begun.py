"""What was begun stands in the database before the call; where that one call fails, it is done all the same, once, and
as it was wanted. The same without a fault, which shows that it is the fault that counts, is in the slow ring."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from db import sql
from gateway.accounts import accounts
from gateway.billing import invoices
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeNotSentError
from gateway.billing.invoices import StripeInvoice
from gateway.books import repair
from gateway.collect import restored
from gateway.collect.outcomes import store_outcome
from gateway.customers import erase
from gateway.sandbox.stripe import credit_notes
from gateway.sandbox.stripe.routes import Call
from gateway.workers.timers import reconciling
from tests.books.conftest import Books
from tests.books.test_repair import lost_charge
from tests.scenarios.test_d_restored import Backup
from tests.scenarios.test_l_partial import script
from tests.support.crash import boundaries
from tests.support.hosting import paid_there
from tests.support.returning import returned
from tests.support.shop import BY
from tests.support.world import World


async def _hours(world: World, hours: int = 4) -> None:
    for _ in range(hours):
        await world.later(hours=1)


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "error_before"])
async def test_what_is_handed_over_is_asked_of_stripe_under_another_key_after_a_500(world: World, fault: str) -> None:
    """Stripe keeps a 500 under its key for a day: under the same key it is all that it ever answers."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    card = await world.stripe_card(signup.customer)
    world.stripe.faults.add(fault, method="POST", path="/v1/invoices/{id}/pay")
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    await _hours(world)
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 1000)
    assert await world.open_cases() == []


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "error_before"])
async def test_a_payer_can_give_stripe_a_card_after_a_500(world: World, fault: str) -> None:
    """The same for the SetupIntent of a session: its one key is all that the session ever has."""
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer, connection="stripe")
    world.stripe.faults.add(fault, method="POST", path="/v1/setup_intents")
    path = f"/v1/payment_method_sessions/{session['id']}/setup"
    body = {"processor": "stripe", "return_url": "http://127.0.0.1/return"}
    for _ in range(3):
        answer = await world.call("POST", path, body, key=session["client_secret"])
        await world.later(hours=1)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("status", [429, 403])
async def test_who_was_turned_away_from_recording_has_not_recorded(world: World, status: int) -> None:
    """Law 6: nothing happened there, so an invoice that is paid by hand after that was not paid by us."""
    signup = await world.signup("ok")
    pay = "/v1/invoices/{id}/pay"
    refused = world.stripe.faults.add("error_before", method="POST", path=pay, status=status, times=None)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert await world.attempts(renewal) == ["succeeded"]
    world.stripe.faults.remove(refused.id)
    # The payer has transferred the money as well, and staff mark the invoice paid.
    await world.shop.client.v1.invoices.pay_async(renewal, {"paid_out_of_band": True})
    await _hours(world)
    assert await world.open_cases() == ["paid_by_hand"]


@pytest.mark.parametrize("fault", [pytest.param("sent", marks=pytest.mark.slow), "not_sent", "lost_before"])
async def test_what_somebody_has_collected_after_the_end_is_tried_until_it_is_sent(world: World, fault: str) -> None:
    """Law 4: what was not sent, or is not there, is free; the wish is heeded by a try that reaches the processor."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.cancel(signup.subscription)
    world.break_card(signup.customer, "ok")
    await world.later(days=2)
    if fault == "not_sent":
        world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=429)
    elif fault == "lost_before":
        world.practice.faults.add(fault, method="POST", path="/v1/charges")
    assert (await world.collect_now(renewal, wait_s=0)).status_code == 202
    await _hours(world, 12)
    assert world.stripe_invoice(renewal)["status"] == "paid", await world.attempts(renewal)


@pytest.mark.parametrize("fault", [pytest.param("sent", marks=pytest.mark.slow), "not_sent"])
async def test_what_somebody_has_collected_after_the_due_date_is_tried_until_it_is_sent(
    world: World, fault: str
) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.later(days=12)
    world.break_card(signup.customer, "ok")
    if fault == "not_sent":
        world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=429)
    answer = await world.collect_now(renewal, wait_s=0)
    assert answer.status_code == 202, answer.text
    await _hours(world)
    assert world.stripe_invoice(renewal)["status"] == "paid", await world.attempts(renewal)


@pytest.mark.parametrize("status", [pytest.param(None, marks=pytest.mark.slow), 429, 403])
async def test_an_end_that_stripe_never_heard_of_is_withdrawn(world: World, status: int | None) -> None:
    """The payer has given another payment method before Stripe took the call: nobody wants the end any more."""
    await world.set_policy(agreement_canceled="cancel_now")
    signup = await world.signup("wallet")
    faults, path = world.stripe.faults, "/v1/subscriptions/{id}"
    if status is None:
        await world.new_card(signup.customer)
    else:
        faults.add("error_before", method="DELETE", path=path, status=status, times=None)
    world.practice.revoke_method(world.methods_at_processor()[0].token)
    await world.settle()
    if status is not None:
        await world.new_card(signup.customer)
        faults.clear()
    await _hours(world)
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


@pytest.mark.parametrize("dies", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_an_erasure_whose_server_dies_is_finished(
    world: World, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Who pays on Stripe's page has no payment method whose upkeep could finish it."""
    signup = await paid_there(world)
    await world.cancel(signup.subscription)
    going_on = erase.go_on

    async def dying(*args: Any) -> bool:
        raise RuntimeError("the server is stopped")

    if dies:
        monkeypatch.setattr(erase, "go_on", dying)
    await world.call("POST", f"/v1/customers/{signup.customer}/erase", {"reason": "asked for"})
    monkeypatch.setattr(erase, "go_on", going_on)
    await _hours(world)
    row = await sql.row("select erase_asked_at, erased_at from tollbridge.customer where id = $1", signup.customer)
    assert row is not None
    assert (row["erase_asked_at"] is not None, row["erased_at"] is not None) == (True, True)


@pytest.mark.parametrize(
    "fault", [pytest.param("", marks=pytest.mark.slow), "error_before", "lost_before", "lost_after"]
)
async def test_a_charge_that_is_to_be_withdrawn_is(world: World, fault: str) -> None:
    """The processor does not answer the first call; the payer's bank takes the money three hours later."""
    await world.set_policy(canceled_in_flight="return")
    world.practice.set_delays(pending_delay_s=3 * 3600)
    signup, renewal = await world.renew_unseen()
    world.break_card(signup.customer, "pending_then_ok")
    await world.settle()
    assert await world.attempts(renewal) == ["pending"]
    if fault:
        world.practice.faults.add(fault, method="POST", path="/v1/charges/{id}/cancel")
    await world.cancel(signup.subscription)
    for _ in range(30):
        await world.later(minutes=10)
    assert await world.attempts(renewal) == ["canceled"]
    assert (returned(world), world.stripe_invoice(renewal)["status"]) == ([], "open")


@pytest.mark.parametrize("status", [429, 403])
async def test_what_stripe_has_refused_to_hear_of_is_ours_again_once_it_is_switched_back(
    world: World, status: int
) -> None:
    """Stripe has said that nothing happened: it is not asked to charge what nobody wants it to charge any more."""
    await world.set_policy(unused_methods="keep")
    signup, renewal = await world.renew("decline_insufficient_funds")
    card = await world.stripe_card(signup.customer)
    pay = "/v1/invoices/{id}/pay"
    refused = world.stripe.faults.add("error_before", method="POST", path=pay, status=status, times=None)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    world.break_card(signup.customer, "ok")
    await world.switch(signup.subscription, "gateway")
    world.stripe.faults.remove(refused.id)
    for _ in range(30):
        await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (len(world.captures()), world.taken_at_stripe(renewal)) == (2, 0)


async def test_what_is_switched_back_while_stripe_turns_it_away_is_ours_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.set_policy(unused_methods="keep")
    signup, renewal = await world.renew("decline_insufficient_funds")
    card, asked = await world.stripe_card(signup.customer), list[str]()

    async def turned_away(_: StripeClient, invoice: str, *how: str) -> StripeInvoice:
        asked.append(invoice)
        if len(asked) == 1:
            world.break_card(signup.customer, "ok")
            await world.switch(signup.subscription, "gateway")
        raise StripeNotSentError("Stripe asks for patience")

    monkeypatch.setattr(invoices, "pay_with", turned_away)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    await _hours(world, 30)
    assert (asked, world.stripe_invoice(renewal)["status"]) == ([renewal], "paid")
    assert (len(world.captures()), world.taken_at_stripe(renewal)) == (2, 0)


@pytest.mark.parametrize("days", [pytest.param(0, marks=pytest.mark.slow), 4])
async def test_days_in_which_nothing_was_sent_disable_no_endpoint(world: World, days: int) -> None:
    """Two tries that failed are two tries, whatever time the account was disabled between them."""
    await world.listen("tollbridge.invoice.paid")
    world.merchant.answers = [500, 500]
    await world.signup("ok")
    await _enabled(world, False)
    await world.later(days=days, minutes=1)
    await _enabled(world, True)
    for _ in range(20):
        await world.later(hours=1)
    assert [event["type"] for event in world.merchant.told] == ["tollbridge.invoice.paid"]
    assert await world.open_cases() == []


async def _enabled(world: World, enabled: bool) -> None:
    change = accounts.AccountChange(enabled=enabled)
    await accounts.update(world.runtime.keyring, BY, world.shop.account, change)


@pytest.mark.parametrize("adapter", [pytest.param("practice", marks=pytest.mark.slow), "gone"])
async def test_a_repair_that_can_not_be_tried_keeps_nothing_else_waiting(world: World, adapter: str) -> None:
    """A charge is to be looked up whose adapter is not installed any more: it says so, and the day's run comes."""
    found = await lost_charge(world, Books(world))
    await sql.rows("update tollbridge.connection set adapter = $1", adapter)
    await repair.ask_for(BY, world.shop.account, found)
    turn = reconciling(world.runtime)
    for _ in range(3):
        await world.move(days=1)
        with suppress(Exception):  # as the worker's timers do
            await turn()
    tried = await sql.row(
        "select repair_asked_at, repair_outcome from tollbridge.reconciliation_break where id = $1", found
    )
    assert tried is not None
    assert tried["repair_asked_at"] is None
    assert await sql.value("select count(*) from tollbridge.reconciliation where asked_by = 'timer'") > 0


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("", marks=pytest.mark.slow),
        pytest.param("lost_before", marks=pytest.mark.slow),
        "lost_after",
        pytest.param("error_before", marks=pytest.mark.slow),
        "error_after",
    ],
)
async def test_a_checkout_makes_one_customer(world: World, fault: str) -> None:
    """Law 11: what we create at Stripe is looked for before another is made under another key."""
    if fault:
        world.stripe.faults.add(fault, method="POST", path="/v1/customers")
    opened = await world.open_session("order-1")
    for _ in range(3):
        await world.later(minutes=10)
    opened = await world.open_session("order-1")
    assert opened.status_code in (200, 201), opened.text
    assert len(world.stripe_account().customers) == 1


@pytest.mark.parametrize("meanwhile", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_a_note_that_is_too_much_by_then_is_drawn_up_again(world: World, meanwhile: bool) -> None:
    """Law 6: three tenths came; while the rest is being credited, staff credit four tenths. What is left is billed."""
    signup = await world.signup("ok")
    script(world, 30)
    credited: list[str] = []

    def at(boundary: str) -> bool:
        if meanwhile and boundary == "before POST /v1/credit_notes" and not credited:
            credited.append(boundary)
            account = world.stripe_account()
            renewal = world.invoices_of(signup.subscription)[-1]["id"]
            credit_notes.create(Call(account, {"invoice": renewal, "amount": 400}))
        return False

    with boundaries(at):
        await world.later(days=31)
    for _ in range(4):
        await world.later(hours=1)
    live = dict(world.invoices_of(signup.subscription)[-1])
    assert bool(credited) is meanwhile
    assert (live["status"], live["amount_paid"]) == ("paid", 300)
    assert await world.open_cases() == []


@pytest.mark.parametrize("dies", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_a_lost_try_that_is_taken_up_by_two_workers(
    world: World, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """A restored database has forgotten how an invoice was paid; the worker that finds its try dies before its end."""
    storing, died = store_outcome, list[str]()

    async def stored(account: str, attempt: str, *args: Any, **how: Any) -> None:
        if dies and not died:
            died.append(attempt)
            raise ConnectionError("the worker is gone")
        await storing(account, attempt, *args, **how)

    monkeypatch.setattr(restored, "store_outcome", stored)
    _, renewal = await world.renew_unseen()
    backup = Backup(world)
    await backup.take()
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    await world.move(minutes=10)
    await backup.restore()
    await world.catch_up()
    await world.settle()
    for _ in range(4):
        await world.later(hours=1)
    assert bool(died) is dies
    assert await world.attempts(renewal) == ["succeeded"]
    assert (len(world.captures()), returned(world)) == (2, [])
    assert await world.open_cases() == []


@pytest.mark.parametrize("refused", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_a_payer_s_switch_that_stripe_refuses_is_told_to_somebody(world: World, refused: bool) -> None:
    """As of what follows from the end of an agreement: nobody waits for the answer, so that a human is asked."""
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer, connection="stripe")
    path = f"/v1/payment_method_sessions/{session['id']}/setup"
    body = {"processor": "stripe", "return_url": "http://127.0.0.1/return"}
    begun = await world.call("POST", path, body, key=session["client_secret"])
    intent = begun.json()["client"]["setup_intent_client_secret"].partition("_secret_")[0]
    await world.shop.client.v1.setup_intents.confirm_async(intent, {"payment_method": "pm_card_visa"})
    if refused:
        world.stripe.faults.add("error_before", method="POST", path="/v1/subscriptions/{id}", status=400)
    await world.method_done(session)
    await _hours(world)
    switched = world.stripe_subscription(signup.subscription)["collection_method"] == "charge_automatically"
    assert switched or await world.open_cases()


@pytest.mark.parametrize("turned_away", [pytest.param(False, marks=pytest.mark.slow), True])
async def test_what_stripe_refuses_is_not_called_unanswered(world: World, turned_away: bool) -> None:
    """A call that Stripe turned away unread made nothing, so that the refusal of the next one is a refusal."""
    await world.signup("ok")
    script(world, 60)
    if turned_away:
        world.stripe.faults.add("error_before", method="POST", path="/v1/invoices", status=429)
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices", status=400, times=None)
    await world.later(days=31)
    await _hours(world)
    assert await world.open_cases() == ["remainder_not_billed"]
    reason = await sql.value("select reason from tollbridge.review_case where state = 'open'")
    assert reason.startswith("Stripe makes no invoice for the rest")
    assert await sql.value("select state from tollbridge.remainder") == "refused"


@pytest.mark.parametrize("fault", [pytest.param("sent", marks=pytest.mark.slow), "not_sent", "lost_before"])
async def test_a_card_given_after_the_due_date_is_tried_until_that_is_sent(world: World, fault: str) -> None:
    """What may be tried so late may be sent so late: a request that never arrived was no try."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.later(days=12)
    if fault == "not_sent":
        world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=429)
    elif fault == "lost_before":
        world.practice.faults.add(fault, method="POST", path="/v1/charges")
    await world.new_card(signup.customer)
    await _hours(world, 12)
    assert world.stripe_invoice(renewal)["status"] == "paid", await world.attempts(renewal)
    assert await world.open_cases() == []
