"""J. Refunds: lost answers, outages and refusals; whatever the processor's manner is, the money goes back once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.crash import boundaries, once
from tests.support.returning import (
    ASK,
    LIST,
    NOTE,
    cases,
    credited,
    in_dashboard,
    notes,
    refund_calls,
    refund_keys,
    refund_later,
    retry,
    returned,
    speak_like,
    the_refund,
)
from tests.support.world import World

MANNERS = ["adyen", "paypal", "braintree", "gocardless", "mollie", "checkout_com"]
LOST = ["lost_before", "lost_after", "reset_before", "reset_after", "error_before", "error_after", "broken_body"]


async def _some_days(world: World) -> None:
    """Long enough for every look-up, and short enough for every key."""
    for step in (
        {"minutes": 1},
        {"minutes": 5},
        {"minutes": 10},
        {"minutes": 30},
        {"hours": 2},
        {"days": 1},
        {"days": 2},
    ):
        await world.later(**step)
        await world.catch_up()
        await world.settle()


async def _returned_once(world: World, invoice: str, amount: int = 400) -> None:
    done = await the_refund(world, invoice)
    assert (done["state"], returned(world)) == ("recorded", [amount])
    assert credited(world, invoice) == [amount]
    assert len(refund_keys(world)) <= 1
    assert len({bytes(call.body) for call in refund_calls(world)}) <= 1
    assert await world.open_cases() == []


@pytest.mark.scenario(154)
@pytest.mark.slow
@pytest.mark.parametrize("effect", LOST)
@pytest.mark.parametrize("notices", ["heard", "lost"])
async def test_its_answer_is_lost(world: World, effect: str, notices: str) -> None:
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=notices == "lost")
    world.practice.faults.add(effect, **ASK)
    asked = await refund_later(world, signup.invoice, amount=400)
    assert asked["amount"] == 400
    await _some_days(world)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
@pytest.mark.parametrize("boundary", [f"{when} POST /v1/charges/X/refunds" for when in ("before", "after")])
async def test_the_worker_dies(world: World, boundary: str) -> None:
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    await_call = boundary.replace("X", world.captures()[0].id)
    with boundaries(once(await_call)):
        await refund_later(world, signup.invoice, amount=400)
    assert world.kills == 1
    await _some_days(world)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
async def test_looking_fails_as_well(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_after", times=1000, **ASK)
    world.practice.faults.add("error_before", times=1000, **LIST)
    asked = await refund_later(world, signup.invoice, amount=400)
    for _ in range(6):
        await world.later(hours=6)
    assert (await the_refund(world, signup.invoice))["state"] == "unknown"
    assert await cases(world) == {"refund_unknown": asked["id"]}
    assert notes(world, signup.invoice) == []
    world.practice.faults.clear()
    await world.later(hours=13)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
@pytest.mark.slow
@pytest.mark.parametrize("like", MANNERS)
@pytest.mark.parametrize("fault", ["none", "lost_before", "lost_after", "error_after", "429"])
async def test_in_every_manner(world: World, like: str, fault: str) -> None:
    await speak_like(world, like)
    signup = await world.signup("ok", wait_s=0)
    await world.later(days=7)
    if fault == "429":
        world.practice.faults.add("error_before", status=429, delay_s=90, **ASK)
    elif fault != "none":
        world.practice.faults.add(fault, **ASK)
    await refund_later(world, signup.invoice, amount=400)
    await _some_days(world)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(151)
@pytest.mark.slow
@pytest.mark.parametrize("like", MANNERS)
async def test_in_the_dashboard_of_every_manner(world: World, like: str) -> None:
    await speak_like(world, like)
    signup = await world.signup("ok", wait_s=0)
    await world.later(days=7)
    in_dashboard(world, 400)
    await world.settle()
    await _some_days(world)
    await _returned_once(world, signup.invoice)
    assert refund_calls(world) == []


@pytest.mark.scenario(154)
@pytest.mark.parametrize("status", [429, 503])
async def test_the_processor_turns_us_away(world: World, status: int) -> None:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", status=status, delay_s=120, times=3, **ASK)
    await refund_later(world, signup.invoice, amount=400)
    assert returned(world) == []
    for _ in range(12):
        await world.later(minutes=20)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
async def test_the_processor_is_away_for_two_days(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", status=429, times=None, **ASK)
    asked = await refund_later(world, signup.invoice, amount=400)
    for _ in range(16):
        await world.later(hours=3)
    assert await cases(world) == {"refund_not_sent": asked["id"]}
    assert len(refund_calls(world)) < 100, "it is asked less and less often"
    world.practice.faults.clear()
    await _some_days(world)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"effect": "error_before", "status": 429, "times": 2}, {"effect": "lost_after"}])
@pytest.mark.parametrize(
    "path", ["/v1/credit_notes/preview", "/v1/credit_notes", "/v1/invoices/{id}/lines", "POST /v1/credit_notes"]
)
async def test_stripe_is_away_at_a_step(world: World, path: str, fault: dict[str, Any]) -> None:
    signup = await world.signup("ok")
    method, _, where = path.rpartition(" ")
    world.stripe.faults.add(**{"method": method or "GET", "path": where, **fault})
    asked = await refund_later(world, signup.invoice, amount=400)
    assert asked["state"] in ("requested", "sending")
    await _some_days(world)
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
@pytest.mark.slow
@pytest.mark.parametrize("effect", ["error_after", "error_before", "lost_after", "lost_before", "broken_body"])
@pytest.mark.parametrize("heard", [True, False])
async def test_the_note_s_answer_is_lost(world: World, effect: str, heard: bool) -> None:
    signup = await world.signup("ok")
    world.stripe.delivery.set(drop=not heard)
    world.stripe.faults.add(effect, **NOTE)
    await refund_later(world, signup.invoice, amount=400)
    await _some_days(world)
    await _returned_once(world, signup.invoice)
    assert len(notes(world, signup.invoice)) == 1


@pytest.mark.scenario(154)
async def test_stripe_refuses_the_note_when_the_money_is_back(world: World) -> None:
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", status=400, **NOTE)
    asked = await refund_later(world, signup.invoice, amount=400)
    assert returned(world) == [400]
    assert await cases(world) == {"credit_note_refused": asked["id"]}

    assert (await retry(world, asked["id"])).json()["state"] == "succeeded"

    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(154)
async def test_stripe_refuses_the_note_of_what_was_made_by_hand(world: World) -> None:
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", status=400, times=10, method="GET", path="/v1/credit_notes/preview")
    in_dashboard(world, 400)
    await world.settle()
    await world.later(minutes=6)
    found = await the_refund(world, signup.invoice)
    assert await cases(world) == {"credit_note_refused": found["id"]}
    world.stripe.faults.clear()
    await retry(world, found["id"])
    await _returned_once(world, signup.invoice)


@pytest.mark.scenario(157)
async def test_a_dispute_is_open(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    dispute = world.practice.open_dispute(world.captures()[0].id)
    asked = await refund_later(world, signup.invoice, amount=400)
    refused = await the_refund(world, signup.invoice)
    assert (refused["state"], refused["parts"][0]["refusal"]) == ("refused", "dispute_open")
    assert returned(world) == []
    assert notes(world, signup.invoice) == []
    assert await cases(world) == {"refund_refused": asked["id"]}

    world.practice.delivery.set(drop=False)
    world.practice.move_dispute(dispute.id, "won")
    await world.settle()


@pytest.mark.scenario(163)
async def test_the_processor_takes_no_partial_refund(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, partial_refunds=False)
    asked = await refund_later(world, signup.invoice, amount=400)
    refused = await the_refund(world, signup.invoice)
    assert (refused["state"], refused["parts"][0]["refusal"]) == ("refused", "partial_not_allowed")
    assert returned(world) == []
    assert await cases(world) == {"refund_refused": asked["id"]}
    full = await refund_later(world, signup.invoice)
    assert (full["amount"], returned(world)) == (1000, [1000])
