"""Lines of a draft: added, changed and removed in bulk or one by one, and read in pages."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import World


async def draft(world: World, *amounts: int) -> Any:
    """A one-off draft with these lines."""
    customer = await world.customer()
    invoice = await world.v1.invoices.create_async({"customer": customer.id, "currency": "eur"})
    if not amounts:
        return invoice
    return await world.v1.invoices.add_lines_async(invoice.id, {"lines": [{"amount": amount} for amount in amounts]})


def amounts(invoice: Any) -> list[int]:
    return [line.amount for line in invoice.lines.data]


async def test_lines_are_added_with_items_behind(world: World) -> None:
    invoice = await draft(world)
    waiting = await world.v1.invoice_items.create_async(
        {"customer": invoice.customer, "amount": 900, "currency": "eur"}
    )
    price = await world.price(250, interval=None)
    data = {"currency": "eur", "unit_amount": 30, "product_data": {"name": "Box"}}
    lines = [
        {"amount": 100, "description": "Setup", "metadata": {"a": "1"}},
        {"invoice_item": waiting.id},
        {"pricing": {"price": price.id}, "quantity": 2},
        {"price_data": data, "quantity_decimal": "1.5"},
    ]
    added = await world.v1.invoices.add_lines_async(invoice.id, {"lines": lines, "invoice_metadata": {"b": "2"}})
    assert (amounts(added), added.total, added.metadata["b"]) == ([100, 900, 500, 45], 1545, "2")
    assert (await world.v1.invoice_items.retrieve_async(waiting.id)).invoice == invoice.id


async def test_a_line_and_its_item_change_together(world: World) -> None:
    invoice = await draft(world, 100, 200)
    line = invoice.lines.data[0]
    changed = await world.v1.invoices.line_items.update_async(
        invoice.id, line.id, {"amount": 150, "description": "More", "metadata": {"a": "1"}}
    )
    assert (changed.id, changed.amount, changed.metadata["a"]) == (line.id, 150, "1")
    item = await world.v1.invoice_items.retrieve_async(line.parent.invoice_item_details.invoice_item)
    assert (item.amount, item.description) == (150, "More")
    assert (await world.v1.invoices.retrieve_async(invoice.id)).total == 350


async def test_a_line_of_a_subscription_is_changed_in_bulk(world: World) -> None:
    invoice = (await world.subscribe()).latest_invoice
    rate = await world.v1.tax_rates.create_async({"display_name": "VAT", "inclusive": False, "percentage": 10})
    entry = {"id": invoice.lines.data[0].id, "quantity": 3, "tax_rates": [rate.id]}
    changed = await world.v1.invoices.update_lines_async(invoice.id, {"lines": [entry]})
    assert (amounts(changed), changed.total) == ([3000], 3300)


@pytest.mark.parametrize(("behavior", "waits"), [("delete", False), ("unassign", True)])
async def test_lines_are_removed(world: World, behavior: Any, waits: bool) -> None:
    invoice = await draft(world, 100, 200)
    gone = {"id": invoice.lines.data[0].id, "behavior": behavior}
    left = await world.v1.invoices.remove_lines_async(invoice.id, {"lines": [gone]})
    assert (amounts(left), left.total) == ([200], 200)
    pending = await world.v1.invoice_items.list_async({"customer": invoice.customer, "pending": True})
    assert [item.amount for item in pending.data] == ([100] if waits else [])


async def test_finalized_lines_stay(world: World) -> None:
    invoice = await world.v1.invoices.finalize_invoice_async((await draft(world, 100)).id)
    with pytest.raises(stripe.InvalidRequestError, match="no longer a draft"):
        await world.v1.invoices.add_lines_async(invoice.id, {"lines": [{"amount": 5}]})


async def test_ten_lines_are_shown_and_the_rest_have_pages(world: World) -> None:
    invoice = await draft(world, *range(1, 26))
    assert (amounts(invoice), invoice.lines.has_more) == (list(range(1, 11)), True)
    assert [line.amount async for line in invoice.lines.auto_paging_iter()] == list(range(1, 26))
    event = list(world.account.events.values())[-1].object
    assert (len(event["lines"]["data"]), event["lines"]["has_more"]) == (10, True)


async def test_lines_are_added_all_or_none(world: World) -> None:
    invoice = await draft(world, 100)
    before = world.event_count
    waiting = await world.v1.invoice_items.create_async(
        {"customer": invoice.customer, "amount": 900, "currency": "eur"}
    )
    lines = [
        {"amount": 5},
        {"invoice_item": waiting.id, "description": "Changed"},
        {"amount": 7, "tax_rates": ["txr_0"]},
    ]
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.invoices.add_lines_async(invoice.id, {"lines": lines})
    assert amounts(await world.v1.invoices.retrieve_async(invoice.id)) == [100]
    assert world.types_since(before) == ["invoiceitem.created"]
    assert (await world.v1.invoice_items.retrieve_async(waiting.id)).description is None


async def test_lines_are_changed_all_or_none(world: World) -> None:
    invoice = await draft(world, 100, 200)
    before, (first, second) = world.event_count, invoice.lines.data
    lines = [{"id": first.id, "amount": 1}, {"id": second.id, "quantity": 2}]
    with pytest.raises(stripe.InvalidRequestError, match="needs a price"):
        await world.v1.invoices.update_lines_async(invoice.id, {"lines": lines})
    assert amounts(await world.v1.invoices.retrieve_async(invoice.id)) == [100, 200]
    assert world.types_since(before) == []
