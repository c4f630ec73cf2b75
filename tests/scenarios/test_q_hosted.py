"""Q. Customers who pay on Stripe's own page: the same invoices, access and events, and never a charge of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.collect import charge
from tests.support.crash import boundaries
from tests.support.people import Signup
from tests.support.world import World


async def _customer(world: World, customer: str, collection: str | None) -> dict[str, Any]:
    answer = await world.call("POST", f"/v1/customers/{customer}", {"collection": collection})
    assert answer.status_code == 200, answer.text
    await world.settle()
    return dict(answer.json())


async def _begin(world: World, reference: str = "order-1", **body: Any) -> Signup:
    """A checkout that is paid on Stripe's page, confirmed and not paid yet."""
    opened = await world.open_session(reference, **body)
    assert opened.status_code == 200, opened.text
    confirmed = await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    return Signup(opened.json(), confirmed)


async def _hosted(world: World) -> Signup:
    """A subscription of a hosted account, whose first invoice its payer has paid on Stripe's page."""
    await world.set_policy(collection="hosted")
    signup = await _begin(world)
    await world.pay_at_stripe(signup.invoice)
    await world.settle()
    return signup


async def _renewal(world: World, signup: Signup) -> str:
    await world.later(days=31)
    return str(world.invoices_of(signup.subscription)[-1]["id"])


def _then(boundary: str, act: Callable[[], object]) -> Callable[[str], bool]:
    """Something happens at a boundary of the worker's, once; nobody dies."""
    left = [boundary]

    def at(crossed: str) -> bool:
        if crossed in left:
            left.clear()
            act()
        return False

    return at


async def _session(world: World, signup: Signup) -> dict[str, Any]:
    return dict((await world.call("GET", f"/v1/checkout_sessions/{signup.id}")).json())


async def test_a_checkout_is_paid_on_stripes_page(world: World) -> None:
    await world.set_policy(collection="hosted")
    signup = await _begin(world)
    session, invoice = await _session(world, signup), world.stripe_invoice(signup.invoice)
    assert (session["status"], session["collection"], session["processors"]) == ("processing", "hosted", [])
    assert session["hosted_invoice_url"] == invoice["hosted_invoice_url"]
    shown = await world.gateway_invoice(signup.invoice)
    told = (shown["state"], shown["collected_by"], shown["reason"])
    assert told == ("due", "hosted", "the payer pays on Stripe's page")
    assert not (await world.access(signup.subscription))["granted"]

    await world.pay_at_stripe(signup.invoice)
    await world.settle()

    done = await _session(world, signup)
    assert (done["status"], done["hosted_invoice_url"]) == ("complete", None)
    assert (await world.gateway_invoice(signup.invoice))["state"] == "paid"
    assert (await world.access(signup.subscription))["granted"]
    assert (world.charge_calls(), await world.open_cases()) == ([], [])


async def test_a_renewal_is_paid_on_stripes_page_and_told_of(world: World) -> None:
    signup = await _hosted(world)
    await world.listen()
    renewal = await _renewal(world, signup)
    url = world.stripe_invoice(renewal)["hosted_invoice_url"]
    await world.later(days=8)
    await world.later(days=4)
    await world.pay_at_stripe(renewal)
    await world.settle()

    told = [event for event in world.merchant.told if event["data"].get("id") == renewal]
    kinds = [event["type"].removeprefix("tollbridge.invoice.") for event in told]
    assert kinds == ["payment_needed", "due_soon", "overdue", "paid"]
    assert {(e["data"]["collected_by"], e["data"]["hosted_invoice_url"]) for e in told} == {("hosted", url)}
    assert told[-1]["data"]["how"] == "stripe_payment"
    # It came to its end before it was paid: a human was asked, and need not look any more.
    assert (world.charge_calls(), await world.open_cases()) == ([], [])


@pytest.mark.parametrize("down", [False, True])
async def test_the_end_comes_at_the_due_date(world: World, down: bool) -> None:
    """Whether or not anybody here worked: there is nothing that we could not try. What is paid later is paid."""
    signup = await _hosted(world)
    await world.set_policy(at_end=["mark_uncollectible"], access_closes="at_end")
    renewal = await _renewal(world, signup)
    due = world.stripe_invoice(renewal)["due_date"]
    assert (await world.gateway_invoice(renewal))["plan"]["ends_at"] == due
    if down:
        await world.move(days=2)
    await world.later(seconds=due - world.stripe_account().now() - 60)
    assert (await world.gateway_invoice(renewal))["state"] == "due"
    assert (await world.access(signup.subscription))["granted"]

    await world.later(minutes=2)
    assert (await world.gateway_invoice(renewal))["state"] == "uncollectible"
    assert not (await world.access(signup.subscription))["granted"]

    await world.later(days=3)
    await world.pay_at_stripe(renewal)
    await world.settle()
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert (await world.access(signup.subscription))["granted"]
    assert await world.open_cases() == []


