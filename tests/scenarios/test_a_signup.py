"""A. Signup and first payment."""

from __future__ import annotations

import asyncio

import pytest

from db import sql
from tests.support.crash import boundaries, once
from tests.support.returning import returned, the_refund
from tests.support.world import World


@pytest.mark.scenario(1)
async def test_happy_path(world: World) -> None:
    signup = await world.signup("ok")

    live = world.stripe_invoice(signup.invoice)
    assert live["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert "invoice.sent" not in [e.type for e in world.stripe_account().events.values()]
    [capture] = world.captures()
    assert live["metadata"]["third_party_payment_id"] == capture.id
    assert capture.captured == live["amount_due"] == 1000
    assert len(await world.keys_sent()) == 1
    shown = await world.gateway_invoice(signup.invoice)
    assert shown["state"] == "paid"
    assert [a["state"] for a in shown["attempts"]] == ["succeeded"]
    assert (await world.access(signup.subscription))["granted"]
    assert signup.confirmed is not None
    assert signup.confirmed.json()["status"] == "complete"


@pytest.mark.scenario(2)
async def test_access_is_not_derived_from_the_subscriptions_status(world: World) -> None:
    opened = (await world.open_session()).json()
    await world.settle()

    assert world.stripe_subscription(opened["subscription"])["status"] == "active"
    assert world.stripe_invoice(opened["invoice"]["id"])["status"] in ("draft", "open")
    assert world.captures() == []
    assert not (await world.access(opened["subscription"]))["granted"]


@pytest.mark.scenario(4)
async def test_first_charge_is_declined_and_the_policy_allows_dunning(world: World) -> None:
    await world.set_policy(first_decline="retry")
    signup = await world.signup("soft_then_ok")
    assert not (await world.access(signup.subscription))["granted"]
    assert world.stripe_invoice(signup.invoice)["status"] == "open"

    await world.later(hours=25)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.captures()) == 1
    assert len(world.charge_calls()) == len(await world.keys_sent()) == 2
    assert (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(5)
async def test_late_success_after_a_failed_signup(world: World) -> None:
    signup = await world.signup("decline_insufficient_funds")
    assert world.stripe_invoice(signup.invoice)["status"] == "uncollectible"
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"

    world.succeed_after_all(world.last_charge())
    await world.settle()

    assert world.stripe_invoice(signup.invoice)["status"] == "uncollectible"
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    assert world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/pay") == []
    assert (len(world.captures()), returned(world)) == (1, [1000])
    shown = await world.gateway_invoice(signup.invoice)
    [attempt] = shown["attempts"]
    late = ("succeeded", True, "late_success_closed_invoice")
    assert (attempt["state"], attempt["surplus"], attempt["surplus_reason"]) == late
    assert [m["kind"] for m in shown["movements"]] == ["capture", "surplus_returned"]
    assert (await the_refund(world, signup.invoice))["note"] == "late_success_closed_invoice"
    assert not (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(7)
async def test_browser_refreshes_during_processing(world: World) -> None:
    first, second = await asyncio.gather(world.open_session("cart-7"), world.open_session("cart-7"))
    assert {first.status_code, second.status_code} <= {200, 201, 409}
    session = next(a for a in (first, second) if a.status_code < 300).json()
    await world.give_card(session)

    confirmed = await asyncio.gather(world.confirm(session), world.confirm(session))
    await world.settle()

    for answer in confirmed:
        assert answer.status_code in (200, 202) or answer.json()["type"].endswith("in_progress"), answer.text
    assert len(world.stripe_account().subscriptions) == 1
    assert len(world.captures()) == 1


@pytest.mark.scenario(8)
async def test_second_try_after_a_failed_first(world: World) -> None:
    failed = await world.signup("decline_insufficient_funds", "order-8")
    assert failed.confirmed is not None
    assert failed.confirmed.json()["status"] == "failed"
    assert world.stripe_subscription(failed.subscription)["status"] == "canceled"
    before = world.stripe_subscription(failed.subscription)

    again = await world.signup("ok", "order-8", customer=failed.customer)

    assert again.subscription != failed.subscription
    assert world.stripe_subscription(again.subscription)["status"] == "active"
    assert world.stripe_invoice(again.invoice)["status"] == "paid"
    assert world.stripe_subscription(failed.subscription) == before
    assert len(world.captures()) == 1


@pytest.mark.scenario(10)
async def test_crash_between_subscription_and_charge(world: World) -> None:
    known = await world.signup("ok", "order-before")

    with boundaries(once("after POST /v1/subscriptions")):
        await world.open_session("order-10", customer=known.customer, confirm=True)
        await world.settle()

    assert world.kills == 1
    assert len(world.stripe_account().subscriptions) == 2
    second = next(s for s in world.stripe_account().subscriptions.values() if s["id"] != known.subscription)
    [invoice] = world.invoices_of(second["id"])
    assert invoice["status"] == "paid"
    assert len(world.captures()) == 2


@pytest.mark.scenario(11)
@pytest.mark.parametrize("wrong", ["price", "tax_location"])
async def test_stripe_refuses_the_subscription(world: World, wrong: str) -> None:
    body = {"items": [{"price": "price_unknown"}]} if wrong == "price" else {}
    if wrong == "tax_location":
        body = {"customer_details": {"name": "A. Payer", "address": {"country": "US"}}, "automatic_tax": True}
    answer = await world.open_session("order-11", **body)

    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "urn:tollbridge:error:stripe_refused"
    assert answer.json()["param"]
    assert len(world.stripe_account().subscriptions) == 0
    assert world.charge_calls() == []
    assert await sql.value("select count(*) from tollbridge.payment_method where status <> 'revoked'") == 0
    await world.signup("ok", "order-12")


@pytest.mark.scenario(13)
async def test_existing_subscription_whose_token_is_gone(world: World) -> None:
    first = await world.signup("ok", "order-1")
    # The agreement is gone from our side; its revocation at the processor comes with the life of a customer.
    await sql.rows("update tollbridge.payment_method set status = 'stopped', stopped_reason = 'revoked'")
    charged, made = len(world.charge_calls()), len(world.stripe_account().subscriptions)

    answer = await world.open_session("order-2", customer=first.customer, confirm=True)

    assert answer.status_code == 409, answer.text
    assert answer.json()["type"] == "urn:tollbridge:error:payment_method_needs_repair"
    await world.settle()
    assert len(world.stripe_account().subscriptions) == made
    assert len(world.charge_calls()) == charged


@pytest.mark.scenario(14)
async def test_stripe_is_slow_to_finalize(world: World) -> None:
    signup = await world.signup("ok")
    await world.move(days=32)
    renewal = world.invoices_of(signup.subscription)[-1]
    assert renewal["id"] != signup.invoice

    await world.settle()

    finalized = world.stripe_calls("POST", f"/v1/invoices/{renewal['id']}/finalize")
    live = world.stripe_invoice(renewal["id"])
    assert live["status"] == "paid"
    assert len(finalized) <= 1
    assert len(world.captures()) == 2
    await world.later(hours=80)
    assert world.stripe_invoice(renewal["id"]) == live
    assert len(world.captures()) == 2


@pytest.mark.parametrize(("given", "days"), [({}, 21), ({"days_until_due": 5}, 5)])
async def test_the_days_until_due_are_the_accounts_unless_given(world: World, given: dict[str, int], days: int) -> None:
    await world.set_policy(days_until_due=21)
    signup = await world.signup("ok", **given)
    assert world.stripe_subscription(signup.subscription)["days_until_due"] == days
