"""K. Disputes: what a payer's bank takes, gives back, and takes again; one credit note for what is gone in the end."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from db import sql
from tests.scenarios.test_j_refunds import credit, notes, refund, refund_calls, refunds, returned
from tests.support.disputes import becomes, cases_of, disputed, disputes, moved, object_to, refundable, told
from tests.support.returning import refund_keys, retry, speak_like
from tests.support.world import World


async def asked(world: World, invoice: str, **body: Any) -> Any:
    """Finance staff ask for a refund; the answer, whatever it is."""
    return await world.call(
        "POST", "/v1/refunds", {"invoice": invoice, "wait_s": 0, **body}, headers={"idempotency-key": uuid4().hex}
    )


@pytest.mark.scenario(166)
async def test_opened(world: World) -> None:
    signup = await world.signup("ok")
    made = await disputed(world)

    [dispute] = await disputes(world, signup.invoice)
    assert (dispute["state"], dispute["amount"], dispute["processor_id"]) == ("opened", 1000, made.id)
    assert dispute["evidence_url"].endswith(made.id)
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert notes(world, signup.invoice) == []
    assert await refundable(world, signup.invoice) == 0
    [case] = await cases_of(world, "dispute_opened")
    assert dispute["evidence_url"] in case["reason"]
    assert case["invoice"] == signup.invoice
    assert (await world.access(signup.subscription))["granted"], "by the default policy"
    assert await told(world) == ["opened"]


@pytest.mark.scenario(166)
async def test_access_by_policy(world: World) -> None:
    await world.set_policy(access_in_dispute="suspend")
    signup = await world.signup("ok")
    dispute = await disputed(world)
    found = await world.access(signup.subscription)
    assert (found["granted"], found["reason"], found["invoice"]) == (False, "invoice_disputed", signup.invoice)

    await becomes(world, dispute, "won")
    assert (await world.access(signup.subscription))["granted"]
    types = [
        row["type"] for row in await sql.rows("select type from tollbridge.outbound_event order by created_at, id")
    ]
    assert [type for type in types if ".access_" in type] == [
        "tollbridge.subscription.access_opened",
        "tollbridge.subscription.access_closed",
        "tollbridge.subscription.access_opened",
    ]


@pytest.mark.scenario(167)
async def test_won(world: World) -> None:
    signup = await world.signup("ok")
    dispute = await disputed(world)
    await becomes(world, dispute, "funds_withdrawn", "won")

    [found] = await disputes(world, signup.invoice)
    assert (found["state"], found["withdrawn"], found["credit_notes"]) == ("won", 0, [])
    assert await moved(world, signup.invoice) == [-1000, 1000]
    assert await refundable(world, signup.invoice) == 1000
    assert notes(world, signup.invoice) == []
    assert await world.open_cases() == []
    assert (await world.access(signup.subscription))["granted"]
    assert await told(world) == ["opened", "won"]


async def test_lost(world: World) -> None:
    signup = await world.signup("ok")
    dispute = await disputed(world, reason="fraudulent")
    await becomes(world, dispute, "funds_withdrawn")
    assert notes(world, signup.invoice) == [], "opened is not lost"
    await becomes(world, dispute, "lost")

    [note] = notes(world, signup.invoice)
    assert (note["total"], note["out_of_band_amount"], note["reason"]) == (1000, 1000, "fraudulent")
    [found] = await disputes(world, signup.invoice)
    assert note["metadata"]["tollbridge_dispute"] == found["id"]
    assert [one["stripe_id"] for one in found["credit_notes"]] == [note["id"]]
    assert await world.open_cases() == ["dispute_lost"]
    assert await told(world) == ["opened", "lost"]
    assert returned(world) == []


async def test_a_lost_dispute_closes_access_until_a_later_invoice_is_paid(world: World) -> None:
    signup = await world.signup("ok")
    await becomes(world, await disputed(world), "lost")
    found = await world.access(signup.subscription)
    assert (found["granted"], found["reason"]) == (False, "dispute_lost")

    await world.later(days=31)
    assert (await world.access(signup.subscription))["granted"]


async def test_a_lost_dispute_leaves_access_open_where_the_policy_says_so(world: World) -> None:
    await world.set_policy(access_after_lost_dispute="keep")
    signup = await world.signup("ok")
    await becomes(world, await disputed(world), "lost")
    assert (await world.access(signup.subscription))["granted"]


@pytest.mark.scenario(169)
async def test_resolved_with_a_partial_refund(world: World) -> None:
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    await becomes(world, dispute, "partly_lost", lost=400)

    [note] = notes(world, signup.invoice)
    assert (note["total"], note["out_of_band_amount"]) == (400, 400)
    assert await moved(world, signup.invoice) == [-1000, 600]
    assert await world.open_cases() == [], "not treated as lost"
    assert (await world.access(signup.subscription))["granted"]
    assert await refundable(world, signup.invoice) == 600
    assert await told(world) == ["opened", "partly_lost"]


@pytest.mark.scenario(170)
async def test_opened_after_a_full_refund(world: World) -> None:
    signup = await world.signup("ok")
    done = await refund(world, signup.invoice)
    await world.settle()
    dispute = await disputed(world)
    [case] = await cases_of(world, "dispute_opened")
    assert "already refunded" in case["reason"]
    assert done["id"] in case["reason"]

    await becomes(world, dispute, "funds_withdrawn", "lost")

    assert len(notes(world, signup.invoice)) == 1, "that of the refund"
    assert returned(world) == [1000]
    assert await moved(world, signup.invoice) == [-1000], "the loss is booked"
    assert sorted(await world.open_cases()) == ["dispute_lost", "overpaid_to_customer"]


@pytest.mark.scenario(172)
@pytest.mark.scenario(238)
async def test_a_refund_in_flight_when_the_dispute_arrives(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="async")
    pending = await asked(world, signup.invoice, amount=400)
    await world.settle()
    dispute = await disputed(world, stage="funds_withdrawn")
    [case] = await cases_of(world, "overpaid_to_customer")
    assert case["invoice"] == signup.invoice

    await becomes(world, dispute, "lost")
    assert notes(world, signup.invoice) == [], "how the refund ends decides what is left to credit"
    await world.later(days=3)

    assert returned(world) == [400]
    assert await moved(world, signup.invoice) == [-1000]
    assert sorted(n["total"] for n in notes(world, signup.invoice)) == [400, 600]
    assert "overpaid_to_customer" in await world.open_cases()
    assert [r["id"] for r in await refunds(world, signup.invoice)] == [pending.json()["id"]]


async def test_a_refund_that_fails_leaves_the_whole_loss_to_be_credited(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="async")
    world.practice.script_refunds(world.shop.practice_key, "failed")
    await asked(world, signup.invoice, amount=400)
    await world.settle()
    await becomes(world, await disputed(world, stage="funds_withdrawn"), "lost")
    await world.later(days=3)

    assert [n["total"] for n in notes(world, signup.invoice)] == [1000]
    assert "overpaid_to_customer" not in await world.open_cases(), "the money that was on its way came back"


@pytest.mark.scenario(173)
async def test_an_inquiry_only(world: World) -> None:
    await world.set_policy(access_in_dispute="suspend")
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="inquiry")
    assert await refundable(world, signup.invoice) == 1000
    assert (await world.access(signup.subscription))["granted"]
    [case] = await cases_of(world, "dispute_inquiry")
    assert case["reason"].startswith("the payer asks about 10.00 EUR")

    done = await refund(world, signup.invoice)
    await world.settle()
    assert done["state"] == "recorded"
    await becomes(world, dispute, "closed")

    assert await world.open_cases() == []
    assert len(notes(world, signup.invoice)) == 1
    assert await told(world) == ["opened", "closed"]


@pytest.mark.scenario(175)
@pytest.mark.scenario(157)
async def test_a_bank_chargeback_and_the_customer_wants_a_refund_too(world: World) -> None:
    """No questions: the first that is heard of it is that the money is gone for good."""
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    dispute = object_to(world, stage="funds_withdrawn")
    await world.practice.flush()
    world.practice.delivery.set(drop=False)
    world.practice.move_dispute(dispute.id, "lost")
    await world.settle()
    [found] = await disputes(world, signup.invoice)
    assert (found["state"], found["withdrawn"]) == ("lost", 1000)

    answer = await asked(world, signup.invoice)

    assert answer.status_code == 409
    assert answer.json()["type"].endswith(":not_refundable")
    assert found["id"] in answer.json()["detail"]
    assert refund_calls(world) == []
    assert len(notes(world, signup.invoice)) == 1


@pytest.mark.scenario(157)
async def test_a_refund_is_refused_while_a_dispute_is_open(world: World) -> None:
    signup = await world.signup("ok")
    await disputed(world)
    [found] = await disputes(world, signup.invoice)
    answer = await asked(world, signup.invoice, amount=400)
    assert answer.status_code == 409
    assert found["id"] in answer.json()["detail"]

    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.later(minutes=6)

    [refused] = await refunds(world, signup.invoice)
    assert (refused["state"], refused["failure"]) == ("refused", "dispute_open")
    assert found["id"] in refused["message"]
    assert refund_calls(world) == []
    assert "refund_refused" in await world.open_cases()


@pytest.mark.scenario(157)
async def test_a_queued_refund_is_made_once_the_dispute_is_won(world: World) -> None:
    await world.set_policy(refund_in_dispute="queue")
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    answer = await asked(world, signup.invoice, amount=400)
    assert answer.status_code == 202, answer.text
    await world.settle()
    [waiting] = await refunds(world, signup.invoice)
    assert waiting["state"] == "deferred"
    assert refund_calls(world) == []

    await becomes(world, dispute, "won")
    [done] = await refunds(world, signup.invoice)
    assert done["state"] == "recorded"
    assert returned(world) == [400]


@pytest.mark.scenario(157)
async def test_a_queued_refund_is_dropped_with_a_case_when_the_dispute_is_lost(world: World) -> None:
    await world.set_policy(refund_in_dispute="queue")
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    await asked(world, signup.invoice, amount=400)
    await becomes(world, dispute, "lost")

    [dropped] = await refunds(world, signup.invoice)
    assert (dropped["state"], dropped["failure"]) == ("refused", "dispute_lost")
    assert returned(world) == []
    assert sorted(await world.open_cases()) == ["dispute_lost", "refund_refused"]
    assert [n["total"] for n in notes(world, signup.invoice)] == [1000]


@pytest.mark.scenario(176)
async def test_won_then_withdrawn_again(world: World) -> None:
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    await becomes(world, dispute, "won", "funds_withdrawn")
    assert await moved(world, signup.invoice) == [-1000, 1000, -1000]
    assert notes(world, signup.invoice) == []
    assert await refundable(world, signup.invoice) == 0
    assert await world.open_cases() == ["dispute_opened"]

    await becomes(world, dispute, "lost")
    assert [n["total"] for n in notes(world, signup.invoice)] == [1000]
    assert await told(world) == ["opened", "won", "opened", "lost"]


async def test_won_after_it_was_lost_and_credited(world: World) -> None:
    """A credit note of a paid invoice can't be taken back: a human decides."""
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    await becomes(world, dispute, "lost", "won")
    assert await moved(world, signup.invoice) == [-1000, 1000]
    assert await world.open_cases() == ["dispute_recovered"]

    await becomes(world, dispute, "funds_withdrawn", "lost")
    assert [n["total"] for n in notes(world, signup.invoice)] == [1000], "the note that stands says so"
    assert await world.open_cases() == ["dispute_lost"]


