"""Q. Metered plans: base price ahead, usage in arrears, and the last of it at the end."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.metered import period_end, subscribe_metered, subscribe_to_calls, to_period_end, use
from tests.support.people import Signup
from tests.support.world import World

TO_THE_END = ["mark_uncollectible", "cancel_subscription"]


def billed(world: World, signup: Signup) -> list[tuple[str, int]]:
    return [(one["status"], one["amount_due"]) for one in world.invoices_of(signup.subscription)]


@pytest.mark.scenario(220)
@pytest.mark.parametrize(("subscribe", "before"), [(subscribe_to_calls, []), (subscribe_metered, [("paid", 1000)])])
async def test_late_usage_of_the_draft_hour_is_billed_and_charged_once(
    world: World, subscribe: Any, before: list[tuple[str, int]]
) -> None:
    signup = await subscribe(world)
    assert signup.confirmed is not None
    assert signup.confirmed.json()["status"] == "complete"
    assert billed(world, signup) == before
    await use(world, signup.customer, 150)
    end = period_end(world, signup.subscription)
    await to_period_end(world, signup.subscription)
    *_, draft = world.invoices_of(signup.subscription)
    assert draft["status"] == "draft"
    shown = await world.gateway_invoice(draft["id"])
    assert shown["reason"] == "late usage still counts until Stripe finalizes it"
    await world.later(minutes=40)
    await use(world, signup.customer, 100, timestamp=end - 60)
    await world.settle()
    assert len(world.captures()) == len(before)

    await world.later(minutes=30)

    base = 1000 if before else 0
    assert billed(world, signup) == [*before, ("paid", base + 1000)]
    assert [charge.amount for charge in world.captures()] == [due for _, due in billed(world, signup)]
    assert len(world.charge_calls()) == len(before) + 1


async def test_a_period_invoice_is_charged_though_its_webhooks_are_lost(world: World) -> None:
    signup = await subscribe_metered(world)
    await to_period_end(world, signup.subscription)
    world.stripe.delivery.set(drop=True)
    await world.later(minutes=61)
    world.stripe.delivery.set(drop=False)
    assert billed(world, signup)[-1] == ("open", 1000)
    await world.later(minutes=5)
    assert billed(world, signup)[-1] == ("paid", 1000)


@pytest.mark.parametrize(("minutes", "due"), [(0, 1600), (20, 2000)])
async def test_an_account_may_wait_less(world: World, minutes: int, due: int) -> None:
    await world.set_policy(usage_grace_minutes=minutes)
    signup = await subscribe_metered(world)
    await use(world, signup.customer, 150)
    end = period_end(world, signup.subscription)
    await to_period_end(world, signup.subscription)
    await world.later(minutes=10)
    await use(world, signup.customer, 100, timestamp=end - 60)

    await world.later(minutes=15)

    assert billed(world, signup)[-1] == ("paid", due)


@pytest.mark.scenario(221)
async def test_usage_after_finalize_lands_in_the_next_invoice(world: World) -> None:
    signup = await subscribe_metered(world)
    await use(world, signup.customer, 150)
    end = period_end(world, signup.subscription)
    await to_period_end(world, signup.subscription, minutes=70)
    assert billed(world, signup)[-1] == ("paid", 1600)

    await use(world, signup.customer, 100, timestamp=end - 60)
    await world.settle()
    await to_period_end(world, signup.subscription, minutes=70)

    assert billed(world, signup) == [("paid", 1000), ("paid", 1600), ("paid", 1400)]
    assert [charge.amount for charge in world.captures()] == [1000, 1600, 1400]


async def _has_used(world: World, signup: Signup) -> None:
    """125 calls, a while after the base price was paid; an end bills up to its second, and not that second itself."""
    await world.later(days=3)
    await use(world, signup.customer, 125)
    await world.later(seconds=1)


async def test_the_final_invoice_bills_what_remains_and_then_the_token_goes(world: World) -> None:
    signup = await subscribe_metered(world)
    await _has_used(world, signup)
    await world.cancel(signup.subscription, invoice_now=True)
    assert billed(world, signup) == [("paid", 1000), ("paid", 500)]
    assert [charge.amount for charge in world.captures()] == [1000, 500]
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
    assert [call.method for call in world.practice.calls][-1] == "DELETE", "not before the last charge"


async def test_the_last_of_a_period_that_ends_the_subscription_waits_for_late_usage(world: World) -> None:
    signup = await subscribe_metered(world)
    await world.cancel(signup.subscription, "period_end")
    end = period_end(world, signup.subscription)
    await to_period_end(world, signup.subscription)
    assert world.methods_at_processor()[0].status == "active"
    await use(world, signup.customer, 125, timestamp=end - 60)
    await world.later(minutes=70)
    assert billed(world, signup) == [("paid", 1000), ("paid", 500)]
    await world.later(hours=7)
    assert world.methods_at_processor()[0].status == "revoked"


async def _owing_the_last(world: World, kind: str) -> tuple[Signup, str]:
    """A subscription that was cancelled while the card can't pay, and its final invoice."""
    await world.set_policy(at_end=TO_THE_END)
    signup = await subscribe_metered(world)
    await _has_used(world, signup)
    world.break_card(signup.customer, kind)
    await world.cancel(signup.subscription, invoice_now=True)
    assert world.stripe_subscription(signup.subscription)["status"] == "canceled"
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


