"""R. Several subscriptions on one customer, and several accounts on one processor."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World


async def _subscriptions_of_stripes_making(world: World, signup: Signup, *, days: int, several: int = 2) -> list[str]:
    """Subscriptions of the same customer to the same plan, all renewing in the same second."""
    wanted = {
        "customer": signup.customer,
        "items": [{"price": world.shop.price}],
        "collection_method": "send_invoice",
        "days_until_due": 10,
        "trial_end": world.stripe.now() + days * 86400,
    }
    made = [await world.shop.client.v1.subscriptions.create_async(wanted) for _ in range(several)]  # type: ignore[arg-type]
    await world.settle()
    return [subscription.id for subscription in made]


@pytest.mark.scenario(227)
async def test_two_subscriptions_renew_in_the_same_second(world: World) -> None:
    signup = await world.signup("ok")
    charged = len(world.charge_calls())
    subscriptions = await _subscriptions_of_stripes_making(world, signup, days=5)

    await world.later(days=5, minutes=1)

    renewals = [world.invoices_of(subscription)[-1] for subscription in subscriptions]
    assert [r["status"] for r in renewals] == ["paid", "paid"]
    assert len({r["created"] for r in renewals}) == len({r["amount_due"] for r in renewals}) == 1
    assert len(world.charge_calls()) == charged + 2
    assert {c.reference.split(".")[0] for c in world.captures()[-2:]} == {r["id"] for r in renewals}
    for renewal in renewals:
        assert await world.attempts(renewal["id"]) == ["succeeded"]


@pytest.mark.scenario(230)
async def test_one_decline(world: World) -> None:
    signup = await world.signup("ok")
    subscriptions = await _subscriptions_of_stripes_making(world, signup, days=5)
    world.break_card(signup.customer, "soft_then_ok")

    await world.later(days=5, minutes=1)

    renewals = [world.invoices_of(subscription)[-1]["id"] for subscription in subscriptions]
    statuses = {r: world.stripe_invoice(r)["status"] for r in renewals}
    assert sorted(statuses.values()) == ["open", "paid"]
    declined = next(r for r, status in statuses.items() if status == "open")
    unaffected = next(r for r, status in statuses.items() if status == "paid")
    assert (await world.gateway_invoice(declined))["state"] == "retrying"
    assert await world.attempts(unaffected) == ["succeeded"]
    before = world.stripe_invoice(unaffected)

    await world.later(hours=25)

    assert world.stripe_invoice(declined)["status"] == "paid"
    assert await world.attempts(declined) == ["declined", "succeeded"]
    assert world.stripe_invoice(unaffected) == before
    assert await world.attempts(unaffected) == ["succeeded"]
    assert [world.stripe_subscription(s)["status"] for s in subscriptions] == ["active", "active"]


async def _two_with_their_own(world: World) -> tuple[Signup, list[str], list[str]]:
    """Two subscriptions of a customer's, about to renew, each with a method of its own; and those methods."""
    signup = await world.signup("ok")
    subscriptions = await _subscriptions_of_stripes_making(world, signup, days=5)
    methods = [await world.repair_card(signup), await world.repair_card(signup)]
    for subscription, method in zip(subscriptions, methods, strict=True):
        answer = await world.switch(subscription, "gateway", payment_method=method)
        assert answer.status_code == 202, answer.text
    return signup, subscriptions, methods


async def _charged_to(world: World, subscription: str) -> list[str]:
    """The methods that the subscription's last invoice was tried with."""
    shown = await world.gateway_invoice(world.invoices_of(subscription)[-1]["id"])
    return [attempt["payment_method"] for attempt in shown["attempts"]]


@pytest.mark.scenario(229)
async def test_two_subscriptions_with_a_token_each(world: World) -> None:
    signup, subscriptions, methods = await _two_with_their_own(world)
    await world.later(days=5, minutes=1)
    assert [await _charged_to(world, one) for one in subscriptions] == [[methods[0]], [methods[1]]]
    first = next(one["id"] for one in await world.methods_of(signup.customer) if one["id"] not in methods)

    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{methods[0]}")
    await world.settle()
    await world.later(days=31)

    # The one whose method is gone goes on with the customer's own, by the policy `fallback`; never with the other's.
    assert [await _charged_to(world, one) for one in subscriptions] == [[first], [methods[1]]]
    assert [world.invoices_of(one)[-1]["status"] for one in subscriptions] == ["paid", "paid"]
    by_status = {one["id"]: one["status"] for one in await world.methods_of(signup.customer)}
    assert (by_status[methods[0]], by_status[methods[1]]) == ("revoked", "active")


@pytest.mark.scenario(229)
async def test_a_method_of_one_subscription_is_not_charged_for_another(world: World) -> None:
    signup = await world.signup("ok")
    [other] = await _subscriptions_of_stripes_making(world, signup, days=5, several=1)
    [only] = await world.methods_of(signup.customer)
    await world.switch(signup.subscription, "gateway", payment_method=only["id"])
    assert (await world.methods_of(signup.customer))[0]["subscriptions"] == [signup.subscription]

    await world.later(days=5, minutes=1)

    renewal = world.invoices_of(other)[-1]["id"]
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
    # And it goes with the subscription that it is for, though the other one lives on.
    await world.cancel(signup.subscription)
    assert world.methods_at_processor()[0].status == "revoked"