async def test_lost_in_part_and_then_for_the_rest(world: World) -> None:
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    await becomes(world, dispute, "partly_lost", "won", "funds_withdrawn", "lost", lost=400)
    assert [n["total"] for n in notes(world, signup.invoice)] == [400, 600]


@pytest.mark.scenario(178)
async def test_of_a_customer_without_subscriptions(world: World) -> None:
    signup = await world.signup("ok")
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    await world.shop.client.v1.customers.delete_async(signup.customer)
    await world.settle()
    dispute = await disputed(world, stage="funds_withdrawn")
    [found] = await disputes(world, signup.invoice)
    assert found["processor_id"] == dispute.id
    await becomes(world, dispute, "won")
    assert (await disputes(world, signup.invoice))[0]["state"] == "won"


async def test_a_dispute_that_is_known_before_its_payment_waits(world: World) -> None:
    """The answer to the charge is lost and so is its notice: the dispute is told before anybody has asked."""
    signup = await world.signup("ok")
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    world.practice.delivery.set(drop=1)
    await world.move(days=31)
    await world.settle()
    invoice = str(world.invoices_of(signup.subscription)[-1]["id"])
    if await world.attempts(invoice) != ["unknown"]:
        pytest.fail("the charge was to be unknown")
    object_to(world)
    await world.settle()
    assert await disputes(world, invoice) == []

    await world.later(hours=3)
    assert await world.attempts(invoice) == ["succeeded"]
    await world.later(hours=3)
    assert [d["state"] for d in await disputes(world, invoice)] == ["opened"]


