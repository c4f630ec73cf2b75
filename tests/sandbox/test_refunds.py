"""What comes back: refunds of Stripe charges, by themselves and with credit notes, and disputes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import World
from tests.sandbox.test_invoices import refused

DAY_S = 86400


async def charged(world: World, method: str = "pm_card_visa") -> tuple[Any, Any]:
    """A paid invoice and its charge."""
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"payment_method": method})
    return invoice, (await world.v1.charges.list_async({"customer": invoice.customer})).data[0]


async def test_a_charge_shows_how_it_was_paid(world: World) -> None:
    _, charge = await charged(world, "pm_card_mastercard")
    details = charge.payment_method_details.card
    assert (charge.status, charge.paid, charge.amount, details.brand, details.last4) == (
        "succeeded", True, 1000, "mastercard", "4444",
    )  # fmt: skip
    expanded = await world.v1.charges.retrieve_async(charge.id, {"expand": ["payment_intent", "refunds"]})
    assert (expanded.payment_intent.latest_charge, expanded.refunds.data) == (charge.id, [])


async def test_the_events_of_a_payment(world: World) -> None:
    invoice = await world.open_invoice()
    before = world.event_count
    await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})
    assert world.types_since(before) == [
        "charge.succeeded", "payment_intent.succeeded", "invoice_payment.paid", "invoice.paid", "invoice.updated",
        "invoice.payment_succeeded",
    ]  # fmt: skip


async def test_a_failed_charge(world: World) -> None:
    invoice = await world.open_invoice()
    method = {"payment_method": "pm_card_visa_chargeDeclinedInsufficientFunds"}
    error = await refused(world.v1.invoices.pay_async(invoice.id, method))
    assert error.json_body["error"]["decline_code"] == "insufficient_funds"
    charge = await world.v1.charges.retrieve_async(error.json_body["error"]["charge"])
    assert (charge.status, charge.outcome.type, charge.failure_code) == ("failed", "issuer_declined", "card_declined")
    assert "charge.failed" in world.types_since(0)


async def test_a_refund_in_parts(world: World) -> None:
    _, charge = await charged(world)
    before = world.event_count
    first = await world.v1.refunds.create_async({"charge": charge.id, "amount": 400, "metadata": {"k": "v"}})
    assert (first.status, first.amount, first.metadata["k"]) == ("succeeded", 400, "v")
    assert world.types_since(before) == ["refund.created", "charge.refunded"]
    too_much = await refused(world.v1.refunds.create_async({"charge": charge.id, "amount": 700}))
    assert "greater than unrefunded amount" in (too_much.user_message or "")
    rest = await world.v1.refunds.create_async({"payment_intent": charge.payment_intent})
    assert rest.amount == 600
    again = await refused(world.v1.refunds.create_async({"charge": charge.id}))
    assert again.code == "charge_already_refunded"
    after = await world.v1.charges.retrieve_async(charge.id)
    assert (after.amount_refunded, after.refunded) == (1000, True)
    assert len((await world.v1.refunds.list_async({"charge": charge.id})).data) == 2


@pytest.mark.parametrize(
    ("method", "first", "then", "left"),
    [("pm_card_pendingRefund", "pending", "succeeded", 1000), ("pm_card_refundFail", "succeeded", "failed", 0)],
)
async def test_refunds_that_take_time(world: World, method: str, first: str, then: str, left: int) -> None:
    _, charge = await charged(world, method)
    refund = await world.v1.refunds.create_async({"charge": charge.id})
    assert refund.status == first
    world.sandbox.advance(4 * DAY_S)
    assert (await world.v1.refunds.retrieve_async(refund.id)).status == then
    assert (await world.v1.charges.retrieve_async(charge.id)).amount_refunded == left
    assert ("refund.failed" in world.types_since(0)) == (then == "failed")


async def test_a_credit_note_makes_a_refund(world: World) -> None:
    invoice, charge = await charged(world)
    note = await world.v1.credit_notes.create_async(
        {"invoice": invoice.id, "amount": 300, "refund_amount": 300, "expand": ["refunds.refund"]}
    )
    refund = note.refunds[0].refund
    assert (refund.charge, refund.amount) == (charge.id, 300)


async def test_a_credit_note_names_a_refund(world: World) -> None:
    invoice, charge = await charged(world)
    refund = await world.v1.refunds.create_async({"charge": charge.id, "amount": 500})
    link = {"type": "refund", "refund": refund.id, "amount_refunded": 300}
    note = await world.v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300, "refunds": [link]})
    assert (note.refunds[0].refund, note.refunds[0].amount_refunded) == (refund.id, 300)
    over = {"invoice": invoice.id, "amount": 300, "refunds": [link]}
    error = await refused(world.v1.credit_notes.create_async(over))
    assert "left of the refund (200)" in (error.user_message or "")
    assert len((await world.v1.refunds.list_async({})).data) == 1


async def test_a_preview_refunds_nothing(world: World) -> None:
    invoice, _ = await charged(world)
    await world.v1.credit_notes.preview_async({"invoice": invoice.id, "amount": 300, "refund_amount": 300})
    assert (await world.v1.refunds.list_async({})).data == []


@pytest.mark.parametrize(("text", "end"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
async def test_a_dispute_and_its_evidence(world: World, text: str, end: str) -> None:
    _, charge = await charged(world, "pm_card_createDispute")
    dispute = (await world.v1.disputes.list_async({"charge": charge.id})).data[0]
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "fraudulent", 1000)
    assert (await world.v1.charges.retrieve_async(charge.id)).disputed
    refund = await refused(world.v1.refunds.create_async({"charge": charge.id}))
    assert refund.code == "charge_disputed"
    closed = await world.v1.disputes.update_async(dispute.id, {"evidence": {"uncategorized_text": text}})
    assert (closed.status, closed.evidence_details.submission_count) == (end, 1)
    types = [type for type in world.types_since(0) if type.startswith("charge.dispute.")]
    expected = ["created", "funds_withdrawn", "updated", "closed"] + ["funds_reinstated"] * (end == "won")
    assert types == [f"charge.dispute.{name}" for name in expected]


async def test_a_dispute_without_an_answer_is_lost(world: World) -> None:
    await charged(world, "pm_card_createDispute")
    dispute = (await world.v1.disputes.list_async({})).data[0]
    world.sandbox.advance(10 * DAY_S)
    after = await world.v1.disputes.retrieve_async(dispute.id)
    assert (after.status, after.evidence_details.past_due) == ("lost", True)
    assert (await refused(world.v1.disputes.close_async(dispute.id))).http_status == 400


async def test_an_inquiry_withdraws_nothing(world: World) -> None:
    await charged(world, "pm_card_createDisputeInquiry")
    dispute = (await world.v1.disputes.list_async({})).data[0]
    assert (await world.v1.disputes.close_async(dispute.id)).status == "warning_closed"
    assert "charge.dispute.funds_withdrawn" not in world.types_since(0)
