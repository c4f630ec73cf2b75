"""D. Retries: what a decline means, and when the next try comes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import sql
from gateway.clock import business_now
from gateway.sandbox.practice import kinds
from gateway.sandbox.practice.kinds import Refusal, TokenKind
from tests.support.world import World

TEXTS = ("The account does not hold enough.", "Das Konto ist nicht gedeckt.", "Card reported lost or stolen", "")


@pytest.mark.scenario(40)
async def test_hard_decline(world: World) -> None:
    signup, renewal = await world.renew("decline_lost_stolen")
    charged = len(world.charge_calls())
    assert charged == 2, "the signup's, and one that was declined"

    for _ in range(8):
        await world.later(days=1)

    assert len(world.charge_calls()) == charged
    shown = await world.gateway_invoice(renewal)
    assert shown["state"] == "needs_payment_method"
    assert shown["attempts"][0]["decline"]["decline_class"] == "lost_stolen"
    methods = await world.call("GET", f"/v1/customers/{signup.customer}/payment_methods")
    assert [m["status"] for m in methods.json()["data"]] == ["stopped"]
    assert world.stripe_invoice(renewal)["status"] == "open"

    await world.repair_card(signup)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == charged + 1


@pytest.mark.scenario(41)
@pytest.mark.parametrize("text", TEXTS)
async def test_decided_by_structured_code_and_not_by_text(
    world: World, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    refusal = Refusal("insufficient_funds", text, "51", "02")
    monkeypatch.setitem(kinds.DECLINES, TokenKind.DECLINE_INSUFFICIENT_FUNDS, refusal)
    _, renewal = await world.renew("decline_insufficient_funds")

    shown = await world.gateway_invoice(renewal)
    assert shown["state"] == "retrying"
    assert shown["attempts"][0]["decline"] == {
        "decline_class": "insufficient_funds",
        "advice": "retry_later",
        "processor_code": "insufficient_funds",
        "network_code": "51",
    }
    charged = len(world.charge_calls())
    await world.later(hours=25)
    assert len(world.charge_calls()) == charged + 1
    assert world.stripe_invoice(renewal)["status"] == "open"


@pytest.mark.scenario(43)
async def test_tries_are_24_hours_apart_across_midnight(world: World) -> None:
    signup = await world.signup("ok")
    world.break_card(signup.customer, "decline_insufficient_funds")
    now = await business_now()
    ten_to_midnight = now.replace(hour=23, minute=50, second=0, microsecond=0)
    await world.later(seconds=(ten_to_midnight + timedelta(days=32) - now).total_seconds())
    _, renewal = world.invoices_of(signup.subscription)
    sent = await world.gateway_invoice(renewal["id"])
    late_s = sent["attempts"][0]["created"] - (ten_to_midnight + timedelta(days=32)).timestamp()
    assert abs(late_s) < 300
    charged = len(world.charge_calls())

    await world.later(minutes=20)
    assert len(world.charge_calls()) == charged, "ten past midnight is another day, and not 24 hours later"
    await world.later(hours=23, minutes=30)
    assert len(world.charge_calls()) == charged
    await world.later(minutes=20)

    assert len(world.charge_calls()) == charged + 1
    assert await world.attempts(renewal["id"]) == ["declined", "declined"]
    assert world.stripe_invoice(renewal["id"])["status"] == "open"
    assert len(world.captures()) == 1, "the signup's"


@pytest.mark.scenario(53)
async def test_declined_is_shown_only_if_there_was_a_decline(world: World) -> None:
    _, renewal = await world.renew_unseen()
    charged = len(world.charge_calls())
    # The payer begins a bank debit on Stripe's own page before we come to it, so that we wait.
    await world.shop.client.v1.invoices.finalize_invoice_async(renewal)
    await world.shop.client.v1.invoices.pay_async(renewal, {"payment_method": "pm_sepaDebit"})
    await world.settle()

    shown = await world.gateway_invoice(renewal)
    assert (shown["status"], shown["attempts"]) == ("open", [])
    assert shown["state"] == "due"
    assert shown["reason"] == "Stripe itself is collecting a payment on it"

    await world.later(days=4)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert len(world.charge_calls()) == charged


@pytest.mark.scenario(49)
async def test_mail_once_per_step(world: World) -> None:
    await world.listen()
    _, renewal = await world.renew("decline_insufficient_funds")
    for _ in range(24):
        # Every hour is a turn of its own, whatever the clock wants.
        await sql.rows("update tollbridge.invoice set poked = poked + 1 where id = $1", renewal)
        await world.later(minutes=59)

    [told] = world.merchant.of("payment_failed")
    assert told["data"]["id"] == renewal
    [attempt] = (await world.gateway_invoice(renewal))["attempts"]
    assert told["data"]["attempt"] == attempt["id"]
    assert told["data"]["reason"] == "there was not enough money on the account; it may work later"
    assert told["data"]["next_attempt"] == pytest.approx(attempt["created"] + 86_400, abs=5)
    assert not told["data"]["last_chance"]

    await world.later(hours=2)
    first, second = world.merchant.of("payment_failed")
    assert second["data"]["attempt_number"] == 2
    assert second["sequence"] > first["sequence"]


@pytest.mark.scenario(46, missing="giving up by ourselves, the end of the subscription and of its token")
async def test_exhaustion(world: World) -> None:
    await world.listen()
    signup, renewal = await world.renew("decline_insufficient_funds")
    for _ in range(6):
        await world.later(days=1)
    assert await world.attempts(renewal) == ["declined"] * 4
    told = [event["data"]["last_chance"] for event in world.merchant.of("payment_failed", renewal)]
    assert told == [False, False, True, False]
    assert world.merchant.of("payment_failed")[-1]["data"]["next_attempt"] is None

    await world.shop.client.v1.invoices.mark_uncollectible_async(renewal)
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.settle()
    await world.later(days=3)

    assert len(world.merchant.of("given_up", renewal)) == 1
    assert len(world.merchant.of("access_closed", signup.subscription)) == 1
    assert not (await world.access(signup.subscription))["granted"]
    assert not world.merchant.of("overdue"), "nobody is asked for it any more"


async def test_due_soon_and_overdue_come_by_the_clock_alone(world: World) -> None:
    await world.listen()
    signup = await world.signup("ok", trial_period_days=14)
    await sql.rows("update tollbridge.payment_method set status = 'stopped', stopped_reason = 'revoked'")
    await world.later(days=14, hours=1)
    _, second = world.invoices_of(signup.subscription)
    # No event of Stripe's helps: what it tells of due dates, an account must ask for.

    await world.later(days=6)
    assert (world.merchant.of("due_soon"), world.merchant.of("overdue")) == ([], [])
    await world.later(days=1)
    assert [event["data"]["id"] for event in world.merchant.of("due_soon")] == [second["id"]]
    await world.later(days=3)
    await world.later(days=3)
    assert [event["data"]["id"] for event in world.merchant.of("overdue")] == [second["id"]]
    assert len(world.merchant.of("due_soon")) == 1