async def test_found_by_asking_when_no_notice_came(world: World) -> None:
    await sql.rows("update tollbridge.connection set adapter = 'practice_braintree'")
    world.practice.set_manner(world.shop.practice_key, like="braintree")
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    dispute = object_to(world, stage="funds_withdrawn")
    world.practice.move_dispute(dispute.id, "lost")
    await world.settle()
    world.practice.delivery.set(drop=False)
    assert await disputes(world, signup.invoice) == []

    await world.move(hours=1)
    await world.catch_up()
    await world.settle()
    assert [d["state"] for d in await disputes(world, signup.invoice)] == ["lost"]
    assert [n["total"] for n in notes(world, signup.invoice)] == [1000]


@pytest.mark.scenario(238)
async def test_a_refund_racing_a_dispute(world: World) -> None:
    """The dispute is at the door while the refund is asked for: money out stays within the capture, or a case says."""
    signup = await world.signup("ok")
    object_to(world, stage="funds_withdrawn")
    await asyncio.gather(asked(world, signup.invoice), world.practice.flush())
    await world.settle()
    gone = sum(returned(world)) - sum(await moved(world, signup.invoice))
    assert gone <= 1000 or "overpaid_to_customer" in await world.open_cases()
    assert [d["state"] for d in await disputes(world, signup.invoice)] == ["funds_withdrawn"]


