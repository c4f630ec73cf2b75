"""D. What an invoice that stays unpaid does to access: closed by the account's policy, opened by money, told once."""

from __future__ import annotations

import pytest

from gateway.clock import business_now
from gateway.sandbox.stripe.settings import Dunning
from tests.support.world import World


def _told(world: World, subscription: str) -> list[tuple[str, str]]:
    """The changes of access that the merchant was told of, in order, with their reasons."""
    events = [*world.merchant.of("access_opened", subscription), *world.merchant.of("access_closed", subscription)]
    return [
        (event["type"].rpartition("_")[2], event["data"]["reason"])
        for event in sorted(events, key=lambda event: event["sequence"])
    ]


@pytest.mark.scenario(55)
async def test_an_older_invoice_of_an_unpaid_subscription_is_paid_late(world: World) -> None:
    await world.listen()
    world.stripe_account().dunning = Dunning(overdue_subscription="unpaid")
    signup, older = await world.renew("decline_insufficient_funds")
    for _ in range(43):
        await world.later(days=1)
    latest = str(world.invoices_of(signup.subscription)[2]["id"])
    assert world.stripe_subscription(signup.subscription)["status"] == "unpaid"
    closed = await world.access(signup.subscription)
    assert (closed["granted"], closed["reason"], closed["invoice"]) == (False, "invoice_not_collected", older)

    await world.record_payment(older)
    await world.settle()

    assert world.stripe_invoice(older)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "unpaid"
    kept = await world.access(signup.subscription)
    assert (kept["granted"], kept["status"], kept["invoice"]) == (False, "unpaid", latest)
    assert kept["description"] == "an invoice could not be collected, and its recovery has ended"
    assert _told(world, signup.subscription) == [("opened", "first_invoice_paid"), ("closed", "invoice_not_collected")]

    await world.record_payment(latest)
    await world.settle()
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert (await world.access(signup.subscription))["granted"]
    assert _told(world, signup.subscription)[2:] == [("opened", "first_invoice_paid")]


@pytest.mark.scenario(55)
async def test_what_unpaid_means_follows_the_policy(world: World) -> None:
    await world.listen()
    await world.set_policy(access_closes="never")
    world.stripe_account().dunning = Dunning(overdue_subscription="unpaid", overdue_days=25)
    signup, older = await world.renew("decline_insufficient_funds")
    for _ in range(35):
        await world.later(days=1)
    assert world.stripe_subscription(signup.subscription)["status"] == "unpaid"
    kept = await world.access(signup.subscription)
    assert (kept["granted"], kept["reason"], kept["invoice"]) == (True, "access_never_closes", older)

    await world.set_policy(access_closes="overdue")
    await world.settle()
    await world.record_payment(older)
    await world.settle()
    latest = str(world.invoices_of(signup.subscription)[2]["id"])
    unpaid = await world.access(signup.subscription)
    # The latest is not due yet, but by the merchant's own settings in Stripe it is over.
    assert (unpaid["granted"], unpaid["reason"], unpaid["invoice"]) == (False, "subscription_unpaid", latest)

    await world.set_policy(access_closes=None)
    await world.set_policy(access_closes="never")
    await world.settle()
    assert [change for change, _ in _told(world, signup.subscription)] == ["opened", "closed", "opened"]


async def test_it_closes_with_the_end_and_no_further_try_opens_it(world: World) -> None:
    """And not before, nor because of the tries: a charge that was begun too late must bring the money first."""
    await world.listen()
    signup, renewal = await world.renew("decline_insufficient_funds")
    for _ in range(5):
        await world.later(days=1, hours=1)
    shown = await world.access(signup.subscription)
    end = world.stripe_invoice(renewal)["due_date"] - 86_400
    assert (shown["granted"], shown["reason"], shown["closes_at"]) == (True, "invoice_open", pytest.approx(end, abs=60))
    assert (await world.gateway_invoice(renewal))["state"] == "exhausted"

    await world.later(seconds=end - 3600 - (await business_now()).timestamp())
    assert (await world.access(signup.subscription))["granted"]
    # Nothing but the clock moves: no event of Stripe's, and no try.
    await world.later(hours=2)
    assert _told(world, signup.subscription)[1:] == [("closed", "invoice_not_collected")]
    await world.new_card(signup.customer, "decline_insufficient_funds")
    world.practice.settings.pending_delay_s = 2 * 86_400
    await world.new_card(signup.customer, "pending_then_ok")
    assert (await world.attempts(renewal))[-1] == "pending"
    assert not (await world.access(signup.subscription))["granted"]
    assert len(_told(world, signup.subscription)) == 2

    await world.later(days=2, hours=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert _told(world, signup.subscription)[2:] == [("opened", "first_invoice_paid")]


async def test_what_is_voided_is_not_owed(world: World) -> None:
    await world.listen()
    await world.set_policy(access_closes="overdue")
    signup, renewal = await world.renew("decline_lost_stolen")
    for _ in range(11):
        await world.later(days=1)
    assert _told(world, signup.subscription)[1:] == [("closed", "invoice_overdue")]
    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    await world.settle()
    assert _told(world, signup.subscription)[2:] == [("opened", "first_invoice_paid")]


async def test_a_debit_that_comes_to_nothing_after_the_end_closes_it_then(world: World) -> None:
    await world.listen()
    world.practice.settings.pending_delay_s = 12 * 86_400
    signup, renewal = await world.renew("pending_then_fail")
    for _ in range(11):
        await world.later(days=1)
    kept = await world.access(signup.subscription)
    assert (kept["granted"], kept["reason"], kept["invoice"]) == (True, "invoice_pending", renewal)
    await world.later(days=2)
    assert await world.attempts(renewal) == ["declined"]
    assert _told(world, signup.subscription)[1:] == [("closed", "invoice_not_collected")]
