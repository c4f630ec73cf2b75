"""J. Refunds: by the API, by a credit note in Stripe, in the processor's dashboard; all end in the same state."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from db import sql
from gateway.sandbox.stripe.events import record
from tests.support.returning import (
    ASK,
    cases,
    credit,
    credit_and_wait,
    credited,
    in_dashboard,
    notes,
    post,
    refund,
    refund_calls,
    refund_keys,
    refund_later,
    refunds,
    retry,
    returned,
    the_refund,
)
from tests.support.world import World


@pytest.mark.scenario(140)
async def test_full(world: World) -> None:
    signup = await world.signup("ok")
    done = await refund(world, signup.invoice, reason="order_change", memo="Sorry.")
    await world.settle()

    assert (done["state"], done["amount"]) == ("recorded", 1000)
    assert returned(world) == [1000]
    [note] = notes(world, signup.invoice)
    assert (note["total"], note["out_of_band_amount"], note["reason"]) == (1000, 1000, "order_change")
    assert done["credit_note"]["stripe_id"] == note["id"]
    assert done["parts"][0]["processor_id"] in world.practice.account(world.shop.practice_key).refunds
    assert note["metadata"]["tollbridge_refund"] == done["id"]
    movements = (await world.gateway_invoice(signup.invoice))["movements"]
    assert [(m["kind"], m["amount"]) for m in movements] == [("capture", 1000), ("refund", 1000)]


@pytest.mark.scenario(140)
async def test_by_a_credit_note_in_stripe(world: World) -> None:
    signup = await world.signup("ok")
    made = await credit(world, signup.invoice, amount=1000, out_of_band_amount=1000)
    await world.settle()
    assert returned(world) == [], "somebody may have made it in the dashboard already"

    await world.later(minutes=6)

    assert returned(world) == [1000]
    done = await the_refund(world, signup.invoice)
    assert (done["origin"], done["state"]) == ("stripe", "recorded")
    assert done["credit_note"]["stripe_id"] == made.id
    assert len(notes(world, signup.invoice)) == 1


@pytest.mark.scenario(140)
async def test_in_the_processors_dashboard(world: World) -> None:
    signup = await world.signup("ok")
    in_dashboard(world, 400)
    await world.settle()
    found = await the_refund(world, signup.invoice)
    assert (found["origin"], found["state"], found["credit_note"]) == ("processor", "succeeded", None)

    await world.later(minutes=6)

    [note] = notes(world, signup.invoice)
    assert (note["total"], note["out_of_band_amount"]) == (400, 400)
    done = await the_refund(world, signup.invoice)
    assert (done["state"], done["credit_note"]["stripe_id"]) == ("recorded", note["id"])
    assert returned(world) == [400]


@pytest.mark.scenario(142)
async def test_two_equal_partials_on_one_day(world: World) -> None:
    signup = await world.signup("ok")
    for _ in range(2):
        await credit(world, signup.invoice, amount=300, out_of_band_amount=300)
    await world.settle()
    await world.later(minutes=6)

    assert returned(world) == [300, 300]
    first, second = notes(world, signup.invoice)
    assert {c.params["reference"] for c in refund_calls(world)} == {f"{first['id']}.1", f"{second['id']}.1"}
    assert len(refund_keys(world)) == 2
    assert await world.open_cases() == []


@pytest.mark.scenario(142)
async def test_two_equal_partials_by_the_api(world: World) -> None:
    signup = await world.signup("ok")
    await asyncio.gather(*(refund(world, signup.invoice, amount=300) for _ in range(2)))
    assert returned(world) == [300, 300]
    assert credited(world, signup.invoice) == [300, 300]


@pytest.mark.scenario(143)
async def test_part_then_the_rest(world: World) -> None:
    signup = await world.signup("ok")
    await refund(world, signup.invoice, amount=400)
    rest = await refund(world, signup.invoice)

    assert (rest["state"], rest["amount"]) == ("recorded", 600)
    assert [c.params["amount"] for c in refund_calls(world)] == [400, 600], "never the processor's full mode"
    assert returned(world) == [400, 600]
    answer = await post(world, "/v1/refunds", {"invoice": signup.invoice})
    assert answer.status_code == 409
    assert "0.00 EUR can be returned now" in answer.json()["detail"]


@pytest.mark.scenario(145)
async def test_credited_to_the_balance(world: World) -> None:
    signup = await world.signup("ok")
    made = await credit(world, signup.invoice, amount=1000, credit_amount=1000)
    await world.settle()
    await world.later(minutes=6)

    assert world.stripe_account().customers[signup.customer]["balance"] == -1000
    assert returned(world) == []
    assert await refunds(world, signup.invoice) == []
    answer = await world.call("GET", f"/v1/credit_notes?invoice={signup.invoice}")
    [shown] = answer.json()["data"]
    assert (shown["stripe_id"], shown["amount"], shown["out_of_band"]) == (made.id, 1000, 0)


@pytest.mark.scenario(146)
async def test_mixed_credit_note(world: World) -> None:
    signup = await world.signup("ok")
    await credit_and_wait(world, signup.invoice, 1000, out_of_band_amount=400, credit_amount=600)
    assert returned(world) == [400]
    assert (await the_refund(world, signup.invoice))["state"] == "recorded"


@pytest.mark.scenario(148)
async def test_a_credit_note_of_our_own_moves_nothing(world: World) -> None:
    signup = await world.signup("ok")
    await refund(world, signup.invoice, amount=400)
    for _ in range(3):
        await world.later(hours=1)
    assert returned(world) == [400]
    assert len(notes(world, signup.invoice)) == 1
    assert len(await refunds(world, signup.invoice)) == 1


@pytest.mark.scenario(149)
async def test_credited_outside_stripe_on_an_invoice_that_stripe_collects(world: World) -> None:
    await world.signup("ok")
    client = world.shop.client.v1
    customer = await client.customers.create_async({"name": "B. Payer"})
    invoice = await client.invoices.create_async({"customer": customer.id, "collection_method": "charge_automatically"})
    await client.invoice_items.create_async(
        {"customer": customer.id, "invoice": str(invoice.id), "amount": 500, "currency": "eur"}
    )
    await client.invoices.finalize_invoice_async(str(invoice.id), {"auto_advance": False})
    await client.invoices.pay_async(str(invoice.id), {"paid_out_of_band": True})
    await world.settle()
    await credit_and_wait(world, str(invoice.id), 500)

    assert returned(world) == []
    assert await world.open_cases() == ["credit_note_not_ours"]


@pytest.mark.scenario(152)
async def test_accepted_then_failed_then_tried_again(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.set_manner(world.shop.practice_key, refunds="async")
    world.practice.script_refunds(world.shop.practice_key, "failed")
    asked = await refund_later(world, signup.invoice, amount=400)
    assert (await the_refund(world, signup.invoice))["state"] == "pending"
    assert notes(world, signup.invoice) == [], "it was not done before"

    await world.later(days=3)

    failed = await the_refund(world, signup.invoice)
    assert failed["state"] == "failed"
    assert await cases(world) == {"refund_failed": asked["id"]}
    assert notes(world, signup.invoice) == []

    assert (await retry(world, asked["id"])).status_code == 202
    await world.later(days=3)

    done = await the_refund(world, signup.invoice)
    assert (done["state"], [p["state"] for p in done["parts"]]) == ("recorded", ["failed", "succeeded"])
    assert len(refund_keys(world)) == 2
    assert returned(world) == [400]
    assert await cases(world) == {}


@pytest.mark.scenario(152)
async def test_failed_after_its_credit_note(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.script_refunds(world.shop.practice_key, "failed_later")
    done = await refund(world, signup.invoice, amount=400)
    assert done["state"] == "recorded"

    await world.later(days=3)

    assert (await the_refund(world, signup.invoice))["state"] == "failed"
    assert await cases(world) == {"refund_failed": done["id"]}
    assert credited(world, signup.invoice) == [400], "the note is kept, and flagged"

    await retry(world, done["id"])

    assert returned(world) == [400]
    assert credited(world, signup.invoice) == [400]
    assert (await the_refund(world, signup.invoice))["state"] == "recorded"
    assert await cases(world) == {}


@pytest.mark.scenario(70)
@pytest.mark.scenario(155)
async def test_asked_for_while_the_payment_is_pending(world: World) -> None:
    signup = await world.signup("pending_then_ok", wait_s=0)
    await refund_later(world, signup.invoice, amount=400)
    assert (await the_refund(world, signup.invoice))["state"] == "deferred"
    assert refund_calls(world) == []

    await world.later(days=5)

    assert returned(world) == [400]
    assert (await the_refund(world, signup.invoice))["state"] == "recorded"


@pytest.mark.scenario(155)
async def test_the_payment_that_it_waited_for_fails(world: World) -> None:
    signup = await world.signup("pending_then_fail", wait_s=0)
    await refund_later(world, signup.invoice, amount=400)
    await world.later(days=5)

    dropped = await the_refund(world, signup.invoice)
    assert (dropped["state"], dropped["failure"]) == ("refused", "not_captured")
    assert returned(world) == []
    assert notes(world, signup.invoice) == []


@pytest.mark.scenario(158)
async def test_nobody_and_nothing_is_left(world: World) -> None:
    signup = await world.signup("ok")
    client = world.shop.client.v1
    await client.subscriptions.cancel_async(signup.subscription)
    [method] = await world.methods_of(signup.customer)
    path = f"/v1/customers/{signup.customer}/payment_methods/{method['id']}"
    await world.call("DELETE", path, headers={"idempotency-key": "one-made-up"})
    await client.customers.delete_async(signup.customer)
    await world.settle()

    done = await refund(world, signup.invoice)

    assert done["state"] == "recorded"
    assert returned(world) == [1000]


@pytest.mark.scenario(160)
@pytest.mark.parametrize("how", ["void", "mark_uncollectible"])
async def test_paid_too_late(world: World, how: str) -> None:
    _, invoice = await world.renew("pending_then_ok")
    calls = world.shop.client.v1.invoices
    await (calls.void_invoice_async(invoice) if how == "void" else calls.mark_uncollectible_async(invoice))
    await world.set_policy(late_success="return")
    await world.settle()
    world.succeed_after_all(world.last_charge())
    await world.settle()

    assert returned(world) == [1000]
    back = await the_refund(world, invoice)
    assert (back["origin"], back["state"], back["credit_note"]) == ("surplus", "succeeded", None)
    assert notes(world, invoice) == []
    reasons = await sql.rows("select surplus from tollbridge.attempt where invoice = $1 and surplus", invoice)
    assert len(reasons) == 1
    assert await world.open_cases() == []


@pytest.mark.scenario(161)
async def test_its_credit_note_is_voided(world: World) -> None:
    signup = await world.signup("ok")
    done = await refund(world, signup.invoice, amount=400)
    await void(world, done["credit_note"]["stripe_id"])

    assert returned(world) == [400]
    assert await cases(world) == {"credit_note_voided": done["id"]}


@pytest.mark.scenario(161)
async def test_the_credit_note_is_voided_before_anything_was_sent(world: World) -> None:
    signup = await world.signup("ok")
    made = await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    await void(world, made.id)
    await world.later(minutes=6)

    assert returned(world) == []
    assert refund_calls(world) == []


@pytest.mark.scenario(161)
async def test_the_credit_note_is_voided_while_its_refund_waits(world: World) -> None:
    signup = await world.signup("ok")
    world.practice.faults.add("error_before", status=429, delay_s=3600, times=1000, **ASK)
    made = await credit_and_wait(world, signup.invoice, 400)
    assert (await the_refund(world, signup.invoice))["state"] == "requested"
    await void(world, made.id)
    world.practice.faults.clear()
    await world.later(hours=2)

    assert returned(world) == []
    left = await the_refund(world, signup.invoice)
    assert (left["state"], left["parts"][0]["refusal"]) == ("refused", "credit_note_voided")


@pytest.mark.scenario(164)
async def test_goes_back_where_it_came_from(world: World) -> None:
    signup = await world.signup("ok")
    await world.connect_twice()
    made = world.practice.create_method(world.shop.practice_key, "ok")
    body: dict[str, Any] = {"connection": "practice-two"}
    assert (await world.take_over(signup.customer, made.token, **body)).status_code in (200, 201)

    done = await refund(world, signup.invoice)

    assert [part["connection"] for part in done["parts"]] == ["practice-eu"]
    assert returned(world) == [1000]


async def void(world: World, note: str) -> None:
    """Stripe's documents don't say whether a paid invoice's note can be voided; should it be, this is what follows."""
    account = world.stripe_account()
    shown = account.credit_notes[note]
    invoice = account.invoices[shown["invoice"]]
    shown |= {"status": "void", "voided_at": account.now()}
    invoice["post_payment_credit_notes_amount"] -= shown["post_payment_amount"]
    record(account, "credit_note.voided", shown)
    await world.settle()