async def test_a_credit_note_made_in_stripe_for_a_lost_dispute_is_its_own(world: World) -> None:
    """Staff are quicker than we: one credit note, and nothing is sent back."""
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    made = await credit(world, signup.invoice, amount=1000, out_of_band_amount=1000)
    world.practice.move_dispute(dispute.id, "lost")
    await world.settle()
    await world.later(minutes=6)

    assert [n["id"] for n in notes(world, signup.invoice)] == [made.id]
    assert await refunds(world, signup.invoice) == []
    [found] = await disputes(world, signup.invoice)
    assert [one["stripe_id"] for one in found["credit_notes"]] == [made.id]
    assert await world.open_cases() == ["dispute_lost"]


async def test_two_disputes_about_one_payment(world: World) -> None:
    signup = await world.signup("ok")
    first = await disputed(world, 400, stage="funds_withdrawn")
    second = await disputed(world, 600, stage="funds_withdrawn")
    assert await refundable(world, signup.invoice) == 0
    await becomes(world, second, "lost")
    await becomes(world, first, "lost")
    assert [n["total"] for n in notes(world, signup.invoice)] == [600, 400]
    assert await world.open_cases() == ["dispute_lost", "dispute_lost"]


async def surplus(world: World) -> str:
    """A renewal that was voided while its charge was unknown: a human is asked about the money; the invoice."""
    await world.set_policy(returns="case")
    signup = await world.signup("ok")
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    world.practice.delivery.set(drop=True)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    await world.shop.client.v1.invoices.void_invoice_async(renewal)
    await world.later(minutes=1)
    world.practice.delivery.set(drop=False)
    assert await world.open_cases() == ["surplus_capture"]
    return renewal


