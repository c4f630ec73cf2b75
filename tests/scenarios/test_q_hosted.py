"""Q. Customers who pay on Stripe's own page: the same invoices, access and events, and never a charge of ours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.crash import boundaries, then
from tests.support.hosting import begin, paid_there, renewal_of
from tests.support.people import Signup
from tests.support.world import World


async def _session(world: World, signup: Signup) -> dict[str, Any]:
    return dict((await world.call("GET", f"/v1/checkout_sessions/{signup.id}")).json())


async def test_a_checkout_is_paid_on_stripes_page(world: World) -> None:
    await world.set_policy(collection="hosted")
    signup = await begin(world)
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
    signup = await paid_there(world)
    await world.listen()
    renewal = await renewal_of(world, signup)
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
    signup = await paid_there(world)
    await world.set_policy(at_end=["mark_uncollectible"], access_closes="at_end")
    renewal = await renewal_of(world, signup)
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
    signup = await paid_there(world)
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
    signup = await paid_there(world)
    renewal = await renewal_of(world, signup)
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
    signup = await paid_there(world)
    renewal = await renewal_of(world, signup)
    listed = (await world.call("GET", f"/v1/invoices?customer={signup.customer}")).json()["data"]
    assert {one["id"]: (one["state"], one["collected_by"]) for one in listed} == {
        signup.invoice: ("paid", "hosted"),
        renewal: ("due", "hosted"),
    }


async def test_an_invoice_that_stripe_mails_is_no_alarm(world: World) -> None:
    signup = await paid_there(world)
    renewal = await renewal_of(world, signup)
    await world.repair_card(signup)
    client = world.shop.client.v1
    await client.customers.update_async(signup.customer, {"email": "payer@example.com"})
    await client.invoices.send_invoice_async(renewal)
    await world.settle()
    assert await world.open_cases() == []


async def test_its_money_goes_back_at_stripe_alone(world: World) -> None:
    signup = await paid_there(world)
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
    signup = await begin(world)
    await world.later(hours=25)
    live, ended = world.stripe_invoice(signup.invoice), world.stripe_subscription(signup.subscription)["status"]
    if first_decline == "fail":
        assert ((await _session(world, signup))["status"], live["status"], ended) == ("expired", "void", "canceled")
    else:
        assert ((await _session(world, signup))["status"], live["status"], ended) == ("processing", "open", "active")


@pytest.mark.parametrize("when", ["a debit is on its way", "at the last moment"])
async def test_a_checkout_is_not_voided_while_it_is_being_paid(world: World, when: str) -> None:
    await world.set_policy(collection="hosted")
    signup = await begin(world)
    if when == "a debit is on its way":
        await world.pay_at_stripe(signup.invoice, "sepaDebit")
        await world.later(hours=26)
        assert (await _session(world, signup))["status"] == "processing"
        await world.later(days=8)
        assert (await _session(world, signup))["status"] == "complete"
    else:
        # After the look by which the session ends, and before its invoice is voided.
        last = f"before POST /v1/invoices/{signup.invoice}/void"
        with boundaries(then(last, lambda: world.pays_there(signup.invoice))):
            await world.later(hours=26)
        assert [call.status for call in world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/void")] == [400]
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert (await world.access(signup.subscription))["granted"]


async def test_a_checkout_for_a_hosted_subscription_beside_a_processors(world: World) -> None:
    """The session says how its own subscription is paid; it takes no payment method, and no other follows it."""
    signup = await world.signup("ok")
    other = await begin(world, "order-2", customer=signup.customer, collection="hosted", confirm=True)
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
