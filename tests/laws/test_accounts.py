"""An account that is disabled, and one whose key is rolled: nothing is sent meanwhile, and no event is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db import sql
from gateway.accounts import accounts
from gateway.accounts.accounts import AccountChange
from processors.values import Secret
from tests.support.invariants import check_invariants
from tests.support.shop import BY
from tests.support.world import Doors, World, keyring
from tests.support.world import world as new_world


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made
        await check_invariants(made)


async def change(world: World, **fields: object) -> None:
    await accounts.update(keyring(), BY, world.shop.account, AccountChange(**fields))  # type: ignore[arg-type]


async def states(kind: str) -> set[str]:
    return {row["state"] for row in await sql.rows("select state from tollbridge.delivery where kind = $1", kind)}


async def test_a_disabled_account_sends_nothing_and_loses_nothing(world: World) -> None:
    signup = await world.signup("ok")
    await change(world, enabled=False)
    asked, charged = len(world.stripe.calls), len(world.charge_calls())
    await world.later(days=31)
    await world.later(hours=2)

    _, renewal = world.invoices_of(signup.subscription)
    assert renewal["status"] == "open", "Stripe finalized it by itself, and told us"
    assert "stored" in await states("invoice.finalized")
    assert (len(world.stripe.calls), len(world.charge_calls())) == (asked, charged)
    assert await world.open_cases() == []

    await change(world, enabled=True)
    await world.settle()
    assert world.stripe_invoice(renewal["id"])["status"] == "paid"
    assert await world.attempts(renewal["id"]) == ["succeeded"]
    assert "stored" not in await states("invoice.finalized")
    assert await world.open_cases() == []


async def test_a_key_that_was_rolled_at_stripe_loses_nothing_until_we_have_the_new_one(world: World) -> None:
    signup = await world.signup("ok")
    rolled = world.stripe.keys.roll(world.shop.stripe_key).key
    world.shop.stripe_key = rolled
    await world.later(days=31)
    await world.later(hours=2)
    _, renewal = world.invoices_of(signup.subscription)
    assert renewal["status"] == "open"

    await change(world, api_key=Secret(rolled))
    await world.settle()
    assert world.stripe_invoice(renewal["id"])["status"] == "paid"
    assert await world.attempts(renewal["id"]) == ["succeeded"]
