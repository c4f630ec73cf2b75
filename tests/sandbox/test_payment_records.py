"""Payments at another processor, reported to Stripe and attached to invoices."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.conftest import World
from tests.sandbox.test_invoices import refused

EXPAND = {"expand": ["payments", "amount_paid_off_stripe"]}


async def report(world: World, amount: int = 1000, outcome: str | None = "guaranteed", **more: Any) -> Any:
    now = world.sandbox.now()
    params: dict[str, Any] = {
        "amount_requested": {"currency": "eur", "value": amount},
        "initiated_at": now,
        "payment_method_details": {"type": "custom", "custom": {"display_name": "Practice"}},
        "processor_details": {"type": "custom", "custom": {"payment_reference": "psp_1"}},
        **more,
    }
    if outcome:
        params |= {"outcome": outcome, outcome: {f"{outcome}_at": now}}
    return await world.v1.payment_records.report_payment_async(params)


async def attach(world: World, invoice: Any, record: Any) -> Any:
    return await world.v1.invoices.attach_payment_async(invoice.id, {"payment_record": record.id, **EXPAND})


async def test_a_guaranteed_record_pays_an_invoice(world: World) -> None:
    invoice, record = await world.open_invoice(), await report(world)
    assert (record.amount_guaranteed.value, record.processor_details.custom.payment_reference) == (1000, "psp_1")
    before = world.event_count
    paid = await attach(world, invoice, record)
    assert (paid.status, paid.amount_paid, paid.amount_paid_off_stripe) == ("paid", 1000, 1000)
    assert [(p.is_default, p.status, p.payment.type) for p in paid.payments.data] == [
        (True, "canceled", "payment_intent"), (False, "paid", "payment_record"),
    ]  # fmt: skip
    types = world.types_since(before)
    assert ("invoice_payment.paid" in types, "invoice.payment_succeeded" in types) == (True, False)
    found = await world.v1.invoice_payments.list_async(
        {"payment": {"type": "payment_record", "payment_record": record.id}, "status": "paid"}
    )
    assert [row.invoice for row in found.data] == [invoice.id]


async def test_parts_add_up(world: World) -> None:
    invoice = await world.open_invoice()
    part = await attach(world, invoice, await report(world, 400))
    assert (part.status, part.amount_paid, part.amount_remaining, part.amount_paid_off_stripe) == (
        "open",
        400,
        600,
        400,
    )
    assert next(p for p in part.payments.data if p.is_default).amount_requested == 600
    error = await refused(world.v1.invoices.void_invoice_async(invoice.id))
    assert error.user_message == "Invoices with `paid` payments cannot be voided."
    whole = await attach(world, invoice, await report(world, 600))
    assert (whole.status, whole.amount_paid, whole.amount_remaining) == ("paid", 1000, 0)


async def test_a_part_and_the_rest_out_of_band(world: World) -> None:
    invoice = await world.open_invoice()
    await attach(world, invoice, await report(world, 400))
    paid = await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True, **EXPAND})
    assert (paid.amount_paid, paid.amount_paid_off_stripe) == (1000, 1000)


async def test_too_much_goes_to_the_balance(world: World) -> None:
    invoice = await world.open_invoice()
    paid = await attach(world, invoice, await report(world, 1250))
    assert (paid.status, paid.amount_paid, paid.amount_overpaid) == ("paid", 1000, 250)
    assert "invoice.overpaid" in world.types_since(0)
    row = (await world.v1.customers.balance_transactions.list_async(invoice.customer)).data[0]
    assert (row.type, row.amount) == ("invoice_overpaid", -250)


async def test_a_record_that_is_guaranteed_later(world: World) -> None:
    invoice, record = await world.open_invoice(), await report(world, outcome=None)
    waiting = await attach(world, invoice, record)
    assert (waiting.status, waiting.payments.data[1].status) == ("open", "open")
    error = await refused(world.v1.invoices.mark_uncollectible_async(invoice.id))
    assert "`open` payments" in (error.user_message or "")
    now = world.sandbox.now()
    await world.v1.payment_records.report_payment_attempt_failed_async(record.id, {"failed_at": now})
    retry = {"initiated_at": now, "outcome": "guaranteed", "guaranteed": {"guaranteed_at": now}}
    again = await world.v1.payment_records.report_payment_attempt_async(record.id, retry)
    assert (again.amount_failed.value, again.amount_guaranteed.value) == (0, 1000)
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "paid"
    attempts = await world.v1.payment_attempt_records.list_async({"payment_record": record.id})
    assert [a.amount_failed.value for a in attempts.data] == [0, 1000]


async def test_one_attempt_at_a_time(world: World) -> None:
    record = await report(world, outcome=None)
    now = world.sandbox.now()
    error = await refused(world.v1.payment_records.report_payment_attempt_async(record.id, {"initiated_at": now}))
    assert "once all others have failed" in (error.user_message or "")
    canceled = await world.v1.payment_records.report_payment_attempt_canceled_async(record.id, {"canceled_at": now})
    assert canceled.amount_canceled.value == 1000
    twice = await refused(
        world.v1.payment_records.report_payment_attempt_guaranteed_async(record.id, {"guaranteed_at": now})
    )
    assert "already canceled" in (twice.user_message or "")


async def test_what_is_said_about_a_record(world: World) -> None:
    record = await report(world)
    told = await world.v1.payment_records.report_payment_attempt_informational_async(
        record.id, {"description": "Order 7", "metadata": {"k": "v"}, "customer_details": {"email": "a@example.com"}}
    )
    assert (told.description, told.metadata["k"], told.customer_details.email) == ("Order 7", "v", "a@example.com")
    assert (await world.v1.payment_records.retrieve_async(record.id)).description == "Order 7"


def refund_params(world: World, reference: str, value: int | None = None) -> dict[str, Any]:
    params: dict[str, Any] = {
        "outcome": "refunded",
        "refunded": {"refunded_at": world.sandbox.now()},
        "processor_details": {"type": "custom", "custom": {"refund_reference": reference}},
    }
    return params if value is None else {**params, "amount": {"currency": "eur", "value": value}}


async def test_a_refund_and_its_credit_note(world: World) -> None:
    invoice, record = await world.open_invoice(), await report(world)
    await attach(world, invoice, record)
    refunded = await world.v1.payment_records.report_refund_async(record.id, refund_params(world, "r1", 300))
    assert refunded.amount_refunded.value == 300
    link = {"payment_record": record.id, "refund_group": "r1"}
    row = {"type": "payment_record_refund", "amount_refunded": 300, "payment_record_refund": link}
    note = await world.v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300, "refunds": [row]})
    assert note.refunds[0].payment_record_refund.refund_group == "r1"
    again = await refused(world.v1.credit_notes.create_async({"invoice": invoice.id, "amount": 300, "refunds": [row]}))
    assert again.http_status == 400


async def test_refunds_of_a_record(world: World) -> None:
    record = await report(world)
    report_refund = world.v1.payment_records.report_refund_async
    await report_refund(record.id, refund_params(world, "r1", 300))
    assert "already used" in str(await refused(report_refund(record.id, refund_params(world, "r1", 100))))
    assert "remaining amount" in str(await refused(report_refund(record.id, refund_params(world, "r2", 800))))
    assert (await report_refund(record.id, refund_params(world, "r3"))).amount_refunded.value == 1000


async def test_an_account_without_it(world: World) -> None:
    world.account.third_party_processing = False
    assert "not enabled" in str(await refused(report(world)))


async def test_where_a_record_does_not_fit(world: World) -> None:
    record = await report(world, 400)
    customer = await world.customer()
    item = {"customer": customer.id, "amount": 900, "currency": "eur"}
    await world.v1.invoice_items.create_async(item)
    manual = await world.v1.invoices.create_async(
        {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 5,
         "pending_invoice_items_behavior": "include"}
    )  # fmt: skip
    await world.v1.invoices.finalize_invoice_async(manual.id)
    assert "of subscriptions" in str(await refused(attach(world, manual, record)))
    subscription = await world.subscribe(collection_method="charge_automatically", days_until_due=None)
    assert "in parts" in str(await refused(attach(world, subscription.latest_invoice, record)))


@pytest.mark.parametrize("confirm_first", [True, False])
async def test_a_payment_intent_pays_a_part(world: World, confirm_first: bool) -> None:
    invoice = await world.open_invoice()
    params = {"amount": 400, "currency": "eur", "customer": invoice.customer, "payment_method": "pm_card_visa"}
    intent = await world.v1.payment_intents.create_async({**params, "confirm": confirm_first})
    await world.v1.invoices.attach_payment_async(invoice.id, {"payment_intent": intent.id})
    if not confirm_first:
        await world.v1.payment_intents.confirm_async(intent.id)
    part = await world.v1.invoices.retrieve_async(invoice.id, EXPAND)
    assert (part.status, part.amount_remaining, part.amount_paid_off_stripe) == ("open", 600, 0)
    paid = await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.amount_paid) == ("paid", 1000)


async def test_an_invoices_own_intent_is_not_cancelled(world: World) -> None:
    invoice = await world.open_invoice(expand=["latest_invoice"])
    default = (await world.v1.invoices.retrieve_async(invoice.id, EXPAND)).payments.data[0].payment.payment_intent
    assert (await refused(world.v1.payment_intents.cancel_async(default))).http_status == 400
    loose = await world.v1.payment_intents.create_async({"amount": 400, "currency": "eur"})
    assert (await world.v1.payment_intents.cancel_async(loose.id)).status == "canceled"


async def test_a_deleted_customer_with_a_payment_on_its_way(world: World) -> None:
    invoice, record = await world.open_invoice(), await report(world, outcome=None)
    await attach(world, invoice, record)
    await world.v1.customers.delete_async(invoice.customer)
    after = await world.v1.invoices.retrieve_async(invoice.id, EXPAND)
    assert (after.status, after.payments.data[1].status) == ("uncollectible", "canceled")
