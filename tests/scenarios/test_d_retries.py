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
    await world.listen()
    signup, renewal = await world.renew("decline_lost_stolen")
    charged = len(world.charge_calls())
    assert charged == 2, "the signup's, and one that was declined"

    for _ in range(7):
        await world.later(days=1)

    assert len(world.charge_calls()) == charged
    shown = await world.gateway_invoice(renewal)
    assert shown["state"] == "needs_payment_method"
    assert shown["attempts"][0]["decline"]["decline_class"] == "lost_stolen"
    methods = await world.call("GET", f"/v1/customers/{signup.customer}/payment_methods")
    assert [m["status"] for m in methods.json()["data"]] == ["stopped"]
    [told] = world.merchant.of("payment_failed", renewal)
    assert told["data"]["payment_method_needed"], "the customer is asked for another, once"
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
        "network_advice": "02",
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


REFERENCE_END = {"end_after_hours": 168, "at_end": ["mark_uncollectible", "cancel_subscription"]}


@pytest.mark.scenario(46)
async def test_exhaustion(world: World) -> None:
    await world.listen()
    await world.set_policy(**REFERENCE_END)
    signup, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    shown = await world.gateway_invoice(renewal)
    assert [t["reason"] for t in shown["plan"]["tries"]] == ["try 2 of 4", "try 3 of 4", "try 4 of 4"]
    assert shown["plan"]["tries"][-1]["last"]
    assert shown["plan"]["at_end"] == ["mark_uncollectible", "cancel_subscription"]

    for _ in range(6):
        await world.later(days=1)
    assert len(world.charge_calls()) == charged + 3
    assert (await world.gateway_invoice(renewal))["state"] == "exhausted"
    assert world.stripe_subscription(signup.subscription)["status"] in ("active", "past_due")

    await world.later(days=1)
    assert world.stripe_invoice(renewal)["status"] == "uncollectible"
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    assert await world.attempts(renewal) == ["declined"] * 4
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert await sql.value("select reference from tollbridge.payment_method") is None
    assert not (await world.access(signup.subscription))["granted"]
    await world.later(days=30)
    assert len(world.charge_calls()) == charged + 3
    assert len(world.stripe_calls("DELETE", f"/v1/subscriptions/{signup.subscription}")) == 1
    assert len(world.stripe_calls("POST", f"/v1/invoices/{renewal}/mark_uncollectible")) == 1
    told = world.merchant.of("payment_failed", renewal)
    assert [event["data"]["last_chance"] for event in told] == [False, False, True, False]
    assert told[-1]["data"]["next_attempt"] is None
    assert len(world.merchant.of("given_up", renewal)) == 1
    assert len(world.merchant.of("access_closed", signup.subscription)) == 1
    assert not world.merchant.of("overdue"), "nobody is asked for it any more"


async def test_a_token_that_something_needs_is_kept(world: World) -> None:
    """As scenario 46, and the customer has another subscription; the token goes with the last of them."""
    await world.set_policy(**REFERENCE_END, canceled_invoices="collect")
    signup, _ = await world.renew("decline_insufficient_funds")
    world.break_card(signup.customer, "ok")
    other = (await world.open_session("order-2", customer=signup.customer, confirm=True)).json()["subscription"]
    await world.settle()
    subscriptions = world.shop.client.v1.subscriptions
    await subscriptions.cancel_async(signup.subscription)
    await world.settle()
    assert [method.status for method in world.methods_at_processor()] == ["active"]

    await subscriptions.cancel_async(other)
    await world.settle()
    # The first one's renewal is open still, and is tried with it.
    assert [method.status for method in world.methods_at_processor()] == ["active"]
    await world.later(hours=25)
    assert [i["status"] for i in world.invoices_of(signup.subscription)] == ["paid", "paid"]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]


async def test_a_token_may_be_kept_for_the_next_subscription(world: World) -> None:
    await world.set_policy(unused_methods="keep")
    signup = await world.signup("ok")
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.settle()
    assert [method.status for method in world.methods_at_processor()] == ["active"]


async def test_a_card_that_is_given_after_the_end_is_kept(world: World) -> None:
    signup = await world.signup("ok")
    await world.later(hours=1)
    session = await world.method_session(signup.customer)
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.settle()
    assert [method.status for method in world.methods_at_processor()] == ["active"], "the payer is about to give one"
    await world.later(hours=1)
    await world.method_setup(session)
    await world.method_done(session)
    await world.settle()
    await world.later(days=2)
    assert [method.status for method in world.methods_at_processor()] == ["revoked", "active"]


@pytest.mark.scenario(47)
async def test_exhaustion_while_an_attempt_is_pending(world: World) -> None:
    await world.set_policy(**REFERENCE_END)
    signup, renewal = await world.renew("decline_insufficient_funds")
    for _ in range(4):
        await world.later(days=1)
    world.practice.settings.pending_delay_s = 90 * 86400
    world.break_card(signup.customer, "pending_then_ok")
    for _ in range(4):
        await world.later(days=1)

    assert await world.attempts(renewal) == ["declined", "declined", "declined", "pending"]
    assert world.stripe_invoice(renewal)["status"] == "open"
    assert world.stripe_subscription(signup.subscription)["status"] in ("active", "past_due")
    assert not world.stripe_calls("DELETE", f"/v1/subscriptions/{signup.subscription}")

    world.practice.settle(world.last_charge().id)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.captures()) == 2