async def test_money_that_no_invoice_took_is_lost_without_a_credit_note(world: World) -> None:
    """The payer asks the bank for it rather than the shop."""
    renewal = await surplus(world)

    await becomes(world, await disputed(world, stage="funds_withdrawn"), "lost")

    assert notes(world, renewal) == []
    assert await moved(world, renewal) == [-1000]
    assert returned(world) == []
    assert await world.open_cases() == ["dispute_lost"]
    why = await sql.value("select closed_reason from tollbridge.review_case where kind = 'surplus_capture'")
    assert why == "a dispute has taken the money"


async def test_money_that_no_invoice_took_comes_back_from_a_dispute(world: World) -> None:
    await surplus(world)
    dispute = await disputed(world)
    await world.set_policy(returns="automatic")
    await world.later(hours=1)
    assert sorted(await world.open_cases()) == ["dispute_opened", "surplus_capture"], "it is here, and can't go back"
    await becomes(world, dispute, "funds_withdrawn")
    assert await world.open_cases() == ["dispute_opened"]
    assert refund_calls(world) == []

    await becomes(world, dispute, "won")

    assert returned(world) == [1000]
    assert await world.open_cases() == []


async def test_a_human_is_asked_again_once_a_dispute_gives_the_money_back(world: World) -> None:
    await surplus(world)
    await becomes(world, await disputed(world, stage="funds_withdrawn"), "won")
    assert await world.open_cases() == ["surplus_capture"]
    assert await sql.value("select count(*) from tollbridge.review_case where kind = 'surplus_capture'") == 2


async def test_a_refund_that_its_processor_refuses_for_a_dispute_of_which_we_have_not_heard(world: World) -> None:
    signup = await world.signup("ok")
    object_to(world, stage="funds_withdrawn")
    answer = await world.call(
        "POST", "/v1/refunds", {"invoice": signup.invoice, "wait_s": 5}, headers={"idempotency-key": uuid4().hex}
    )
    assert (answer.json()["state"], answer.json()["parts"][0]["refusal"]) == ("refused", "dispute_open")
    await world.settle()
    assert returned(world) == []
    assert sorted(await world.open_cases()) == ["dispute_opened", "refund_refused"]


async def unheard(world: World, like: str = "") -> tuple[str, Any]:
    """A refund that waits for a dispute's end by policy, of which nobody has told us: the invoice, and the dispute."""
    if like:
        await speak_like(world, like)
    await world.set_policy(refund_in_dispute="queue")
    signup = await world.signup("ok")
    world.practice.delivery.set(drop=True)
    dispute = object_to(world, stage="funds_withdrawn")
    await world.practice.flush()
    answer = await asked(world, signup.invoice, amount=400, wait_s=5)
    world.practice.delivery.set(drop=False)
    assert (answer.status_code, answer.json()["state"]) == (202, "deferred"), answer.text
    assert [part["refusal"] for part in answer.json()["parts"]] == ["dispute_open"]
    await world.settle()
    return signup.invoice, dispute


@pytest.mark.scenario(157)
async def test_refused_for_a_dispute_of_which_we_hear_later_and_made_once_it_is_won(world: World) -> None:
    invoice, dispute = await unheard(world)
    assert await world.open_cases() == []
    await becomes(world, dispute, "won")

    [done] = await refunds(world, invoice)
    assert (done["state"], [part["state"] for part in done["parts"]]) == ("recorded", ["refused", "succeeded"])
    assert (returned(world), len(refund_keys(world))) == ([400], 2)
    assert [n["total"] for n in notes(world, invoice)] == [400]
    assert await world.open_cases() == []


@pytest.mark.scenario(157)
async def test_refused_for_a_dispute_of_which_we_hear_later_and_dropped_once_it_is_lost(world: World) -> None:
    invoice, dispute = await unheard(world)
    await becomes(world, dispute, "lost")

    [dropped] = await refunds(world, invoice)
    assert (dropped["state"], dropped["failure"]) == ("refused", "dispute_lost")
    assert returned(world) == []
    assert sorted(await world.open_cases()) == ["dispute_lost", "refund_refused"]
    assert [n["total"] for n in notes(world, invoice)] == [1000]


