"""J. Refunds: the same money returned in two places at once; each is found to be the other."""

from __future__ import annotations

import pytest

from tests.support.returning import (
    ASK,
    cases,
    credit,
    credited,
    in_dashboard,
    post,
    refund,
    refund_calls,
    refund_later,
    refunds,
    returned,
    speak_like,
)
from tests.support.world import World


async def _ends_as_one(world: World, invoice: str, amount: int = 1000) -> None:
    """r=1, one credit note, and they belong together; nobody is asked."""
    assert returned(world) == [amount]
    assert credited(world, invoice) == [amount]
    made = [r for r in await refunds(world, invoice) if r["state"] == "recorded"]
    assert [r["amount"] for r in made] == [amount]
    assert await world.open_cases() == []


@pytest.mark.scenario(151)
@pytest.mark.parametrize("first", ["dashboard", "note"])
@pytest.mark.parametrize(
    "lost",
    [
        "neither",
        pytest.param("processor", marks=pytest.mark.slow),
        pytest.param("stripe", marks=pytest.mark.slow),
        "both",
    ],
)
async def test_refunded_and_credited_by_hand(world: World, first: str, lost: str) -> None:
    signup = await world.signup("ok")
    if lost in ("processor", "both"):
        world.practice.delivery.set(drop={"refund.succeeded"})
    if lost in ("stripe", "both"):
        world.stripe.delivery.set(drop={"credit_note.created", "invoice.updated"})
    for step in ("dashboard", "note") if first == "dashboard" else ("note", "dashboard"):
        if step == "dashboard":
            in_dashboard(world)
        else:
            await credit(world, signup.invoice, amount=1000, out_of_band_amount=1000)
        await world.later(seconds=2)
    world.practice.delivery.set(drop=False)
    world.stripe.delivery.set(drop=False)
    for _ in range(4):
        await world.later(minutes=30)
        await world.catch_up()
        await world.settle()

    await _ends_as_one(world, signup.invoice)
    assert refund_calls(world) == []


