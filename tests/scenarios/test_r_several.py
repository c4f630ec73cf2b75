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
