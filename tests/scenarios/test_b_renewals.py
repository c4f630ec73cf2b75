"""B. Renewals, and C. zero invoices."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World


@pytest.mark.scenario(16)
async def test_normal_renewal(world: World) -> None:
    signup = await world.signup("ok")

    await world.later(days=31)

    first, second = world.invoices_of(signup.subscription)
    assert (first["status"], second["status"]) == ("paid", "paid")
    assert second["billing_reason"] == "subscription_cycle"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.captures()) == 2
    assert {c.reference.split(".")[0] for c in world.captures()} == {first["id"], second["id"]}


@pytest.mark.scenario(20)
async def test_two_open_invoices_on_one_subscription(world: World) -> None:
    signup = await world.signup("ok")
    world.break_card(signup.customer, "decline_lost_stolen")
    await world.later(days=31)
    await world.later(days=31)
    _, older, newer = world.invoices_of(signup.subscription)
    assert (older["status"], newer["status"]) == ("open", "open")
    charged = len(world.charge_calls())

    await world.repair_card(signup)
    await world.settle()

    _, older, newer = world.invoices_of(signup.subscription)
    assert (older["status"], newer["status"]) == ("paid", "paid")
    assert len(world.captures()) == 3
    charged_now = [call.params["reference"].split(".")[0] for call in world.charge_calls()[charged:]]
    assert charged_now == [older["id"], newer["id"]]
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


@pytest.mark.scenario(22)
async def test_invoice_that_stripe_collects_itself(world: World) -> None:
    signup = await world.signup("ok")
    charged = len(world.charge_calls())
    made = await world.shop.client.v1.subscriptions.create_async(
        {
            "customer": signup.customer,
            "items": [{"price": world.shop.price}],
            "collection_method": "charge_automatically",
        }
    )
    await world.later(hours=2)

    [invoice] = world.invoices_of(made.id)
    assert len(world.charge_calls()) == charged
    shown = await world.gateway_invoice(invoice["id"])
    assert shown["state"] == "not_ours"


@pytest.mark.scenario(25)
async def test_one_bad_item_does_not_stop_the_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signups = [await world.signup("ok", f"order-{n}") for n in range(6)]
    bad = signups[3]
    await world.move(days=32)
    poisoned = world.invoices_of(bad.subscription)[-1]["id"]
    world.poison(monkeypatch, poisoned)

    for _ in range(6):
        await world.later(hours=1)

    statuses = {s.id: world.invoices_of(s.subscription)[-1]["status"] for s in signups}
    assert [s for s in statuses.values() if s == "paid"] == ["paid"] * 5
    assert "advance_failed" in await world.open_cases()
    monkeypatch.undo()
    await world.later(hours=2)
    assert world.stripe_invoice(poisoned)["status"] == "paid"


@pytest.mark.scenario(26)
async def test_zero_total(world: World) -> None:
    coupon = await world.shop.client.v1.coupons.create_async({"percent_off": 100, "duration": "once"})
    await world.shop.client.v1.promotion_codes.create_async(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "GRATIS"}
    )
    signup = await world.signup("ok", promotion_code="GRATIS")

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert world.stripe_invoice(signup.invoice)["amount_due"] == 0
    assert world.charge_calls() == []
    shown = await world.gateway_invoice(signup.invoice)
    assert (shown["state"], shown["attempts"]) == ("paid", [])
    assert (await world.access(signup.subscription))["granted"]


async def test_the_invoices_of_a_customer_who_opted_out_are_left_alone(world: World) -> None:
    signup = await world.signup("ok")
    await world.call("POST", f"/v1/customers/{signup.customer}", {"opted_out": True})
    await world.later(days=31)

    renewal = world.invoices_of(signup.subscription)[-1]
    assert (await world.gateway_invoice(renewal["id"]))["state"] == "not_ours"
    assert len(world.captures()) == 1
    await world.call("POST", f"/v1/customers/{signup.customer}", {"opted_out": False})
    await world.settle()
    assert len(world.captures()) == 2


@pytest.mark.scenario(23)
@pytest.mark.parametrize("behavior", ["void", "keep_as_draft", "mark_uncollectible"])
async def test_paused_collection(world: World, behavior: str) -> None:
    signup = await world.signup("ok")
    subscriptions = world.shop.client.v1.subscriptions
    await subscriptions.update_async(signup.subscription, {"pause_collection": {"behavior": behavior}})  # type: ignore[typeddict-item]
    await world.settle()

    await world.later(days=32)
    await world.later(days=2)

    renewal = world.invoices_of(signup.subscription)[-1]
    assert renewal["status"] == {"void": "void", "mark_uncollectible": "uncollectible"}.get(behavior, "draft")
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal['id']}/finalize") == []
    assert len(world.charge_calls()) == 1, "the signup's"
    assert (await world.access(signup.subscription))["granted"]

    await subscriptions.update_async(signup.subscription, {"pause_collection": ""})
    await world.settle()

    kept = behavior == "keep_as_draft"
    assert world.stripe_invoice(renewal["id"])["status"] == ("paid" if kept else renewal["status"])
    assert len(world.captures()) == len(world.charge_calls()) == (2 if kept else 1)
    await world.later(days=30)
    assert world.invoices_of(signup.subscription)[-1]["status"] == "paid", "and the next one as ever"


async def test_an_invoice_from_before_the_pause_is_collected_as_before(world: World) -> None:
    signup, renewal = await world.renew("soft_then_ok")
    await world.shop.client.v1.subscriptions.update_async(
        signup.subscription, {"pause_collection": {"behavior": "keep_as_draft"}}
    )
    await world.later(hours=25)
    assert world.stripe_invoice(renewal)["status"] == "paid"


@pytest.mark.scenario(19)
async def test_proration_invoice_in_mid_period(world: World) -> None:
    signup = await world.signup("ok")
    await world.later(days=10)
    client = world.shop.client.v1
    better = await client.prices.create_async(
        {"product_data": {"name": "Pro"}, "unit_amount": 3000, "currency": "eur", "recurring": {"interval": "month"}}
    )
    [item] = world.stripe_subscription(signup.subscription)["items"]["data"]
    world.break_card(signup.customer, "soft_then_ok")
    await client.subscriptions.update_async(
        signup.subscription,
        {"items": [{"id": item["id"], "price": better.id}], "proration_behavior": "always_invoice"},
    )
    await world.settle()

    _, upgrade = world.invoices_of(signup.subscription)
    assert upgrade["billing_reason"] == "subscription_update"
    shown = await world.gateway_invoice(upgrade["id"])
    assert (shown["state"], shown["status"]) == ("retrying", "open"), "asked for, and not paid: not entitled yet"

    await world.later(hours=25)

    upgrade = world.stripe_invoice(upgrade["id"])
    assert (upgrade["status"], (await world.gateway_invoice(upgrade["id"]))["state"]) == ("paid", "paid")
    assert 0 < upgrade["amount_due"] < 2000
    assert [c.captured for c in world.captures()] == [1000, upgrade["amount_due"]]
    assert await world.attempts(upgrade["id"]) == ["declined", "succeeded"]


BURST = 300
TURNED_AWAY = 100


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.scenario(17)
async def test_burst(world: World) -> None:
    """A day's renewals in one minute, at a processor that takes so many a second: 429 is patience, not a decline."""
    signup = await world.signup("ok")
    subscriptions = [signup.subscription, *await _more_subscriptions(world, signup, BURST - 1)]
    await world.settle()
    before = len(world.captures())
    world.practice.faults.add(
        "error_before", method="POST", path="/v1/charges", status=429, delay_s=1, times=TURNED_AWAY
    )

    await world.later(days=31)
    for _ in range(3):
        await world.later(minutes=2)

    renewals = [world.invoices_of(subscription)[-1] for subscription in subscriptions]
    assert {invoice["status"] for invoice in renewals} == {"paid"}
    assert len(world.captures()) - before == BURST
    declined = await sql.rows("select id from tollbridge.attempt where state not in ('succeeded', 'not_sent')")
    assert not declined
    assert await world.open_cases() == []


async def _more_subscriptions(world: World, signup: Signup, count: int) -> list[str]:
    """Their first month is free: only the renewals are charged."""
    free = await world.shop.client.v1.coupons.create_async({"percent_off": 100, "duration": "once"})
    made = []
    for _ in range(count):
        subscription = await world.shop.client.v1.subscriptions.create_async(
            {
                "customer": signup.customer,
                "items": [{"price": world.shop.price}],
                "collection_method": "send_invoice",
                "days_until_due": 10,
                "discounts": [{"coupon": free.id}],
            }
        )
        made.append(str(subscription.id))
    return made
