"""Taxes, discounts, balance, minimum: what an invoice comes to."""

from __future__ import annotations

import pytest
import stripe

from tests.sandbox.conftest import World


async def test_exclusive_and_inclusive_tax(world: World) -> None:
    params = {"display_name": "VAT", "percentage": 20, "country": "FR"}
    exclusive = await world.v1.tax_rates.create_async({**params, "inclusive": False})
    inclusive = await world.v1.tax_rates.create_async({**params, "inclusive": True})
    one = (await world.subscribe(default_tax_rates=[exclusive.id])).latest_invoice
    assert (one.subtotal, one.total_taxes[0].amount, one.total, one.total_excluding_tax) == (1000, 200, 1200, 1000)
    two = (await world.subscribe(default_tax_rates=[inclusive.id])).latest_invoice
    assert (two.subtotal, two.total_taxes[0].amount, two.total, two.total_excluding_tax) == (1000, 167, 1000, 833)
    assert two.lines.data[0].taxes[0].tax_behavior == "inclusive"


@pytest.mark.parametrize(
    ("address", "tax"),
    [({"country": "DE"}, 190), ({"country": "US", "postal_code": "94107"}, 80), ({"country": "BR"}, 0)],
)
async def test_automatic_tax_by_place(world: World, address: dict[str, str], tax: int) -> None:
    customer = await world.customer(address=address)
    subscription = await world.subscribe(customer=customer, automatic_tax={"enabled": True})
    assert subscription.latest_invoice.total == 1000 + tax
    assert subscription.latest_invoice.automatic_tax.status == "complete"


async def test_without_a_place_finalization_fails_and_the_draft_stays(world: World) -> None:
    customer = await world.customer()
    subscription = await world.subscribe(customer=customer, automatic_tax={"enabled": True})
    id = subscription.latest_invoice.id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await world.v1.invoices.finalize_invoice_async(id)
    assert caught.value.code == "customer_tax_location_invalid"
    draft = await world.v1.invoices.retrieve_async(id)
    assert (draft.status, draft.automatic_tax.status) == ("draft", "requires_location_inputs")
    assert draft.last_finalization_error.code == "customer_tax_location_invalid"
    assert "invoice.finalization_failed" in world.types_since(0)
    await world.v1.customers.update_async(customer.id, {"address": {"country": "FR"}})
    assert (await world.v1.invoices.retrieve_async(id)).total == 1200
    assert (await world.v1.invoices.finalize_invoice_async(id)).status == "open"


async def test_the_location_is_validated_at_once_on_request(world: World) -> None:
    us = {"country": "US"}
    with pytest.raises(stripe.InvalidRequestError):
        await world.customer(address=us, tax={"validate_location": "immediately"})
    known = await world.customer(address={**us, "postal_code": "10001"}, expand=["tax"])
    assert known.tax.automatic_tax == "supported"
    unknown = await world.customer(expand=["tax"])
    assert unknown.tax.automatic_tax == "unrecognized_location"


@pytest.mark.parametrize(
    ("coupon", "total"),
    [({"percent_off": 25}, 750), ({"amount_off": 300, "currency": "eur"}, 700), ({"percent_off": 100}, 0)],
)
async def test_coupons(world: World, coupon: dict[str, object], total: int) -> None:
    made = await world.v1.coupons.create_async({"duration": "forever", **coupon})
    invoice = (await world.subscribe(discounts=[{"coupon": made.id}])).latest_invoice
    assert (invoice.subtotal, invoice.total) == (1000, total)
    assert invoice.total_discount_amounts[0].amount == 1000 - total
    opened = await world.v1.invoices.finalize_invoice_async(invoice.id)
    assert opened.status == ("open" if total else "paid")


async def test_a_discount_comes_before_tax(world: World) -> None:
    rate = await world.v1.tax_rates.create_async({"display_name": "VAT", "percentage": 19, "inclusive": False})
    coupon = await world.v1.coupons.create_async({"percent_off": 50})
    invoice = (await world.subscribe(default_tax_rates=[rate.id], discounts=[{"coupon": coupon.id}])).latest_invoice
    assert (invoice.total_taxes[0].taxable_amount, invoice.total) == (500, 595)


