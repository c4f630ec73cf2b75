"""Credit notes: the split before and after payment."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import World


async def credit(world: World, invoice: Any, **params: Any) -> Any:
    return await world.v1.credit_notes.create_async({"invoice": invoice.id, "email_type": "none", **params})


async def paid_invoice(world: World, **more: Any) -> Any:
    invoice = await world.open_invoice(**more)
    return await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})


async def test_on_an_open_invoice_it_lowers_what_is_due(world: World) -> None:
    invoice = await world.open_invoice()
    note = await credit(world, invoice, amount=400)
    assert (note.type, note.pre_payment_amount, note.post_payment_amount) == ("pre_payment", 400, 0)
    assert note.number == f"{invoice.number}-CN-1"
    again = await world.v1.invoices.retrieve_async(invoice.id, {"expand": ["payments"]})
    assert (again.amount_due, again.amount_remaining, again.pre_payment_credit_notes_amount) == (600, 600, 400)
    assert (again.total, again.payments.data[0].amount_requested) == (1000, 600)
    paid = await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid) == ("paid", 600)


async def test_credited_to_zero_is_paid(world: World) -> None:
    invoice = await world.open_invoice()
    before = world.event_count
    await credit(world, invoice, amount=1000)
    again = await world.v1.invoices.retrieve_async(invoice.id)
    assert (again.status, again.amount_due, again.amount_paid) == ("paid", 0, 0)
    assert {"credit_note.created", "invoice.paid"} <= set(world.types_since(before))


@pytest.mark.parametrize(
    "params",
    [{"amount": 400, "out_of_band_amount": 400}, {"amount": 400, "credit_amount": 400}, {"amount": 1001}, {}],
)
async def test_refused_on_an_open_invoice(world: World, params: dict[str, int]) -> None:
    invoice = await world.open_invoice()
    with pytest.raises(stripe.InvalidRequestError):
        await credit(world, invoice, **params)
    assert (await world.v1.invoices.retrieve_async(invoice.id)).amount_remaining == 1000


async def test_after_an_out_of_band_payment(world: World) -> None:
    customer = await world.customer()
    invoice = await paid_invoice(world, customer=customer)
    note = await credit(world, invoice, amount=1000, out_of_band_amount=600, credit_amount=400)
    assert (note.type, note.post_payment_amount, note.out_of_band_amount) == ("post_payment", 1000, 600)
    again = await world.v1.invoices.retrieve_async(invoice.id)
    assert (again.status, again.amount_paid, again.post_payment_credit_notes_amount) == ("paid", 1000, 1000)
    assert (await world.v1.customers.retrieve_async(customer.id)).balance == -400


@pytest.mark.parametrize("params", [{}, {"out_of_band_amount": 500}, {"refund_amount": 600}])
async def test_the_sum_must_equal_the_post_payment_amount(world: World, params: dict[str, int]) -> None:
    invoice = await paid_invoice(world)
    with pytest.raises(stripe.InvalidRequestError):
        await credit(world, invoice, amount=600, **params)


async def test_two_of_six_do_not_fit_into_ten(world: World) -> None:
    invoice = await paid_invoice(world)
    await credit(world, invoice, amount=600, out_of_band_amount=600)
    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        await credit(world, invoice, amount=600, out_of_band_amount=600)
    listed = await world.v1.credit_notes.list_async({"invoice": invoice.id})
    assert len(listed.data) == 1


async def test_a_card_payment_is_refunded(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"payment_method": "pm_card_visa"})
    note = await credit(world, invoice, amount=300, refund_amount=300)
    assert note.refunds[0].amount_refunded == 300


async def test_by_line_discount_and_tax_follow(world: World) -> None:
    rate = await world.v1.tax_rates.create_async({"display_name": "VAT", "percentage": 20, "inclusive": False})
    coupon = await world.v1.coupons.create_async({"percent_off": 10, "duration": "forever"})
    invoice = await paid_invoice(world, quantity=3, default_tax_rates=[rate.id], discounts=[{"coupon": coupon.id}])
    assert invoice.total == 3240
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "quantity": 1}
    preview = await world.v1.credit_notes.preview_async(
        {"invoice": invoice.id, "lines": [line], "out_of_band_amount": 1080}
    )
    assert (preview.subtotal, preview.discount_amount, preview.total) == (1000, 100, 1080)
    assert preview.total_taxes[0].amount == 180
    assert len((await world.v1.credit_notes.list_async({"invoice": invoice.id})).data) == 0
    await credit(world, invoice, lines=[line], out_of_band_amount=1080)
    by_amount = {**line, "amount": 100}
    del by_amount["quantity"]
    with pytest.raises(stripe.InvalidRequestError, match="credited by quantity"):
        await credit(world, invoice, lines=[by_amount], out_of_band_amount=108)
    with pytest.raises(stripe.InvalidRequestError):
        await credit(world, invoice, lines=[{**line, "quantity": 3}], out_of_band_amount=3240)


async def test_voiding(world: World) -> None:
    invoice = await world.open_invoice()
    note = await credit(world, invoice, amount=400)
    assert (await world.v1.credit_notes.void_credit_note_async(note.id)).status == "void"
    assert (await world.v1.invoices.retrieve_async(invoice.id)).amount_remaining == 1000
    paid = await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    after = await credit(world, paid, amount=400, out_of_band_amount=400)
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.credit_notes.void_credit_note_async(after.id)


async def test_a_draft_takes_no_credit_note(world: World) -> None:
    subscription = await world.subscribe()
    with pytest.raises(stripe.InvalidRequestError):
        await credit(world, subscription.latest_invoice, amount=100)