async def test_paid_there_before_anybody_here_had_heard_of_it(world: World) -> None:
    """Its customer has a card with us from before; whose it is, is settled with the first look."""
    signup = await _hosted(world)
    await world.repair_card(signup)
    world.stripe.delivery.set(drop=True)
    await world.move(days=31, hours=2)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    await world.shop.client.v1.invoices.finalize_invoice_async(renewal)
    await world.pay_at_stripe(renewal)
    world.stripe.delivery.set(drop=False)
    await world.move(hours=13)
    await world.catch_up()
    await world.settle()
    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], shown["collected_by"], await world.open_cases()) == ("paid", "hosted", [])


@pytest.mark.parametrize("closed", ["void", "mark_uncollectible"])
async def test_what_staff_close_in_stripe_is_closed_here(world: World, closed: str) -> None:
    signup = await _hosted(world)
    renewal = await _renewal(world, signup)
    invoices = world.shop.client.v1.invoices
    await (invoices.void_invoice_async if closed == "void" else invoices.mark_uncollectible_async)(renewal)
    await world.settle()
    shown = await world.gateway_invoice(renewal)
    assert shown["state"] == ("closed" if closed == "void" else "uncollectible")
    assert (shown["collected_by"], await world.open_cases()) == ("hosted", [])


async def test_an_account_without_any_processor(world: World) -> None:
    """Its whole invoice list is here all the same."""
    path = f"/v1/connections/{world.shop.connection}"
    assert (await world.call("POST", path, {"enabled": False})).status_code == 200
    signup = await _hosted(world)
    renewal = await _renewal(world, signup)
    listed = (await world.call("GET", f"/v1/invoices?customer={signup.customer}")).json()["data"]
    assert {one["id"]: (one["state"], one["collected_by"]) for one in listed} == {
        signup.invoice: ("paid", "hosted"),
        renewal: ("due", "hosted"),
    }


