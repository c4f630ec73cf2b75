"""N. Amounts that a processor can't say, and currencies that a customer can't have: refused before anything happens."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.returning import speak_like
from tests.support.world import World


async def _price(world: World, unit_amount: int, currency: str) -> str:
    """A monthly price in Stripe's minor units."""
    product = await world.shop.client.v1.products.create_async({"name": "Plan abroad"})
    made = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": unit_amount, "currency": currency, "recurring": {"interval": "month"}}
    )
    return str(made.id)


@pytest.mark.scenario(200)
@pytest.mark.parametrize("currency", ["huf", "twd"])
async def test_the_processor_keeps_fewer_decimals_than_stripe(world: World, currency: str) -> None:
    await speak_like(world, "paypal")
    signup = await world.signup("ok", wait_s=0, items=[{"price": await _price(world, 99_900, currency)}])

    [call] = world.charge_calls()
    assert (call.params["amount"], call.params["currency"]) == (999, currency.upper())
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"]) == ("paid", 99_900)


@pytest.mark.scenario(200)
@pytest.mark.parametrize("currency", ["huf", "twd"])
async def test_what_the_processor_cannot_say_is_never_sent(world: World, currency: str) -> None:
    await speak_like(world, "paypal")
    signup = await world.signup("ok", wait_s=0, items=[{"price": await _price(world, 99_950, currency)}])

    await world.later(hours=2)

    assert world.charge_calls() == []
    shown = await world.gateway_invoice(signup.invoice)
    assert (shown["attempts"], shown["movements"]) == ([], [])
    assert await world.open_cases() == ["amount_inexpressible"]
    assert "999.5" in await sql.value("select reason from tollbridge.review_case")
    told = await sql.rows("select type from tollbridge.outbound_event where type like '%declined%'")
    assert told == [], "nobody declined anything"


@pytest.mark.scenario(203)
@pytest.mark.parametrize("confirm", [False, True])
async def test_the_currency_of_a_customer_is_fixed(world: World, confirm: bool) -> None:
    first = await world.signup("ok")
    charged, before = len(world.charge_calls()), dict(world.stripe_account().subscriptions)

    abroad = [{"price": await _price(world, 1000, "usd")}]
    refused = await world.open_session("order-usd", customer=first.customer, items=abroad, confirm=confirm)
    await world.later(days=2)

    assert refused.status_code == 400, refused.text
    problem = refused.json()
    assert (problem["type"], problem["param"]) == ("urn:tollbridge:error:stripe_refused", "items")
    assert "eur" in problem["detail"]
    assert dict(world.stripe_account().subscriptions) == before
    assert len(world.stripe_account().invoices) == 1
    assert len(world.charge_calls()) == charged
    left = await sql.rows("select state, cleanup_done from tollbridge.checkout_session where subscription = ''")
    assert [(row["state"], row["cleanup_done"]) for row in left] == [("failed", True)]
    assert await sql.value("select count(*) from tollbridge.subscription") == 1

    again = await world.signup("ok", "order-usd", items=abroad)
    assert again.customer != first.customer
    assert world.stripe_invoice(again.invoice)["currency"] == "usd"
