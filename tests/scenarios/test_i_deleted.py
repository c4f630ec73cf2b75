"""I. A customer is deleted in Stripe, which ends the subscriptions and marks what is open as uncollectible."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.sandbox.stripe import customers
from tests.support.people import Signup
from tests.support.returning import refund_later, returned
from tests.support.world import World


async def _delete(world: World, signup: Signup) -> None:
    await world.shop.client.v1.customers.delete_async(signup.customer)
    await world.settle()


def _deletions(world: World) -> list[str]:
    return sorted(call.path.rpartition("/")[2] for call in world.deletions())


@pytest.mark.scenario(136)
@pytest.mark.parametrize("unused", ["delete", "keep"])
async def test_with_an_open_invoice_and_two_agreements(world: World, unused: str) -> None:
    await world.set_policy(unused_methods=unused)
    signup = await world.signup("wallet")
    await world.new_card(signup.customer, "wallet")
    world.break_card(signup.customer, "decline_insufficient_funds")
    await world.later(days=31)
    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    charged = len(world.charge_calls())

    await _delete(world, signup)

    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    assert world.stripe_invoice(renewal)["status"] == "uncollectible"
    assert _deletions(world) == sorted(method.token for method in world.methods_at_processor())
    assert {method["status"] for method in await world.methods_of(signup.customer)} == {"revoked"}
    await world.later(days=10)
    assert len(world.charge_calls()) == charged
    assert await world.open_cases() == []
    assert await sql.value("select count(*) from tollbridge.attempt where processor_id is not null") == charged


@pytest.mark.scenario(158)
async def test_refund_and_dispute_after_the_deletion(world: World) -> None:
    signup = await world.signup("ok")
    await _delete(world, signup)
    await refund_later(world, signup.invoice, amount=400)
    assert returned(world) == [400]
    world.practice.open_dispute(world.captures()[0].id, 600, stage="funds_withdrawn")
    await world.settle()
    [dispute] = await sql.rows("select state, amount from tollbridge.dispute")
    assert (dispute["state"], dispute["amount"]) == ("funds_withdrawn", 600)


@pytest.mark.scenario(137)
@pytest.mark.parametrize(("policy", "back"), [("if_alive", [1000]), ("record", [])])
async def test_while_a_charge_is_pending_that_completes(world: World, policy: str, back: list[int]) -> None:
    await world.set_policy(late_success=policy)
    world.practice.set_manner(world.shop.practice_key, cancel="never")
    signup, renewal = await world.renew("pending_then_ok")
    await _delete(world, signup)
    assert _deletions(world) == [], "a charge to it is not resolved"
    await world.later(hours=25)
    assert returned(world) == back
    assert world.stripe_invoice(renewal)["status"] == ("paid" if policy == "record" else "uncollectible")
    assert await world.open_cases() == (["paid_after_deletion"] if back else [])
    if back:
        reason = await sql.value("select reason from tollbridge.review_case where state = 'open'")
        assert reason.startswith("10.00 EUR came in"), "it names the money"
    assert len(_deletions(world)) == 1


async def test_a_charge_that_can_be_withdrawn_is(world: World) -> None:
    signup, renewal = await world.renew("pending_then_ok")
    await _delete(world, signup)
    await world.later(hours=25)
    assert (await world.attempts(renewal), returned(world)) == (["canceled"], [])
    assert len(_deletions(world)) == 1
    assert await world.open_cases() == []


async def test_what_is_closed_by_policy_is_closed_once_stripe_answers(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(customers, "mark_uncollectible", lambda account, invoice: None)
    await world.set_policy(canceled_invoices="void")
    signup, renewal = await world.renew("decline_insufficient_funds")
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/void", times=3)
    await _delete(world, signup)
    for _ in range(4):
        await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == "void"
    assert await world.open_cases() == []


@pytest.mark.parametrize(
    ("policy", "status"), [("stop", "open"), ("mark_uncollectible", "uncollectible"), ("void", "void")]
)
async def test_where_stripe_leaves_an_invoice_open(
    world: World, monkeypatch: pytest.MonkeyPatch, policy: str, status: str
) -> None:
    monkeypatch.setattr(customers, "mark_uncollectible", lambda account, invoice: None)
    await world.set_policy(canceled_invoices=policy)
    signup, renewal = await world.renew("decline_insufficient_funds")
    await _delete(world, signup)
    assert world.stripe_invoice(renewal)["status"] == status
    if policy == "stop":
        [case] = await sql.rows("select kind, reason from tollbridge.review_case where state = 'open'")
        assert case["kind"] == "customer_deleted"
        assert "10.00 EUR are owed" in case["reason"]
    assert len(_deletions(world)) == 1


async def test_a_draft_is_nobodys_any_more(world: World) -> None:
    await world.set_policy(finalize="leave", canceled_invoices="collect")
    signup = await world.signup("ok")
    period = world.stripe_subscription(signup.subscription)["items"]["data"][0]
    await world.later(seconds=period["current_period_end"] - world.stripe_account().now() + 60)
    draft = str(world.invoices_of(signup.subscription)[-1]["id"])
    await _delete(world, signup)
    await world.later(days=1)
    assert world.stripe_invoice(draft)["status"] == "draft"
    assert (await world.gateway_invoice(draft))["state"] == "closed"
    assert len(_deletions(world)) == 1


@pytest.mark.parametrize("forgotten", [False, True])
async def test_the_event_was_lost(world: World, forgotten: bool) -> None:
    """Found among Stripe's events; and where it has forgotten those, by the subscription that is gone."""
    await world.set_policy(unused_methods="keep")
    signup = await world.signup("ok")
    world.stripe.delivery.set(drop=True)
    await _delete(world, signup)
    if forgotten:
        world.stripe_account().events.clear()
    for _ in range(3):
        await world.move(hours=25)
        await world.catch_up()
        await world.settle()
    assert await sql.value("select deleted_at from tollbridge.customer where id = $1", signup.customer) is not None
    assert len(_deletions(world)) == 1
    asked = [call for call in world.stripe.calls if call.path == f"/v1/customers/{signup.customer}"]
    assert [call.method for call in asked].count("GET") == int(forgotten)


async def test_no_call_is_made_for_a_customer_who_is_gone(world: World) -> None:
    signup = await world.signup("ok")
    before = len(_about(world, signup))
    await _delete(world, signup)
    await world.later(days=3)
    assert len(_about(world, signup)) == before + 1, "the deletion itself"
    again = await world.call("POST", "/v1/payment_method_sessions", {"customer": signup.customer})
    assert (again.status_code, again.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")


def _about(world: World, signup: Signup) -> list[Any]:
    return [call for call in world.stripe.calls if call.path == f"/v1/customers/{signup.customer}"]
