"""Transitions of an invoice and the texts of what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import World


async def refused(call: Any) -> stripe.StripeError:
    with pytest.raises(stripe.StripeError) as caught:
        await call
    return caught.value


async def test_paying_twice_is_refused_without_a_code(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    error = await refused(world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True}))
    assert (error.http_status, error.code, error.user_message) == (400, None, "Invoice is already paid")


async def test_finalizing_twice(world: World) -> None:
    invoice = await world.open_invoice()
    error = await refused(world.v1.invoices.finalize_invoice_async(invoice.id))
    assert error.user_message == "This invoice is already finalized, you can't re-finalize a non-draft invoice."


async def test_pay_on_a_draft_finalizes_and_pays(world: World) -> None:
    subscription = await world.subscribe()
    paid = await world.v1.invoices.pay_async(subscription.latest_invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid) == ("paid", 1000)


async def test_void(world: World) -> None:
    invoice = await world.open_invoice()
    void = await world.v1.invoices.void_invoice_async(invoice.id, {"expand": ["payments.data.payment.payment_intent"]})
    assert (void.status, void.payments.data[0].payment.payment_intent.status) == ("void", "canceled")
    for call in (world.v1.invoices.void_invoice_async(invoice.id), world.v1.invoices.pay_async(invoice.id)):
        error = await refused(call)
        assert error.user_message == "You can only pass in open invoices. This invoice isn't open."


async def test_void_on_paid(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    error = await refused(world.v1.invoices.void_invoice_async(invoice.id))
    assert error.user_message == "Invoices with `paid` payments cannot be voided."


async def test_uncollectible_can_be_paid_but_not_marked_twice(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.mark_uncollectible_async(invoice.id)
    error = await refused(world.v1.invoices.mark_uncollectible_async(invoice.id))
    assert error.user_message == "This invoice has already been marked uncollectible."
    paid = await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    assert paid.status == "paid"


async def test_a_finalized_invoice_takes_metadata_only(world: World) -> None:
    invoice = await world.open_invoice()
    changed = await world.v1.invoices.update_async(invoice.id, {"metadata": {"processor": "p", "_own": "1"}})
    assert changed.metadata.to_dict() == {"processor": "p", "_own": "1"}
    error = await refused(world.v1.invoices.update_async(invoice.id, {"days_until_due": 3}))
    assert error.user_message == "Finalized invoices can't be updated in this way"
    item = {"customer": invoice.customer, "invoice": invoice.id, "amount": 5, "currency": "eur"}
    assert (await refused(world.v1.invoice_items.create_async(item))).code == "invoice_not_editable"


async def test_send_invoice_needs_a_due_date(world: World) -> None:
    error = await refused(world.subscribe(days_until_due=None))
    assert error.user_message.startswith("If invoice collection method is 'send_invoice', you must specify")


async def test_a_card_payment_at_stripe(world: World) -> None:
    invoice = await world.open_invoice()
    before = world.event_count
    paid = await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa", "expand": ["payments"]})
    assert (paid.status, paid.attempted, paid.payments.data[0].status) == ("paid", True, "paid")
    assert "invoice.payment_succeeded" in world.types_since(before)
    intent = await world.v1.payment_intents.retrieve_async(paid.payments.data[0].payment.payment_intent)
    assert (intent.status, intent.amount_received) == ("succeeded", 1000)
    found = await world.v1.invoice_payments.list_async(
        {"payment": {"type": "payment_intent", "payment_intent": intent.id}}
    )
    assert [p.invoice for p in found.data] == [invoice.id]


async def test_a_declined_card_leaves_it_open(world: World) -> None:
    invoice = await world.open_invoice()
    declined = world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_chargeDeclined"})
    error = await refused(declined)
    assert (error.http_status, error.code) == (402, "card_declined")
    again = await world.v1.invoices.retrieve_async(invoice.id)
    assert (again.status, again.attempt_count) == ("open", 1)


async def test_a_bank_debit_is_processing_and_then_paid(world: World) -> None:
    invoice = await world.open_invoice()
    params = {"payment_method": "pm_sepaDebit_x", "expand": ["payments.data.payment.payment_intent"]}
    waiting = await world.v1.invoices.pay_async(invoice.id, params)
    assert (waiting.status, waiting.payments.data[0].payment.payment_intent.status) == ("open", "processing")
    world.sandbox.advance(4 * 86400)
    assert (await world.v1.invoices.retrieve_async(invoice.id)).status == "paid"


async def test_a_manual_invoice(world: World) -> None:
    customer = await world.customer()
    await world.v1.invoice_items.create_async({"customer": customer.id, "amount": 700, "currency": "eur"})
    params = {"customer": customer.id, "collection_method": "send_invoice", "days_until_due": 5}
    empty = await world.v1.invoices.create_async(params)
    assert (empty.total, empty.auto_advance, empty.billing_reason) == (0, False, "manual")
    invoice = await world.v1.invoices.create_async({**params, "pending_invoice_items_behavior": "include"})
    assert (invoice.total, invoice.automatically_finalizes_at) == (700, None)
    await world.v1.invoice_items.create_async(
        {"customer": customer.id, "invoice": empty.id, "amount": 300, "currency": "eur", "description": "Rest"}
    )
    assert (await world.v1.invoices.retrieve_async(empty.id)).total == 300
    deleted = await world.v1.invoices.delete_async(invoice.id)
    assert deleted.deleted
    pending = await world.v1.invoice_items.list_async({"customer": customer.id, "pending": True})
    assert [i.amount for i in pending.data] == [700]
    sent = await refused(world.v1.invoices.send_invoice_async(empty.id))
    assert sent.http_status == 400
    await world.v1.customers.update_async(customer.id, {"email": "ada@example.com"})
    before = world.event_count
    assert (await world.v1.invoices.send_invoice_async(empty.id)).status == "open"
    assert "invoice.sent" in world.types_since(before)


async def test_a_subscription_draft_cannot_be_deleted(world: World) -> None:
    subscription = await world.subscribe()
    error = await refused(world.v1.invoices.delete_async(subscription.latest_invoice.id))
    assert error.http_status == 400


async def test_lines_are_listed_in_pages(world: World) -> None:
    subscription = await world.subscribe(add_invoice_items=[{"price": (await world.price(interval=None)).id}])
    first = await world.v1.invoices.line_items.list_async(subscription.latest_invoice.id, {"limit": 1})
    assert (len(first.data), first.has_more) == (1, True)
    rest = await world.v1.invoices.line_items.list_async(
        subscription.latest_invoice.id, {"limit": 1, "starting_after": first.data[0].id}
    )
    assert (len(rest.data), rest.has_more) == (1, False)
    assert rest.data[0].id != first.data[0].id
