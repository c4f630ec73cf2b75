"""Prices and products: packages, tiers, metered prices, lookup keys."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox import metering
from tests.sandbox.conftest import World

TIERS: list[Any] = [
    {"up_to": 10, "unit_amount": 100},
    {"up_to": 20, "unit_amount_decimal": "50.5", "flat_amount": 500},
    {"up_to": "inf", "unit_amount_decimal": "12.5"},
]


async def tiered(world: World, mode: str) -> Any:
    return await world.price(
        unit_amount=None, billing_scheme="tiered", tiers_mode=mode, tiers=TIERS, interval="month", expand=["tiers"]
    )


async def first_lines(world: World, price: Any, quantity: int) -> list[tuple[int, int]]:
    """(amount, quantity) of the lines of a first invoice."""
    subscription = await world.subscribe(price=price, quantity=quantity)
    return [(line.amount, line.quantity) for line in subscription.latest_invoice.lines.data]


async def test_graduated_tiers_give_a_line_each(world: World) -> None:
    price = await tiered(world, "graduated")
    assert (price.unit_amount, price.tiers_mode, price.tiers[1].flat_amount) == (None, "graduated", 500)
    assert await first_lines(world, price, 25) == [(1000, 10), (505, 10), (500, 1), (63, 5)]
    assert await first_lines(world, price, 10) == [(1000, 10)]


async def test_volume_tiers_price_every_unit_alike(world: World) -> None:
    price = await tiered(world, "volume")
    assert await first_lines(world, price, 20) == [(1010, 20), (500, 1)]
    assert await first_lines(world, price, 21) == [(263, 21)]


@pytest.mark.parametrize(("rounding", "expected"), [("up", 3000), ("down", 2000)])
async def test_packages(world: World, rounding: str, expected: int) -> None:
    price = await world.price(1000, transform_quantity={"divide_by": 60, "round": rounding})
    assert await first_lines(world, price, 150) == [(expected, 150)]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"tiers": TIERS[:2], "tiers_mode": "volume"}, "tiers[1][up_to]"),
        ({"tiers": [TIERS[1], TIERS[0], TIERS[2]], "tiers_mode": "volume"}, "tiers[1][up_to]"),
        ({"tiers": TIERS}, "tiers_mode"),
        ({"tiers_mode": "volume"}, "tiers"),
    ],
)
async def test_tiers_that_do_not_add_up(world: World, params: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        await world.price(unit_amount=None, billing_scheme="tiered", **params)
    assert refused.value.param == param


async def test_a_metered_price_needs_its_meter(world: World) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        await world.price(interval=None, recurring={"interval": "month", "usage_type": "metered"})
    price = await metering.metered_price(world, await metering.meter(world), "0.25")
    assert (price.recurring.usage_type, price.unit_amount, str(price.unit_amount_decimal)) == ("metered", None, "0.25")
    found = await world.v1.prices.list_async({"recurring": {"usage_type": "metered"}})
    assert [p.id for p in found.data] == [price.id]


async def test_a_lookup_key_moves_only_when_asked(world: World) -> None:
    old = await world.price(lookup_key="gold")
    with pytest.raises(stripe.InvalidRequestError, match="already uses that lookup key"):
        await world.price(lookup_key="gold")
    new = await world.price(lookup_key="gold", transfer_lookup_key=True)
    found = await world.v1.prices.list_async({"lookup_keys": ["gold"]})
    assert [p.id for p in found.data] == [new.id]
    assert (await world.v1.prices.retrieve_async(old.id)).lookup_key is None


async def test_an_updated_price_shows_on_its_items(world: World) -> None:
    price = await world.price()
    subscription = await world.subscribe(price=price)
    await world.v1.prices.update_async(price.id, {"nickname": "Gold", "metadata": {"a": "1"}})
    again = await world.v1.subscriptions.retrieve_async(subscription.id)
    assert (again["items"].data[0].price.nickname, world.types_since(0)[-1]) == ("Gold", "price.updated")


async def test_a_product_with_its_default_price(world: World) -> None:
    product = await world.v1.products.create_async(
        {
            "name": "Plan",
            "default_price_data": {"currency": "eur", "unit_amount": 500, "recurring": {"interval": "month"}},
            "marketing_features": [{"name": "Calls"}],
            "expand": ["default_price"],
        }
    )
    assert (product.default_price.unit_amount, product.marketing_features[0].name) == (500, "Calls")
    with pytest.raises(stripe.InvalidRequestError, match="default price"):
        await world.v1.prices.update_async(product.default_price.id, {"active": False})


async def test_only_a_product_without_prices_is_deleted(world: World) -> None:
    product = await world.v1.products.create_async({"name": "Plan"})
    await world.v1.products.delete_async(product.id)
    with pytest.raises(stripe.InvalidRequestError, match="No such product"):
        await world.v1.products.retrieve_async(product.id)
    with pytest.raises(stripe.InvalidRequestError, match="cannot be deleted"):
        await world.v1.products.delete_async((await world.price()).product)