@pytest.mark.parametrize(
    ("at_end", "status", "subscription"),
    [
        ([], "open", "past_due"),
        (["void"], "void", "active"),
        (["cancel_subscription"], "open", "canceled"),
        (["void", "cancel_subscription"], "void", "canceled"),
    ],
)
async def test_the_end_is_what_the_account_wants(
    world: World, at_end: list[str], status: str, subscription: str
) -> None:
    await world.set_policy(at_end=at_end)
    signup, renewal = await world.renew("decline_lost_stolen")
    for _ in range(11):
        await world.later(days=1)
    assert world.stripe_invoice(renewal)["status"] == status
    assert world.stripe_subscription(signup.subscription)["status"] == subscription


async def test_somebody_pays_just_before_the_end(world: World) -> None:
    await world.set_policy(**REFERENCE_END)
    signup, renewal = await world.renew("decline_lost_stolen")
    for _ in range(6):
        await world.later(days=1)
    await world.repair_card(signup)
    await world.later(days=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


async def test_a_fallback_is_charged_at_once_after_a_hard_decline(world: World) -> None:
    signup = await world.signup("ok")
    await world.repair_card(signup)
    first, second = world.methods_at_processor()
    second.kind = type(second.kind)("decline_lost_stolen")
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    shown = await world.gateway_invoice(renewal)
    assert [a["reason"] for a in shown["attempts"]] == ["first", "fallback"]
    assert shown["plan"] is None
    assert first.token in str(world.charge_calls()[-1].params)


@pytest.mark.scenario(56)
@pytest.mark.parametrize(
    ("kind", "ended", "captured"), [("retried_then_ok", "succeeded", 1), ("retried_then_fail", "declined", 0)]
)
async def test_a_processor_that_tries_again_by_itself(world: World, kind: str, ended: str, captured: int) -> None:
    world.practice.settings.retry_delay_s = 4 * 86400
    _, renewal = await world.renew(kind)
    charged, taken = len(world.charge_calls()), len(world.captures())

    for _ in range(3):
        await world.later(days=1)
        assert await world.attempts(renewal) == ["pending"], "the processor's next try is under way"
        assert (await world.gateway_invoice(renewal))["state"] == "pending"
    assert len(world.charge_calls()) == charged, "nothing in parallel"
    await world.later(hours=25)

    assert (await world.attempts(renewal))[0] == ended
    assert len(world.captures()) == taken + captured
    assert len(world.charge_calls()) == charged + (ended == "declined"), "only now it's our turn again"
    assert (world.stripe_invoice(renewal)["status"] == "paid") is bool(captured)


async def test_a_card_that_was_refused_for_ever_stays_refused_under_another_token(world: World) -> None:
    """As scenario 40, and the payer stores the very same card again: another token, the same fingerprint."""
    signup, renewal = await world.renew("decline_lost_stolen")
    (refused,) = world.methods_at_processor()
    charged = len(world.charge_calls())

    await world.repair_card(signup, fingerprint=refused.fingerprint)
    await world.later(days=1)
    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"

    await world.repair_card(signup)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == charged + 1


@pytest.mark.scenario(44)
async def test_scheme_budget(world: World) -> None:
    """Ten declines of one Mastercard in a day, on ten invoices; the eleventh invoice waits for its turn."""
    signup = await world.signup("ok")
    await sql.rows("""update tollbridge.payment_method set card = '{"brand": "mastercard", "last4": "4444"}'""")
    world.break_card(signup.customer, "decline_insufficient_funds")
    invoices, charged = world.shop.client.v1, len(world.charge_calls())
    made = []
    for _ in range(11):
        one = await invoices.invoices.create_async(
            {"customer": signup.customer, "collection_method": "send_invoice", "days_until_due": 10}
        )
        await invoices.invoice_items.create_async(
            {"customer": signup.customer, "invoice": one.id, "amount": 500, "currency": "eur"}
        )
        await invoices.invoices.finalize_invoice_async(one.id)
        await world.settle()
        made.append(one.id)

    assert len(world.charge_calls()) == charged + 10
    shown = await world.gateway_invoice(made[-1])
    assert (shown["state"], shown["attempts"]) == ("due", [])
    assert shown["reason"] == "first: the card scheme's limit of tries"
    world.break_card(signup.customer, "ok")
    await world.later(hours=25)
    assert world.stripe_invoice(made[-1])["status"] == "paid"


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


@pytest.mark.scenario(58)
async def test_recovery_starts_after_the_third_failure(world: World) -> None:
    """For the merchant's systems, that is: the tries before are made all the same."""
    await world.listen()
    await world.set_policy(tell_after_declines=3)
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.later(hours=25)
    assert await world.attempts(renewal) == ["declined", "declined"]
    assert world.merchant.of("payment_failed") == []

    await world.later(hours=49)
    [told] = world.merchant.of("payment_failed", renewal)
    assert told["data"]["attempt_number"] == 3
    assert told["data"]["last_chance"]


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