@pytest.mark.scenario(151)
async def test_refunded_by_hand_while_ours_is_on_its_way(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", status=429, delay_s=60, **ASK)
    await credit(world, signup.invoice, amount=1000, out_of_band_amount=1000)
    await world.settle()
    await world.later(minutes=6)
    in_dashboard(world)
    for _ in range(3):
        await world.later(minutes=6)

    await _ends_as_one(world, signup.invoice)


@pytest.mark.scenario(151)
async def test_refunded_by_hand_while_ours_is_sent(world: World) -> None:
    """The processor refuses the second: the credit note goes to the first."""
    signup = await world.signup("ok")
    world.practice.delivery.set(drop={"refund.succeeded"})
    world.practice.faults.add("error_before", status=429, delay_s=60, **ASK)
    await credit(world, signup.invoice, amount=1000, out_of_band_amount=1000)
    await world.settle()
    await world.later(minutes=6)
    in_dashboard(world)
    world.practice.delivery.set(drop=False)
    for _ in range(3):
        await world.later(minutes=6)
    for event in world.practice.account(world.shop.practice_key).events:
        world.practice.resend(event)
    for _ in range(3):
        await world.later(minutes=6)

    await _ends_as_one(world, signup.invoice)


@pytest.mark.scenario(151, 152)
async def test_a_failed_one_is_made_good_by_hand(world: World) -> None:
    """Its credit note stands already: it is the credit note of what was made instead."""
    signup = await world.signup("ok")
    world.practice.script_refunds(world.shop.practice_key, "failed_later", "succeeded")
    await refund(world, signup.invoice)
    await world.later(days=3)
    assert await world.open_cases() == ["refund_failed"]
    in_dashboard(world)
    await world.settle()
    await world.later(minutes=6)
    await _ends_as_one(world, signup.invoice)


@pytest.mark.scenario(151)
async def test_as_many_by_hand_as_notes(world: World) -> None:
    signup = await world.signup("ok")
    for _ in range(2):
        in_dashboard(world, 300)
        await credit(world, signup.invoice, amount=300, out_of_band_amount=300)
    await world.settle()
    await world.later(minutes=6)
    assert returned(world) == [300, 300]
    assert credited(world, signup.invoice) == [300, 300]
    assert await world.open_cases() == []


@pytest.mark.scenario(151)
async def test_another_amount_by_hand_is_another_refund(world: World) -> None:
    signup = await world.signup("ok")
    in_dashboard(world, 300)
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    await world.later(minutes=6)
    assert sorted(returned(world)) == [300, 400]
    assert sorted(credited(world, signup.invoice)) == [300, 400]
    assert await world.open_cases() == []


@pytest.mark.scenario(151)
async def test_a_processor_that_does_not_list(world: World) -> None:
    await speak_like(world, "adyen")
    signup = await world.signup("ok")
    made = await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    await world.later(minutes=6)
    assert await world.open_cases() == ["credit_note_unmatched"]
    assert refund_calls(world) == []

    [note] = (await world.call("GET", f"/v1/credit_notes?invoice={signup.invoice}")).json()["data"]
    assert note["stripe_id"] == made.id
    answer = await post(world, f"/v1/credit_notes/{note['id']}/resolve", {"refund": None, "reason": "Nobody did."})
    assert answer.status_code == 200, answer.text
    await world.settle()
    await world.later(days=1)

    await _ends_as_one(world, signup.invoice, 400)


@pytest.mark.scenario(151)
async def test_the_refund_that_a_human_was_asked_for_turns_up(world: World) -> None:
    await speak_like(world, "adyen")
    signup = await world.signup("ok")
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    await world.later(minutes=6)
    assert await world.open_cases() == ["credit_note_unmatched"]
    in_dashboard(world, 400)
    await world.settle()
    await world.later(days=1)
    await _ends_as_one(world, signup.invoice, 400)


@pytest.mark.scenario(239)
async def test_two_race_over_the_rest(world: World) -> None:
    """Stripe refuses the second note; should both come to us, the processor gives back no more than it took."""
    signup = await world.signup("ok")
    await credit(world, signup.invoice, amount=600, out_of_band_amount=600)
    with pytest.raises(Exception, match="greater than"):
        await credit(world, signup.invoice, amount=600, out_of_band_amount=600)
    await world.settle()
    answer = await post(world, "/v1/refunds", {"invoice": signup.invoice, "amount": 600, "wait_s": 0})
    assert answer.status_code in (200, 202, 409)
    await world.settle()
    await world.later(minutes=6)
    assert sum(returned(world)) <= 1000
    assert returned(world) == [600]


@pytest.mark.scenario(239)
async def test_the_api_reserves_what_it_takes(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", status=429, delay_s=600, times=100, **ASK)
    await refund_later(world, signup.invoice, amount=600)
    answer = await post(world, "/v1/refunds", {"invoice": signup.invoice, "amount": 600})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:tollbridge:error:not_refundable")
    world.practice.faults.clear()
    await world.later(minutes=30)
    assert returned(world) == [600]


@pytest.mark.scenario(248)
async def test_metadata_that_somebody_invented(world: World) -> None:
    signup = await world.signup("ok")
    named = {"tollbridge_credit_note": "crn_01made0up", "third_party_payment_id": "ch_made_up"}
    await world.shop.client.v1.invoices.update_async(
        signup.invoice, {"metadata": {"third_party_payment_id": "ch_made_up"}}
    )
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400, metadata=named)
    await world.settle()
    await world.later(minutes=6)

    assert returned(world) == [400]
    [call] = refund_calls(world)
    assert call.path == f"/v1/charges/{world.captures()[0].id}/refunds"
    await _ends_as_one(world, signup.invoice, 400)


@pytest.mark.scenario(151)
async def test_more_by_hand_than_was_left(world: World) -> None:
    """Ours went back, then all of the payment by hand: the processor forbids it, as does the ledger."""
    signup = await world.signup("ok")
    await refund(world, signup.invoice, amount=600)
    with pytest.raises(ValueError, match="left"):
        in_dashboard(world, 1000)
    in_dashboard(world)
    await world.settle()
    await world.later(minutes=6)
    assert returned(world) == [600, 400]
    assert credited(world, signup.invoice) == [600, 400]
    assert await cases(world) == {}


@pytest.mark.scenario(106, 107)
@pytest.mark.parametrize("kept", [True, False])
async def test_a_credit_note_of_which_nothing_was_heard(world: World, kept: bool) -> None:
    """Found among Stripe's events, and where those are gone, among its credit notes."""
    signup = await world.signup("ok")
    await world.catch_up()
    await world.later(hours=2)
    world.stripe.delivery.set(drop=True)
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    world.stripe.delivery.set(drop=False)
    if not kept:
        world.stripe_account().events.clear()
    for _ in range(4):
        await world.later(hours=30)
        await world.catch_up()
        await world.settle()
    await _ends_as_one(world, signup.invoice, 400)
