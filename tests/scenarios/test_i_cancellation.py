"""I. A subscription is cancelled: by a server, or in Stripe."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.returning import refund_later, returned
from tests.support.world import World

POLICIES = [("keep", "paid", []), ("return", "open", [1000])]


async def _in_flight(world: World, kind: str = "pending_then_ok") -> tuple[Any, str]:
    """A renewal whose charge is under way."""
    signup, renewal = await world.renew(kind)
    assert await world.attempts(renewal) == ["pending"]
    return signup, renewal


@pytest.mark.scenario(124)
async def test_cancelled_with_its_period(world: World) -> None:
    signup = await world.signup("wallet")
    answer = await world.cancel(signup.subscription, "period_end", reason="Moves abroad.")
    assert answer.status_code == 202, answer.text
    shown = (await world.call("GET", f"/v1/subscriptions/{signup.subscription}")).json()
    assert (shown["status"], shown["cancel_at_period_end"]) == ("active", True)
    assert (shown["cancellation"]["status"], shown["cancellation"]["ends"]) == ("done", "period_end")
    at_stripe = world.stripe_subscription(signup.subscription)
    assert at_stripe["cancellation_details"]["comment"] == "Moves abroad."
    [agreement] = world.methods_at_processor()
    assert agreement.status == "active", "it is needed until the end"

    await world.later(days=31)

    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    assert len(world.invoices_of(signup.subscription)) == len(world.captures()) == 1
    assert agreement.status == "revoked"
    assert [call.path for call in world.practice.calls if call.method == "DELETE"] == [f"/v1/methods/{agreement.token}"]
    assert await world.open_cases() == []


@pytest.mark.scenario(125)
async def test_cancelled_with_its_period_and_resumed(world: World) -> None:
    signup = await world.signup("ok")
    await world.cancel(signup.subscription, "period_end")
    await world.cancel(signup.subscription, "never")
    assert not world.stripe_subscription(signup.subscription)["cancel_at_period_end"]

    await world.later(days=31)

    assert [invoice["status"] for invoice in world.invoices_of(signup.subscription)] == ["paid", "paid"]
    assert len(world.captures()) == 2
    [method] = world.methods_at_processor()
    assert method.status == "active"


@pytest.mark.scenario(127)
@pytest.mark.parametrize("by_stripe", [False, True])
@pytest.mark.parametrize(("policy", "status", "back"), POLICIES)
async def test_cancelled_while_a_charge_is_in_flight_that_succeeds(
    world: World, policy: str, status: str, back: list[int], by_stripe: bool
) -> None:
    await world.set_policy(canceled_in_flight=policy)
    # One that can't be withdrawn.
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    signup, renewal = await _in_flight(world)
    if by_stripe:
        await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
        await world.settle()
    else:
        await world.cancel(signup.subscription)
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    assert world.methods_at_processor()[0].status == "active", "a charge to it is not resolved"

    await world.later(hours=25)

    assert world.stripe_invoice(renewal)["status"] == status
    assert returned(world) == back
    assert len(world.captures()) == len(world.charge_calls()) == 2
    await world.later(days=20)
    assert len(world.charge_calls()) == 2


async def test_a_charge_in_flight_is_withdrawn_where_its_money_would_go_back(world: World) -> None:
    await world.set_policy(canceled_in_flight="return")
    signup, renewal = await _in_flight(world)
    await world.cancel(signup.subscription)
    await world.later(hours=25)
    assert await world.attempts(renewal) == ["canceled"]
    assert (returned(world), world.stripe_invoice(renewal)["status"]) == ([], "open")


@pytest.mark.parametrize(
    ("policy", "status"),
    [("stop", "open"), ("collect", "paid"), ("mark_uncollectible", "uncollectible"), ("void", "void")],
)
async def test_what_is_still_open_goes_by_policy(world: World, policy: str, status: str) -> None:
    await world.set_policy(canceled_invoices=policy)
    signup, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    await world.cancel(signup.subscription)
    world.break_card(signup.customer, "ok")

    await world.later(days=2)

    assert world.stripe_invoice(renewal)["status"] == status
    assert len(world.charge_calls()) == charged + (policy == "collect")
    shown = await world.gateway_invoice(renewal)
    if policy == "stop":
        assert (shown["state"], shown["reason"]) == ("exhausted", "its subscription has ended")
        assert await world.open_cases() == ["collection_exhausted"]
        # The payer agrees to pay what is left, by telephone.
        assert (await world.collect_now(renewal, wait_s=0)).status_code == 202
        await world.settle()
        assert world.stripe_invoice(renewal)["status"] == "paid"


@pytest.mark.parametrize("policy", ["mark_uncollectible", "void"])
@pytest.mark.parametrize("fault", ["error_before", "lost_before", "lost_after"])
async def test_what_is_closed_by_policy_is_closed_once_stripe_answers(world: World, policy: str, fault: str) -> None:
    """What has begun is finished, also by the worker that comes after one that died of it; nobody is asked."""
    await world.set_policy(canceled_invoices=policy)
    signup, renewal = await world.renew("decline_insufficient_funds")
    world.stripe.faults.add(fault, method="POST", path=f"/v1/invoices/{{id}}/{policy}", times=3)
    await world.cancel(signup.subscription)
    for _ in range(4):
        await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == {"void": "void"}.get(policy, "uncollectible")
    assert await world.open_cases() == []
    assert {method.status for method in world.methods_at_processor()} == {"revoked"}


@pytest.mark.scenario(128)
async def test_another_subscription_keeps_the_payment_method(world: World) -> None:
    first = await world.signup("ok")
    second = await world.signup("ok", "order-2", customer=first.customer)
    await world.cancel(first.subscription)
    assert {method.status for method in world.methods_at_processor()} == {"active"}

    await world.later(days=31)

    assert [invoice["status"] for invoice in world.invoices_of(second.subscription)] == ["paid", "paid"]
    assert len(world.captures()) == 3


@pytest.mark.scenario(131)
async def test_told_twice_and_before_the_payment(world: World) -> None:
    """The end is heard before the first invoice was paid, and once more; refunds work when the token is gone."""
    world.stripe.delivery.set(drop={"invoice.paid", "invoice.updated"})
    signup = await world.signup("ok")
    await world.cancel(signup.subscription)
    [ended] = [e for e in world.stripe_account().events.values() if e.type == "customer.subscription.deleted"]
    world.stripe.resend(ended.id)
    await world.settle()
    assert [call.method for call in world.practice.calls].count("DELETE") == 1
    await world.later(days=3)
    await refund_later(world, signup.invoice, amount=400)
    assert returned(world) == [400]


async def test_a_cancellation_that_stripe_refuses(world: World) -> None:
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", method="DELETE", path="/v1/subscriptions/{id}", status=400)
    await world.cancel(signup.subscription)
    shown = (await world.call("GET", f"/v1/subscriptions/{signup.subscription}")).json()["cancellation"]
    assert shown["status"] == "refused"
    assert shown["error"]


async def test_one_that_has_ended_is_not_cancelled_again(world: World) -> None:
    signup = await world.signup("ok")
    await world.cancel(signup.subscription)
    answer = await world.cancel(signup.subscription)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    unknown = await world.cancel("sub_unknown")
    assert unknown.status_code == 404


@pytest.mark.scenario(130)
async def test_the_last_invoice_is_collected_before_the_token_goes(world: World) -> None:
    """What was used, or is pending, comes on a last invoice, which Stripe leaves a draft."""
    signup = await world.signup("ok")
    await world.shop.client.v1.invoice_items.create_async(
        {"customer": signup.customer, "subscription": signup.subscription, "amount": 700, "currency": "eur"}
    )
    await world.cancel(signup.subscription, invoice_now=True)
    last = world.invoices_of(signup.subscription)[-1]
    assert (last["id"] != signup.invoice, last["status"], last["amount_paid"]) == (True, "paid", 700)
    assert len(world.captures()) == 2
    assert world.methods_at_processor()[0].status == "revoked"


async def test_a_draft_that_is_left_behind_holds_up_nothing(world: World) -> None:
    """Stripe finalizes it no more, and nobody owes what it says: the token goes, and the draft stays."""
    await world.set_policy(finalize="leave")
    signup = await world.signup("ok")
    period = world.stripe_subscription(signup.subscription)["items"]["data"][0]
    await world.later(seconds=period["current_period_end"] - world.stripe_account().now() + 60)
    draft = world.invoices_of(signup.subscription)[-1]
    assert draft["status"] == "draft"
    await world.move(minutes=5)
    await world.cancel(signup.subscription)
    await world.later(days=1)
    assert (world.invoices_of(signup.subscription)[-1]["status"], len(world.captures())) == ("draft", 1)
    assert (await world.gateway_invoice(str(draft["id"])))["state"] == "closed"
    assert world.methods_at_processor()[0].status == "revoked"