async def test_refused_for_a_dispute_that_the_processor_is_asked_for(world: World) -> None:
    invoice, _ = await unheard(world, "braintree")
    assert [d["state"] for d in await disputes(world, invoice)] == ["funds_withdrawn"], "no notice of it ever came"
    await world.later(days=9)
    assert len(refund_calls(world)) == 1


async def test_refused_for_a_dispute_of_which_nobody_ever_tells(world: World) -> None:
    """Tried again less and less often; in the end a human is asked."""
    invoice, dispute = await unheard(world)
    await world.later(hours=2)
    await world.later(hours=3)
    assert 2 <= len(refund_calls(world)) <= 4
    assert await world.open_cases() == []
    for _ in range(9):
        await world.later(days=1)

    [left] = await refunds(world, invoice)
    assert (left["state"], left["failure"]) == ("refused", "dispute_open")
    assert await world.open_cases() == ["refund_refused"]
    assert len(refund_calls(world)) < 12
    await becomes(world, dispute, "won")
    await retry(world, left["id"])
    assert returned(world) == [400]
    assert await world.open_cases() == []


async def retry_note(world: World, dispute: str, key: str = "") -> Any:
    """Somebody presses "try again" on a dispute; then everything comes to rest."""
    headers = {"idempotency-key": key or uuid4().hex}
    answer = await world.call(
        "POST", f"/v1/disputes/{dispute}/retry", {"wait_s": 0, "reason": "mended"}, headers=headers
    )
    await world.settle()
    return answer


@pytest.mark.parametrize("where", ["GET /v1/credit_notes/preview", "POST /v1/credit_notes"])
async def test_stripe_takes_no_credit_note_for_a_lost_dispute_until_it_is_tried_again(world: World, where: str) -> None:
    signup = await world.signup("ok")
    method, path = where.split()
    world.stripe.faults.add("error_before", status=400, times=100, method=method, path=path)
    await becomes(world, await disputed(world, stage="funds_withdrawn"), "lost")
    [found] = await disputes(world, signup.invoice)
    assert notes(world, signup.invoice) == []
    assert sorted(await world.open_cases()) == ["credit_note_refused", "dispute_lost"]
    assert (await retry_note(world, found["id"])).status_code == 202
    assert sorted(await world.open_cases()) == ["credit_note_refused", "dispute_lost"], "refused once more"
    world.stripe.faults.clear()
    await world.later(days=2)
    assert notes(world, signup.invoice) == [], "nothing is tried by itself"

    answers = [await retry_note(world, found["id"], key) for key in ("one-made-up", "one-made-up", "two-made-up")]

    assert [answer.status_code for answer in answers] == [202, 202, 409]
    assert answers[0].json() == answers[1].json()
    assert [n["total"] for n in notes(world, signup.invoice)] == [1000]
    assert await world.open_cases() == ["dispute_lost"]
    [credited] = (await disputes(world, signup.invoice))[0]["credit_notes"]
    assert (credited["state"], credited["amount"]) == ("issued", 1000)


async def test_a_dispute_s_credit_note_is_tried_again_after_a_human_has_closed_its_case(world: World) -> None:
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", status=400, times=100, method="GET", path="/v1/credit_notes/preview")
    await becomes(world, await disputed(world, stage="funds_withdrawn"), "lost")
    [case] = await cases_of(world, "credit_note_refused")
    await world.call("POST", f"/v1/cases/{case['id']}/close", {"reason": "later"})
    await world.settle()
    assert await world.open_cases() == ["dispute_lost"]
    world.stripe.faults.clear()

    await retry_note(world, case["subject"])
    assert [n["total"] for n in notes(world, signup.invoice)] == [1000]


async def test_nothing_of_a_dispute_is_tried_again_that_did_not_fail(world: World) -> None:
    signup = await world.signup("ok")
    dispute = await disputed(world, stage="funds_withdrawn")
    [found] = await disputes(world, signup.invoice)
    for stage in ("funds_withdrawn", "won"):
        refused = await retry_note(world, found["id"])
        assert (refused.status_code, "no credit note of it was refused" in refused.text) == (409, True)
        if stage != "won":
            await becomes(world, dispute, "won")
    assert (await retry_note(world, "dsp_nothing")).status_code == 404