@pytest.mark.parametrize(
    ("duration", "second", "third"), [("once", 1000, 1000), ("repeating", 500, 1000), ("forever", 500, 500)]
)
async def test_how_long_a_coupon_lasts(world: World, duration: str, second: int, third: int) -> None:
    params = {"percent_off": 50, "duration": duration}
    if duration == "repeating":
        params["duration_in_months"] = 2
    coupon = await world.v1.coupons.create_async(params)
    subscription = await world.subscribe(discounts=[{"coupon": coupon.id}])
    world.sandbox.advance(63 * 86400)
    totals = [invoice.total for invoice in await world.invoices_of(subscription)]
    assert totals == [third, second, 500]


async def test_a_promotion_code_on_a_draft(world: World) -> None:
    coupon = await world.v1.coupons.create_async({"percent_off": 10})
    code = await world.v1.promotion_codes.create_async(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "HELLO", "max_redemptions": 1}
    )
    found = await world.v1.promotion_codes.list_async({"code": "HELLO", "active": True})
    assert [c.id for c in found.data] == [code.id]
    draft = (await world.subscribe()).latest_invoice
    changed = await world.v1.invoices.update_async(draft.id, {"discounts": [{"promotion_code": code.id}]})
    assert changed.total == 900
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await world.subscribe(discounts=[{"promotion_code": code.id}])
    assert caught.value.code == "promotion_code_expired"
    assert (await world.v1.invoices.update_async(draft.id, {"discounts": ""})).total == 1000


@pytest.mark.parametrize(
    ("balance", "due", "ending"), [(-400, 600, 0), (300, 1300, 0), (-1500, 0, -500), (-980, 0, 20), (0, 1000, 0)]
)
async def test_the_balance_goes_in_first(world: World, balance: int, due: int, ending: int) -> None:
    customer = await world.customer(balance=balance)
    invoice = await world.open_invoice(customer=customer)
    assert (invoice.starting_balance, invoice.amount_due, invoice.ending_balance) == (balance, due, ending)
    assert invoice.status == ("open" if due else "paid")
    assert (await world.v1.customers.retrieve_async(customer.id)).balance == ending


async def test_below_the_minimum_the_amount_moves_to_the_balance(world: World) -> None:
    customer = await world.customer()
    before = world.event_count
    invoice = await world.open_invoice(customer=customer, price=await world.price(30))
    assert (invoice.status, invoice.amount_due, invoice.attempted, invoice.attempt_count) == ("paid", 0, True, 0)
    assert (await world.v1.customers.retrieve_async(customer.id)).balance == 30
    types = world.types_since(before)
    assert "invoice.paid" in types
    assert "invoice.payment_succeeded" not in types
    following = await world.open_invoice(customer=customer)
    assert following.amount_due == 1030


async def test_void_gives_the_balance_back(world: World) -> None:
    customer = await world.customer(balance=-400)
    invoice = await world.open_invoice(customer=customer)
    await world.v1.invoices.void_invoice_async(invoice.id)
    assert (await world.v1.customers.retrieve_async(customer.id)).balance == -400


async def test_one_currency_for_a_customer(world: World) -> None:
    customer = await world.customer()
    await world.subscribe(customer=customer)
    with pytest.raises(stripe.InvalidRequestError, match="cannot combine currencies"):
        await world.subscribe(customer=customer, price=await world.price(currency="usd"))


async def test_decimal_unit_amounts_are_rounded_once(world: World) -> None:
    product = await world.v1.products.create_async({"name": "Calls"})
    price = await world.v1.prices.create_async(
        {"currency": "eur", "unit_amount_decimal": "0.5", "product": product.id, "recurring": {"interval": "month"}}
    )
    invoice = (await world.subscribe(price=price, quantity=2001)).latest_invoice
    assert (price.unit_amount, invoice.total) == (None, 1001)
