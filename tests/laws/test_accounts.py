"""An account that is disabled, and one whose key is rolled: nothing is sent meanwhile, and no event is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import pytest

from db import sql
from gateway.accounts import accounts
from gateway.accounts.accounts import AccountChange
from gateway.clock import business_now
from gateway.inbox.endpoint_rows import retire_due
from gateway.inbox.stripe_endpoint import set_up
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


@pytest.mark.parametrize("thin", [False, True])
async def test_an_endpoint_that_is_rolled_in_the_middle_of_a_cycle_loses_nothing(world: World, thin: bool) -> None:
    world.runtime.settings = msgspec.structs.replace(world.runtime.settings, public_url=world.gateway_url)
    signup = await world.signup("ok")
    [old] = world.stripe_account().webhook_endpoints
    made = await set_up(world.runtime, BY, world.shop.name, thin=thin, roll=True)
    await world.move(days=30, hours=23)
    await world.settle()
    assert len(made.done) == 1
    await world.later(hours=2)
    _, renewal = world.invoices_of(signup.subscription)
    assert renewal["status"] == "paid", "both tell of it"
    assert await world.attempts(renewal["id"]) == ["succeeded"]

    assert await retire_due(world.runtime, await business_now()) == 1
    assert [*world.stripe_account().webhook_endpoints, *world.stripe_account().event_destinations] == list(made.done)
    assert old not in made.done
    await world.later(days=31)
    assert world.invoices_of(signup.subscription)[-1]["status"] == "paid", "and the new one alone"
    assert len(world.charge_calls()) == 3
    assert await world.open_cases() == []
