"""E. Asynchronous processors: pending is neither paid nor failed."""

from __future__ import annotations

import pytest

from tests.support.world import World


@pytest.mark.scenario(59)
async def test_pending_then_completed(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    for _ in range(4):
        await world.later(hours=5)
        assert world.stripe_invoice(signup.invoice)["status"] == "open"
        assert await world.attempts(signup.invoice) == ["pending"]
        assert len(world.charge_calls()) == 1
        assert not (await world.access(signup.subscription))["granted"]
    asked = len(world.practice.calls)

    await world.later(hours=5)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 1
    assert len(world.practice.calls) == asked, "its webhook said so, nobody had to ask"
    assert (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(61)
async def test_pending_beyond_the_due_date(world: World) -> None:
    world.practice.settings.pending_delay_s = 15 * 86400
    signup, renewal = await world.renew("pending_then_ok")
    charged = len(world.charge_calls())

    for _ in range(12):
        await world.later(days=1)

    assert world.stripe_subscription(signup.subscription)["status"] == "past_due"
    assert (await world.access(signup.subscription))["granted"]
    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["state"] == "pending"
    assert "pending_too_long" in await world.open_cases()

    await world.later(days=4)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.captures()) == 2
    assert len(world.charge_calls()) == charged


@pytest.mark.scenario(67)
async def test_accepted_and_then_not_captured(world: World) -> None:
    world.practice.settings.pending_delay_s = 7200
    signup, renewal = await world.renew("pending_then_fail")
    assert (await world.gateway_invoice(renewal))["state"] == "pending"
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay") == []

    await world.later(hours=3)

    assert world.stripe_invoice(renewal)["status"] == "open"
    assert world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay") == []
    assert (await world.gateway_invoice(renewal))["state"] == "retrying"
    assert await world.attempts(renewal) == ["declined"]
    assert len(world.captures()) == 1, "the signup's"

    world.break_card(signup.customer, "ok")
    await world.later(hours=22)
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2


@pytest.mark.scenario(68)
async def test_notification_is_lost(world: World) -> None:
    world.practice.settings.pending_delay_s = 1800
    world.practice.delivery.set(drop=True)
    signup = await world.signup("pending_then_ok")
    await world.later(minutes=31)
    assert world.stripe_invoice(signup.invoice)["status"] == "open"

    await world.later(minutes=30)

    assert world.practice.delivery.dropped >= 2, "pending and succeeded"
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 1
