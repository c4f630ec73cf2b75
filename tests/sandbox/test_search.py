"""Search: the query language, pages, and an index that lags behind."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox import metering
from tests.sandbox.conftest import World


async def names(world: World, query: str) -> list[str]:
    found = await world.v1.customers.search_async({"query": query, "limit": 100})
    return sorted(customer.name for customer in found.data)


@pytest.fixture
async def people(world: World) -> World:
    await world.customer(name="Ada Lovelace", email="ada@example.com", metadata={"plan": "gold", "team": "a b"})
    await world.customer(name="Bob King Lovelace", email="bob@example.com", metadata={"plan": "Silver"})
    await world.customer(name='Cy "the" Rest', phone="+4912345")
    return world


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("email:'ada@example.com'", "A"),
        ('EMAIL:"x"', None),
        ('email:"ADA@example.com"', "A"),
        ('-email:"ada@example.com"', "BC"),
        ('name:"lovelace"', "AB"),
        ('name:"ada lovelace"', "A"),
        ('name:"bob lovelace"', ""),
        ('name~"velac"', "AB"),
        ('name~"ve"', None),
        ("metadata['plan']:'silver'", "B"),
        ('metadata["team"]:"a b"', "A"),
        ('metadata["team"]:"a"', ""),
        ('-metadata["plan"]:null', "AB"),
        ("phone:null", "AB"),
        ('phone:"null"', ""),
        ("email:'ada@example.com' OR email:'bob@example.com'", "AB"),
        ("name:'lovelace' and metadata['plan']:'gold'", "A"),
        ("name:'lovelace' -metadata['plan']:'gold'", "B"),
        ('name:"Cy \\"the\\" Rest"', "C"),
        ("created>1000 AND created<9999999999", "ABC"),
        ("created<=1000", ""),
        ("name:'a' AND name:'b' OR name:'c'", None),
        ("name>'a'", None),
        ("created:'soon'", None),
        ("name:'open", None),
        ("metadata:'x'", None),
        ("name ada", None),
        ("name:'a' AND", None),
        ("plan:'gold'", None),
    ],
)
async def test_queries(people: World, query: str, found: str | None) -> None:
    if found is None:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            await names(people, query)
        assert caught.value.param == "query"
    else:
        assert [name[0] for name in await names(people, query)] == list(found)


async def test_invoices_and_subscriptions(world: World) -> None:
    invoice = await world.open_invoice()
    await world.subscribe()
    wanted = f"subscription:'{invoice.parent.subscription_details.subscription}' AND status:'open' AND total>=1000"
    found = await world.v1.invoices.search_async({"query": wanted, "expand": ["data.customer", "total_count"]})
    assert [i.id for i in found.data] == [invoice.id]
    assert (found.data[0].customer.name, found.total_count) == ("Ada", 1)
    assert "total_count" not in await world.v1.invoices.search_async({"query": wanted})
    assert len((await world.v1.subscriptions.search_async({"query": "status:'active'"})).data) == 2
    assert len((await world.v1.prices.search_async({"query": "active:'true' currency:'EUR'"})).data) == 2


async def test_pages_of_results(world: World) -> None:
    made = [(await world.customer(name=f"Ada {n}")).id for n in range(5)]
    await world.customer(name="Bob")
    result = await world.v1.customers.search_async({"query": "name:'ada'", "limit": 2})
    assert (len(result.data), result.has_more) == (2, True)
    seen: list[Any] = [customer.id async for customer in result.auto_paging_iter()]
    assert seen == made[::-1]


async def test_the_index_lags(world: World) -> None:
    world.account.search_lag_s = 60
    customer = await world.customer(name="Ada")
    assert await names(world, "created>0") == []
    world.sandbox.advance(60)
    assert await names(world, "created>0") == ["Ada"]
    await world.v1.customers.update_async(customer.id, {"name": "Bob"})
    await world.v1.customers.update_async(customer.id, {"name": "Cy"})
    assert (await names(world, "name:'Ada'"), await names(world, "name:'Cy'")) == (["Ada"], [])
    world.sandbox.advance(60)
    assert (await names(world, "name:'Ada'"), await names(world, "name:'Cy'")) == ([], ["Cy"])


async def test_metered_and_tiered_prices_are_found(world: World) -> None:
    meter = await metering.meter(world)
    tiers = [{"up_to": 10, "unit_amount": 5}, {"up_to": "inf", "unit_amount": 3}]
    shape = {"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers, "lookup_key": "calls"}
    price = await metering.metered_price(world, meter, None, **shape)
    await world.price()
    query = "lookup_key:'calls' AND active:'true' AND type:'recurring'"
    found = await world.v1.prices.search_async({"query": query, "expand": ["data.tiers", "total_count"]})
    assert ([row.id for row in found.data], found.total_count) == ([price.id], 1)
    assert [tier.unit_amount for tier in found.data[0].tiers] == [5, 3]