@pytest.mark.scenario(223)
async def test_the_ladder_of_a_final_invoice_runs_to_its_end(world: World) -> None:
    signup, final = await _owing_the_last(world, "decline_insufficient_funds")
    for day in range(1, 9):
        assert world.methods_at_processor()[0].status == "active", f"day {day}: a try is still to come"
        await world.later(days=1)
    assert await world.attempts(final) == ["declined"] * 4

    await world.later(days=1)

    assert billed(world, signup) == [("paid", 1000), ("uncollectible", 500)]
    assert len(world.charge_calls()) == 5
    assert world.methods_at_processor()[0].status == "revoked"
    assert await world.open_cases() == []


@pytest.mark.scenario(223)
async def test_a_later_try_pays_the_final_invoice(world: World) -> None:
    signup, final = await _owing_the_last(world, "decline_insufficient_funds")
    world.break_card(signup.customer, "ok")
    await world.later(days=1, hours=1)
    assert await world.attempts(final) == ["declined", "succeeded"]
    assert billed(world, signup)[-1] == ("paid", 500)
    assert world.methods_at_processor()[0].status == "revoked"


async def test_the_token_stays_while_the_final_invoice_can_not_be_read(world: World) -> None:
    signup = await subscribe_metered(world)
    await _has_used(world, signup)
    world.stripe.faults.add("error_before", method="GET", path="/v1/invoices/{id}", status=500, times=50)
    await world.cancel(signup.subscription, invoice_now=True)
    await world.later(minutes=5)
    assert billed(world, signup)[-1][0] == "draft"
    assert world.methods_at_processor()[0].status == "active"
    world.stripe.faults.clear()
    await world.later(hours=1)
    assert billed(world, signup) == [("paid", 1000), ("paid", 500)]
    assert world.methods_at_processor()[0].status == "revoked"


@pytest.mark.scenario(223)
async def test_only_the_final_invoice_is_tried_after_the_end(world: World) -> None:
    """The period before is still owed by then: its ladder ends with the subscription."""
    signup = await subscribe_metered(world)
    world.break_card(signup.customer, "decline_insufficient_funds")
    await to_period_end(world, signup.subscription, minutes=70)
    await use(world, signup.customer, 125)
    await world.later(minutes=10)
    await world.cancel(signup.subscription, invoice_now=True)
    _, period, final = (str(one["id"]) for one in world.invoices_of(signup.subscription))
    for _ in range(7):
        await world.later(days=1)
    assert (await world.attempts(period), await world.attempts(final)) == (["declined"], ["declined"] * 4)
    assert (await world.gateway_invoice(period))["reason"] == "its subscription has ended"


async def _capped(world: World, **policy: Any) -> tuple[Signup, str]:
    """A payer has agreed to 15.00 at once, and a period comes to 20.00; the period's invoice."""
    await world.set_policy(**policy)
    signup = await subscribe_metered(world)
    [card] = world.methods_at_processor()
    limit = {"amount": 1500, "currency": "eur"}
    stored = await world.take_over(signup.customer, card.token, charge_limit=limit)
    assert stored.json()["card"]["charge_limit"] == limit
    await use(world, signup.customer, 250)
    await world.listen("tollbridge.invoice.payment_method_needed")
    await to_period_end(world, signup.subscription, minutes=70)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


@pytest.mark.scenario(226)
@pytest.mark.parametrize("partial_payment", ["split", "top_up"])
async def test_above_the_agreed_maximum_the_buyer_is_asked(world: World, partial_payment: str) -> None:
    signup, period = await _capped(world, partial_payment=partial_payment)
    for _ in range(4):
        await world.later(days=2)
    assert len(world.charge_calls()) == 1, "of the first invoice"
    assert billed(world, signup)[-1] == ("open", 2000)
    assert await world.open_cases() == ["above_agreed_maximum"]
    [told] = world.merchant.of("payment_method_needed", period)
    assert told["data"]["reason"].startswith("the payer has agreed to 15.00 EUR at once, and 20.00 EUR are due")
    assert (told["data"]["most"], told["data"]["ask_by"]) == (1500, "/v1/payment_method_sessions")
    plan = (await world.gateway_invoice(period))["plan"]
    assert (plan["tries"], plan["ends_at"]) == ([], None), "a human decides"
    refused = await world.collect_now(period)
    assert (refused.status_code, "is not charged in parts" in refused.text) == (409, True)


@pytest.mark.scenario(226)
async def test_another_method_pays_what_the_agreement_does_not_allow(world: World) -> None:
    signup, _ = await _capped(world)
    await world.new_card(signup.customer)
    assert billed(world, signup)[-1] == ("paid", 2000)
    assert [charge.amount for charge in world.captures()] == [1000, 2000]
    assert await world.open_cases() == []


@pytest.mark.scenario(226)
async def test_a_payer_may_agree_to_more(world: World) -> None:
    signup, period = await _capped(world)
    [card] = world.methods_at_processor()
    await world.take_over(signup.customer, card.token, charge_limit={"amount": 2000, "currency": "eur"})
    await world.settle()
    assert await world.attempts(period) == ["succeeded"]
    assert await world.open_cases() == []


@pytest.mark.scenario(226)
async def test_what_is_topped_up_by_hand_leaves_a_rest_within_the_agreement(world: World) -> None:
    signup, period = await _capped(world, partial_payment="top_up")
    noted = await world.record_payment(period, amount=700)
    assert noted.status_code in (200, 202), noted.text
    await world.settle()
    assert billed(world, signup)[-1][0] == "paid"
    assert [charge.amount for charge in world.captures()] == [1000, 1300]
    assert await world.open_cases() == []