async def test_moved_to_stripes_page_between_two_tries(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    tries = len(world.charge_calls())
    shown = await _customer(world, signup.customer, "hosted")
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
    await _customer(world, signup.customer, "hosted")
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
    signup = await _hosted(world)
    renewal = await _renewal(world, signup)
    await world.repair_card(signup)
    await world.settle()
    assert world.charge_calls() == []
    if by == "customer":
        await _customer(world, signup.customer, "processor")
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
    signup = await _hosted(world)
    renewal = await _renewal(world, signup)
    await world.repair_card(signup)
    await world.pay_at_stripe(renewal, "sepaDebit")
    await _customer(world, signup.customer, "processor")
    assert world.stripe_invoice(renewal)["status"] == "open"
    await world.later(days=8)
    assert (world.stripe_invoice(renewal)["status"], world.taken_at_stripe(renewal)) == ("paid", 1000)
    assert world.charge_calls() == []


@pytest.mark.parametrize("at", ["before", "after"])
async def test_the_payer_pays_there_in_the_moment_of_the_move(world: World, at: str) -> None:
    """Before the last look nothing is charged; after it, what we took too much goes back."""
    signup = await _hosted(world)
    renewal = await _renewal(world, signup)
    await world.repair_card(signup)
    world.stripe.delivery.set(drop=True)
    if at == "before":
        await world.pay_at_stripe(renewal)
    with boundaries(_then("before POST /v1/charges", lambda: world.pays_there(renewal))):
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
    renewal = await _renewal(world, signup)
    assert (await world.gateway_invoice(renewal))["collected_by"] == "hosted"
    assert len(world.captures()) == 1
    refused = await world.switch(signup.subscription, "hosted", payment_method="pmt_1")
    assert (refused.status_code, refused.json()["param"]) == (400, "payment_method")
    await _customer(world, signup.customer, "processor")
    assert (await world.gateway_invoice(renewal))["collected_by"] == "hosted", "its own setting goes first"


async def test_from_stripes_own_collection_to_its_page(world: World) -> None:
    """What Stripe charges by itself goes on there; what comes is sent."""
    signup = await world.signup("ok")
    card = await world.stripe_card(signup.customer)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    await world.switch(signup.subscription, "hosted")
    at_stripe = world.stripe_subscription(signup.subscription)
    assert (at_stripe["collection_method"], at_stripe["days_until_due"]) == ("send_invoice", 10)
    renewal = await _renewal(world, signup)
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


async def test_an_invoice_that_stripe_mails_is_no_alarm(world: World) -> None:
    signup = await _hosted(world)
    renewal = await _renewal(world, signup)
    await world.repair_card(signup)
    client = world.shop.client.v1
    await client.customers.update_async(signup.customer, {"email": "payer@example.com"})
    await client.invoices.send_invoice_async(renewal)
    await world.settle()
    assert await world.open_cases() == []


async def test_its_money_goes_back_at_stripe_alone(world: World) -> None:
    signup = await _hosted(world)
    answers = []
    for path, status in (("/v1/refunds", 409), ("/v1/refunds/preview", 200)):
        body = {"invoice": signup.invoice, "amount": 400}
        answer = await world.call("POST", path, body, headers={"idempotency-key": path})
        assert (answer.status_code, "its money is at Stripe" in answer.text) == (status, True), answer.text
        answers.append(answer.json())
    assert (answers[0]["type"], answers[1]["refundable"]) == ("urn:tollbridge:error:not_refundable", 0)
    await world.shop.client.v1.credit_notes.create_async(
        {"invoice": signup.invoice, "amount": 400, "refund_amount": 400, "email_type": "none"}
    )
    await world.settle()
    [note] = (await world.gateway_invoice(signup.invoice))["credit_notes"]
    assert (note["amount"], await world.open_cases()) == (400, [])


@pytest.mark.parametrize("first_decline", ["fail", "retry"])
async def test_a_checkout_that_nobody_pays(world: World, first_decline: str) -> None:
    await world.set_policy(collection="hosted", first_decline=first_decline)
    signup = await _begin(world)
    await world.later(hours=25)
    live, ended = world.stripe_invoice(signup.invoice), world.stripe_subscription(signup.subscription)["status"]
    if first_decline == "fail":
        assert ((await _session(world, signup))["status"], live["status"], ended) == ("expired", "void", "canceled")
    else:
        assert ((await _session(world, signup))["status"], live["status"], ended) == ("processing", "open", "active")


@pytest.mark.parametrize("when", ["a debit is on its way", "at the last moment"])
async def test_a_checkout_is_not_voided_while_it_is_being_paid(world: World, when: str) -> None:
    await world.set_policy(collection="hosted")
    signup = await _begin(world)
    if when == "a debit is on its way":
        await world.pay_at_stripe(signup.invoice, "sepaDebit")
        await world.later(hours=26)
        assert (await _session(world, signup))["status"] == "processing"
        await world.later(days=8)
        assert (await _session(world, signup))["status"] == "complete"
    else:
        # After the look by which the session ends, and before its invoice is voided.
        last = f"before POST /v1/invoices/{signup.invoice}/void"
        with boundaries(_then(last, lambda: world.pays_there(signup.invoice))):
            await world.later(hours=26)
        assert [call.status for call in world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/void")] == [400]
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert (await world.access(signup.subscription))["granted"]


async def test_a_checkout_for_a_hosted_subscription_beside_a_processors(world: World) -> None:
    """The session says how its own subscription is paid; it takes no payment method, and no other follows it."""
    signup = await world.signup("ok")
    other = await _begin(world, "order-2", customer=signup.customer, collection="hosted", confirm=True)
    assert (await _session(world, other))["status"] == "processing"
    refused = await world.open_session("order-3", customer=signup.customer, collection="hosted", payment_method="pmt_1")
    assert refused.status_code == 400
    again = await world.open_session("order-2", customer=signup.customer, collection="processor")
    assert (again.status_code, again.json()["param"]) == (409, "client_reference")
    await world.pay_at_stripe(other.invoice)
    await world.settle()
    await world.later(days=31)
    by = {s: world.invoices_of(s)[-1] for s in (signup.subscription, other.subscription)}
    assert [one["status"] for one in by.values()] == ["paid", "open"]
    assert len(world.captures()) == 2