@pytest.mark.scenario(229)
async def test_a_checkout_is_charged_to_a_method_of_another_subscription_only_by_its_name(world: World) -> None:
    signup = await world.signup("ok")
    [only] = await world.methods_of(signup.customer)
    await world.switch(signup.subscription, "gateway", payment_method=only["id"])
    refused = await world.open_session("order-2", customer=signup.customer, confirm=True)
    assert refused.json()["type"] == "urn:tollbridge:error:payment_method_needs_repair"

    named = await world.open_session("order-2", customer=signup.customer, confirm=True, payment_method=only["id"])
    await world.settle()
    await world.later(days=31)

    assert [one["status"] for one in world.invoices_of(named.json()["subscription"])] == ["paid", "paid"]


@pytest.mark.scenario(230)
async def test_one_decline_with_a_token_each(world: World) -> None:
    _, subscriptions, methods = await _two_with_their_own(world)
    declining = world.methods_at_processor()[1]
    declining.kind = type(declining.kind)("decline_lost_stolen")
    await world.set_policy(fallback="never")

    await world.later(days=5, minutes=1)

    assert [world.invoices_of(one)[-1]["status"] for one in subscriptions] == ["open", "paid"]
    assert [await _charged_to(world, one) for one in subscriptions] == [[methods[0]], [methods[1]]]


async def test_a_new_method_in_the_place_of_the_one_before(world: World) -> None:
    signup = await world.signup("ok")
    new = await world.repair_card(signup)
    await world.switch(signup.subscription, "gateway", payment_method=new, retire=True)
    assert [method.status for method in world.methods_at_processor()] == ["revoked", "active"]
    await world.later(days=31)
    assert await _charged_to(world, signup.subscription) == [new]
    assert await world.open_cases() == []


async def test_the_one_before_stays_while_another_subscription_needs_it(world: World) -> None:
    signup = await world.signup("ok")
    [other] = await _subscriptions_of_stripes_making(world, signup, days=5, several=1)
    new = await world.repair_card(signup)
    await world.switch(signup.subscription, "gateway", payment_method=new, retire=True)
    assert [method.status for method in world.methods_at_processor()] == ["active", "active"]
    await world.later(days=5, minutes=1)
    assert world.invoices_of(other)[-1]["status"] == "paid"
    await world.cancel(other)
    assert [method.status for method in world.methods_at_processor()] == ["revoked", "active"]


async def test_what_does_not_go_together(world: World) -> None:
    signup = await world.signup("ok")
    wrong: tuple[tuple[dict[str, object], str], ...] = (
        ({"to": "gateway", "payment_method": "pmt_unknown"}, "payment_method"),
        ({"to": "gateway", "stripe_payment_method": "pm_1"}, "stripe_payment_method"),
        ({"to": "stripe", "days_until_due": 3}, "days_until_due"),
        ({"to": "gateway", "retire": True}, "retire"),
    )
    for body, param in wrong:
        answer = await world.call("POST", f"/v1/subscriptions/{signup.subscription}/switch", body)
        assert (answer.status_code, answer.json()["param"]) == (400, param)


@pytest.mark.scenario(232)
@pytest.mark.two_shops
async def test_same_invoice_number_at_two_accounts_on_one_processor(world: World) -> None:
    await world.share_the_processor()
    invoices: list[str] = []
    for shop in world.shops:
        customer = await shop.client.v1.customers.create_async(
            {"name": "A. Payer", "address": {"country": "DE"}, "invoice_prefix": "SAME"}
        )
        opened = await world.open_session("order-1", shop=shop, customer=customer.id)
        session = opened.json()
        await world.give_card(session, "pending_then_ok", shop=shop)
        await world.confirm(session)
        invoices.append(session["invoice"]["id"])
    await world.settle()
    await world.later(hours=25)

    live = [world.stripe_invoice(i, shop) for i, shop in zip(invoices, world.shops, strict=True)]
    assert {i["number"] for i in live} == {"SAME-0001"}
    assert [i["status"] for i in live] == ["paid", "paid"]
    assert len({c.params["reference"] for c in world.charge_calls()}) == len(await world.keys_sent()) == 2
    for invoice, shop in zip(invoices, world.shops, strict=True):
        [capture] = world.captures(shop)
        shown = await world.gateway_invoice(invoice, shop)
        assert [m["processor_id"] for m in shown["movements"]] == [capture.id]
    stranger = await world.call("GET", f"/v1/invoices/{invoices[0]}", key=world.shops[1].api_key)
    assert stranger.status_code == 404
    # Each was told of the other's charge too, and knows whose it is.
    others = await sql.rows(
        "select distinct reason from tollbridge.delivery where kind like 'charge.%' and state = $1", "ignored"
    )
    assert [row["reason"] for row in others] == ["of another connection to the same account at the processor"]
    assert await world.open_cases() == []
    await world.later(days=2)
    for shop in world.shops:
        assert len(world.captures(shop)) == 1
    assert len(world.charge_calls()) == 2
    assert await world.open_cases() == []
