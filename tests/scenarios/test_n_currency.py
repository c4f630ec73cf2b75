"""N. Currency and minor units."""

from __future__ import annotations

import pytest

from tests.support.people import Signup
from tests.support.world import World


async def _signup_for(world: World, unit_amount: int, currency: str) -> Signup:
    """A signup for a plan of this price, in Stripe's minor units."""
    product = await world.shop.client.v1.products.create_async({"name": "Plan abroad"})
    price = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": unit_amount, "currency": currency, "recurring": {"interval": "month"}}
    )
    return await world.signup("ok", items=[{"price": price.id}])


@pytest.mark.scenario(197)
async def test_yen_have_no_decimals(world: World) -> None:
    signup = await _signup_for(world, 1000, "jpy")

    [call] = world.charge_calls()
    assert (call.params["amount"], call.params["currency"]) == (1000, "JPY")
    assert [c.captured for c in world.captures()] == [1000]
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"]) == ("paid", 1000)
    [movement] = (await world.gateway_invoice(signup.invoice))["movements"]
    assert (movement["amount"], movement["currency"]) == (1000, "jpy")


@pytest.mark.scenario(199)
@pytest.mark.parametrize("currency", ["ugx", "isk"])
async def test_stripe_keeps_two_decimals_and_the_processor_none(world: World, currency: str) -> None:
    signup = await _signup_for(world, 50_000, currency)

    [call] = world.charge_calls()
    assert (call.params["amount"], call.params["currency"]) == (500, currency.upper())
    assert [c.captured for c in world.captures()] == [500]
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"]) == ("paid", 50_000)
    [movement] = (await world.gateway_invoice(signup.invoice))["movements"]
    assert (movement["amount"], movement["currency"]) == (50_000, currency)


@pytest.mark.scenario(202)
async def test_processor_settles_in_another_currency(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    account, charge = world.practice.account(world.shop.practice_key), world.last_charge()
    world.practice.delivery.set(drop=1)
    world.practice.settle(charge.id)
    converted = {"settlement": {"amount": 1083, "currency": "USD", "rate": "1.083"}, "settlement_currency": "USD"}
    world.practice.announce(account, "charge.succeeded", charge.shown(account.id) | converted)
    await world.settle()

    assert world.practice.delivery.dropped == 1, "the notice without the conversion"
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"]) == ("paid", 1000)
    [movement] = (await world.gateway_invoice(signup.invoice))["movements"]
    assert (movement["amount"], movement["currency"]) == (1000, "eur")
    assert len(world.captures()) == 1
    assert await world.open_cases() == []
