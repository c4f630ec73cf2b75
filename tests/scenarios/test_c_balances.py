"""C. Customer balance, Stripe's minimum, trials and the last look."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from gateway.collect import record
from tests.support.people import Signup
from tests.support.returning import credit_and_wait, returned
from tests.support.world import World


async def _signup_with_balance(world: World, balance: int) -> Signup:
    """A customer who owes us (positive) or whom we owe (negative), and their signup."""
    customer = await world.shop.client.v1.customers.create_async(
        {"name": "A. Payer", "address": {"country": "DE"}, "balance": balance}
    )
    return await world.signup("ok", customer=customer.id)


@pytest.mark.scenario(28)
async def test_below_stripes_minimum(world: World) -> None:
    coupon = await world.shop.client.v1.coupons.create_async({"amount_off": 970, "currency": "eur", "duration": "once"})
    await world.shop.client.v1.promotion_codes.create_async(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "ALMOST"}
    )
    signup = await world.signup("ok", promotion_code="ALMOST")

    first = world.stripe_invoice(signup.invoice)
    assert (first["total"], first["amount_due"], first["status"]) == (30, 0, "paid")
    assert world.stripe_account().customers[signup.customer]["balance"] == 30
    assert world.charge_calls() == []
    assert await world.attempts(signup.invoice) == []

    await world.later(days=31)

    _, second = world.invoices_of(signup.subscription)
    assert (second["amount_due"], second["status"]) == (1030, "paid")
    [capture] = world.captures()
    assert capture.captured == 1030


@pytest.mark.scenario(29)
async def test_below_the_processors_minimum(world: World) -> None:
    """Waived: credited by a note of ours, and Stripe settles it. The practice processor takes 1.00 or more."""
    await world.set_policy(below_minimum="waive")
    signup = await _signup_with_balance(world, -940)

    assert world.charge_calls() == []
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"], live["pre_payment_credit_notes_amount"]) == ("paid", 0, 60)
    shown = await world.gateway_invoice(signup.invoice)
    assert (shown["state"], shown["attempts"], shown["movements"], shown["recordings"]) == ("paid", [], [], [])
    assert await world.open_cases() == []


@pytest.mark.scenario(29)
async def test_below_the_processors_minimum_is_carried_over(world: World) -> None:
    """Credited by a note of ours, and owed with the next invoice: one charge takes both."""
    await world.set_policy(below_minimum="carry")
    signup = await _signup_with_balance(world, -940)

    assert world.charge_calls() == []
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"], live["pre_payment_credit_notes_amount"]) == ("paid", 0, 60)
    assert world.stripe_account().customers[signup.customer]["balance"] == 60
    shown = await world.gateway_invoice(signup.invoice)
    assert (shown["state"], shown["attempts"], shown["movements"], shown["recordings"]) == ("paid", [], [], [])
    [carried], [note] = shown["carried"], shown["credit_notes"]
    assert (carried["amount"], carried["state"], carried["credit_note"]) == (60, "carried", note["id"])

    await world.later(days=31)
    _, second = world.invoices_of(signup.subscription)
    assert (second["total"], second["amount_due"], second["status"]) == (1000, 1060, "paid")
    assert [capture.captured for capture in world.captures()] == [1060]
    assert world.stripe_account().customers[signup.customer]["balance"] == 0
    assert await world.open_cases() == []


@pytest.mark.scenario(29)
async def test_what_stripe_does_not_carry_over_is_put_before_a_human(world: World) -> None:
    await world.set_policy(below_minimum="carry")
    world.stripe.faults.add("error_before", status=400, method="POST", path="/v1/customers/{id}/balance_transactions")
    signup = await _signup_with_balance(world, -940)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.open_cases() == ["remainder_not_billed"]
    [carried] = (await world.gateway_invoice(signup.invoice))["carried"]
    assert (carried["state"], carried["balance_transaction"]) == ("refused", None)


@pytest.mark.scenario(31)
async def test_credit_covers_part(world: World) -> None:
    signup = await _signup_with_balance(world, -400)

    live = world.stripe_invoice(signup.invoice)
    assert (live["total"], live["amount_due"], live["status"]) == (1000, 600, "paid")
    [capture] = world.captures()
    assert capture.captured == 600
    shown = await world.gateway_invoice(signup.invoice)
    assert [m["amount"] for m in shown["movements"]] == [r["amount"] for r in shown["recordings"]] == [600]

    await credit_and_wait(world, signup.invoice, 1000, out_of_band_amount=600, credit_amount=400)
    assert returned(world) == [600]


@pytest.mark.scenario(32)
async def test_debit_balance(world: World) -> None:
    signup = await _signup_with_balance(world, 300)

    live = world.stripe_invoice(signup.invoice)
    assert (live["total"], live["amount_due"], live["status"]) == (1000, 1300, "paid")
    [capture] = world.captures()
    assert capture.captured == 1300
    assert [m["amount"] for m in (await world.gateway_invoice(signup.invoice))["movements"]] == [1300]


@pytest.mark.scenario(34)
async def test_trial(world: World) -> None:
    await world.listen()
    signup = await world.signup("ok", trial_period_days=14)

    first = world.stripe_invoice(signup.invoice)
    assert (first["amount_due"], first["status"]) == (0, "paid")
    assert world.stripe_subscription(signup.subscription)["status"] == "trialing"
    assert world.charge_calls() == []
    methods = await world.call("GET", f"/v1/customers/{signup.customer}/payment_methods")
    assert [m["status"] for m in methods.json()["data"]] == ["active"]

    assert world.merchant.of("trial_ending") == []
    await world.later(days=11, hours=1)
    [ending] = world.merchant.of("trial_ending", signup.subscription)
    assert ending["data"]["trial_end"] == world.stripe_subscription(signup.subscription)["trial_end"]
    await world.later(days=1, hours=23)
    assert world.charge_calls() == []
    await world.later(days=1, hours=1)

    _, second = world.invoices_of(signup.subscription)
    assert (second["amount_due"], second["status"]) == (1000, "paid")
    assert len(world.captures()) == len(world.charge_calls()) == 1
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.merchant.of("trial_ending")) == 1
    assert [event["data"]["amount_due"] for event in world.merchant.of("paid")] == [0, 1000]


@pytest.mark.scenario(38)
async def test_amount_due_becomes_zero_between_read_and_charge(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    assert (await world.gateway_invoice(renewal))["amount_remaining"] == 1000
    await world.shop.client.v1.credit_notes.create_async({"invoice": renewal, "amount": 1000})

    # The next try is due, and no event of the credit note has come.
    await world.move(hours=25)
    await world.work()

    assert world.stripe_invoice(renewal)["amount_remaining"] == 0
    assert len(world.charge_calls()) == charged
    assert (await world.gateway_invoice(renewal))["amount_remaining"] == 0
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.gateway_invoice(renewal))["state"] == "paid"
    assert len(world.captures()) == 1, "the signup's"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"


@pytest.mark.scenario(37)
async def test_prepaid_credits_consumed_inside_the_merchants_app(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())

    done = await world.record_payment(renewal, source="credits", reference="ledger-42", amount=1000)
    await world.settle()

    assert done.status_code == 200, done.text
    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"]) == ("paid", 1000)
    assert live["metadata"]["third_party_payment_id"] == "ledger-42"
    shown = await world.gateway_invoice(renewal)
    assert shown["state"] == "paid"
    [receipt] = [m for m in shown["movements"] if m["kind"] == "receipt"]
    assert (receipt["amount"], receipt["connection"], receipt["processor_id"]) == (1000, None, "ledger-42")
    assert '"source":"credits"' in receipt["evidence"]
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    await world.later(days=5)
    assert len(world.charge_calls()) == charged, "not at the next sweep either"

    again = await world.record_payment(renewal, source="credits", reference="ledger-42", amount=1000)
    assert again.status_code == 200, "the same receipt again is the same receipt"
    other = await world.record_payment(renewal, source="credits", reference="ledger-43")
    assert (other.status_code, other.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    assert len((await world.gateway_invoice(renewal))["movements"]) == 1
    assert await world.open_cases() == []


async def test_a_payment_is_not_recorded_while_a_charge_may_still_succeed(world: World) -> None:
    _, renewal = await world.renew("pending_then_ok")
    refused = await world.record_payment(renewal)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    await world.later(hours=25)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert [m["kind"] for m in (await world.gateway_invoice(renewal))["movements"]] == ["capture"]


async def test_a_late_success_after_a_recorded_payment_goes_back(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    charge = world.last_charge()
    await world.record_payment(renewal, source="bank_transfer", reference="wire-1")
    await world.settle()

    world.succeed_after_all(charge)
    await world.settle()

    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], [a["state"] for a in shown["attempts"]]) == ("paid", ["succeeded"])
    assert returned(world) == [1000]
    assert await world.open_cases() == []
    assert [m["kind"] for m in shown["movements"]] == ["receipt", "capture", "surplus_returned"]
    assert world.stripe_invoice(renewal)["amount_paid"] == 1000


async def test_a_recorded_payment_survives_a_lost_answer_of_stripes(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    world.stripe.faults.add("lost_after", method="POST", path="/v1/invoices/{id}/pay")
    await world.record_payment(renewal, wait_s=0)
    await world.settle()
    await world.later(minutes=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert [r["state"] for r in (await world.gateway_invoice(renewal))["recordings"]] == ["recorded"]


async def test_no_try_is_announced_while_stripe_is_told_of_a_recorded_payment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    assert (await world.gateway_invoice(renewal))["next_attempt"] is not None
    seen: list[tuple[str, str, int | None]] = []
    told = record.call

    async def looked_at(*args: Any) -> Any:
        shown = await world.gateway_invoice(renewal)
        seen.append((shown["state"], shown["reason"], shown["next_attempt"]))
        return await told(*args)

    monkeypatch.setattr(record, "call", looked_at)
    await world.record_payment(renewal)
    await world.settle()
    assert ("captured", "", None) in seen
    assert not [one for one in seen if one[0] == "captured" and one[2] is not None]


@pytest.mark.scenario(35)
async def test_trial_ends_without_a_token(world: World) -> None:
    await world.listen()
    signup = await world.signup("ok", trial_period_days=14)
    # The payer has withdrawn it; the notice of that comes with the life of a customer.
    await sql.rows("update tollbridge.payment_method set status = 'stopped', stopped_reason = 'revoked'")
    await world.later(days=14, hours=1)
    _, second = world.invoices_of(signup.subscription)
    for _ in range(4):
        await world.later(days=1)
        shown = await world.gateway_invoice(second["id"])
        assert (shown["status"], shown["state"], shown["attempts"]) == ("open", "needs_payment_method", [])
    assert world.charge_calls() == []
    assert len(world.merchant.of("payment_method_needed", second["id"])) == 1
    assert world.merchant.of("payment_failed") == [], "nothing was tried"

    await world.repair_card(signup)
    await world.settle()

    assert world.stripe_invoice(second["id"])["status"] == "paid"
    assert await world.attempts(second["id"]) == ["succeeded"], "the ladder had not begun"


@pytest.mark.scenario(35)
async def test_a_trial_that_ended_without_a_token_comes_to_its_end(world: World) -> None:
    await world.listen()
    await world.set_policy(end_after_hours=168, at_end=["mark_uncollectible", "cancel_subscription"])
    signup = await world.signup("ok", trial_period_days=14)
    await sql.rows("update tollbridge.payment_method set status = 'stopped', stopped_reason = 'revoked'")
    await world.later(days=14, hours=1)
    _, second = world.invoices_of(signup.subscription)
    for _ in range(6):
        await world.later(days=1)
    assert world.stripe_invoice(second["id"])["status"] == "open"
    assert (await world.access(signup.subscription))["granted"], "the grace is not over"

    await world.later(days=2)
    assert world.stripe_invoice(second["id"])["status"] == "uncollectible"
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    assert world.charge_calls() == []
    assert len(world.merchant.of("payment_method_needed", second["id"])) == 1
    assert len(world.merchant.of("given_up", second["id"])) == 1
    assert len(world.merchant.of("access_closed", signup.subscription)) == 1
