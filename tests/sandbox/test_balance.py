"""The customer balance: every change of it is a transaction."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import World
from tests.sandbox.test_invoices import refused


async def transactions(world: World, customer: str) -> list[Any]:
    """Oldest first."""
    return list((await world.v1.customers.balance_transactions.list_async(customer)).data)[::-1]


async def told(world: World, customer: str) -> list[tuple[str, int, int]]:
    return [(row.type, row.amount, row.ending_balance) for row in await transactions(world, customer)]


async def test_beginning_and_adjusting(world: World) -> None:
    customer = await world.customer(balance=-300)
    await world.v1.customers.update_async(customer.id, {"balance": -100})
    params = {"amount": 50, "currency": "eur", "description": "Fee", "metadata": {"k": "v"}}
    row = await world.v1.customers.balance_transactions.create_async(customer.id, params)
    assert (row.type, row.ending_balance, row.description, row.metadata["k"]) == ("adjustment", -50, "Fee", "v")
    assert await told(world, customer.id) == [
        ("initial", -300, -300), ("adjustment", 200, -100), ("adjustment", 50, -50),
    ]  # fmt: skip
    assert (await world.v1.customers.retrieve_async(customer.id)).balance == -50


async def test_one_transaction_is_read_and_described(world: World) -> None:
    customer, other = await world.customer(balance=-300), await world.customer()
    row = (await transactions(world, customer.id))[0]
    service = world.v1.customers.balance_transactions
    assert (await service.update_async(customer.id, row.id, {"description": "Gift"})).description == "Gift"
    assert (await service.retrieve_async(customer.id, row.id)).description == "Gift"
    assert (await refused(service.retrieve_async(other.id, row.id))).http_status == 404


async def test_an_invoice_takes_it_and_a_void_gives_it_back(world: World) -> None:
    customer = await world.customer(balance=-300)
    invoice = await world.open_invoice(customer=customer)
    assert (invoice.amount_due, invoice.ending_balance) == (700, 0)
    await world.v1.invoices.void_invoice_async(invoice.id)
    assert (await told(world, customer.id))[1:] == [
        ("applied_to_invoice", 300, 0), ("unapplied_from_invoice", -300, -300),
    ]  # fmt: skip
    rows = await world.v1.customers.balance_transactions.list_async(customer.id, {"invoice": invoice.id})
    assert len(rows.data) == 2


async def test_what_is_too_small_goes_out_to_it(world: World) -> None:
    customer = await world.customer(balance=-980)
    invoice = await world.open_invoice(customer=customer)
    assert (invoice.status, invoice.amount_due) == ("paid", 0)
    assert (await told(world, customer.id))[1:] == [("applied_to_invoice", 980, 0), ("invoice_too_small", 20, 20)]


async def test_a_credit_note_to_the_balance(world: World) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    params = {"invoice": invoice.id, "amount": 400, "credit_amount": 400, "expand": ["customer_balance_transaction"]}
    note = await world.v1.credit_notes.create_async(params)
    row = note.customer_balance_transaction
    assert (row.type, row.amount, row.credit_note, row.ending_balance) == ("credit_note", -400, note.id, -400)


async def test_other_currencies_are_refused(world: World) -> None:
    customer = await world.customer(balance=-100)
    await world.open_invoice(customer=customer)
    params = {"amount": 50, "currency": "usd"}
    error = await refused(world.v1.customers.balance_transactions.create_async(customer.id, params))
    assert "combine currencies" in (error.user_message or "")