@pytest.mark.scenario(253)
async def test_a_credit_note_above_the_limit_waits_for_somebody(world: World) -> None:
    """Whoever may credit in Stripe does not return more than one may return alone."""
    await world.set_policy(approval_above={"eur": 300})
    signup = await world.signup("ok")
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    await world.later(minutes=6)
    waiting = await the_refund(world, signup.invoice)
    assert (waiting["approval"], returned(world)) == ("waiting", [])
    assert await world.open_cases() == ["refund_waits"]

    answer = await post(world, f"/v1/refunds/{waiting['id']}/approve", {"reason": "checked"})
    await world.settle()

    assert answer.status_code == 200, answer.text
    assert returned(world) == [400]
    assert await world.open_cases() == []


async def denied(world: World) -> tuple[str, Any, Any]:
    """A credit note made in Stripe whose refund a second person has denied: the invoice, the note, the refund."""
    await world.set_policy(approval_above={"eur": 300})
    signup = await world.signup("ok")
    made = await credit_and_wait(world, signup.invoice, 400)
    waiting = await the_refund(world, signup.invoice)
    [case] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    assert (case["kind"], case["subject"]) == ("refund_waits", waiting["id"])
    for way in ("tollbridge refunds approve", "deny", "/v1/refunds/{id}/approve"):
        assert way in case["action"]
    answer = await post(world, f"/v1/refunds/{waiting['id']}/deny", {"reason": "not agreed", "wait_s": 0})
    assert answer.status_code == 200, answer.text
    await world.settle()
    return signup.invoice, made, waiting


@pytest.mark.scenario(253)
async def test_a_denied_credit_note_stands_at_stripe_until_it_is_voided(world: World) -> None:
    invoice, made, waiting = await denied(world)
    [case] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    assert (case["kind"], case["subject"], case["invoice"]) == ("credit_note_denied", waiting["id"], invoice)
    assert made.id in case["reason"]
    assert "Void" in case["action"]
    assert "by hand" in case["action"]
    await world.later(days=2)
    assert (returned(world), (await the_refund(world, invoice))["state"]) == ([], "refused")

    await void(world, made.id)

    assert await world.open_cases() == []
    assert returned(world) == []


@pytest.mark.scenario(253)
async def test_a_denied_credit_note_is_paid_at_the_processor_after_all(world: World) -> None:
    invoice, made, _ = await denied(world)
    in_dashboard(world, 400)
    await world.settle()
    await world.later(minutes=6)

    assert await world.open_cases() == []
    assert (returned(world), len(notes(world, invoice))) == ([400], 1)
    [fallen, done] = await refunds(world, invoice)
    assert (fallen["failure"], done["state"]) == ("made_elsewhere", "recorded")
    assert done["credit_note"]["stripe_id"] == made.id


@pytest.mark.scenario(253)
async def test_a_denied_credit_note_is_paid_by_hand(world: World) -> None:
    _, made, _ = await denied(world)
    [case] = (await world.call("GET", "/v1/cases?state=open")).json()["data"]
    closed = await world.call("POST", f"/v1/cases/{case['id']}/close", {"reason": "by bank transfer"})
    assert closed.status_code == 200, closed.text
    await world.later(days=2)
    assert (await world.open_cases(), returned(world)) == ([], []), "nobody is asked again"
    await void(world, made.id)
