"""Two accounts that charge through one account at a processor, and one token that both were given."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db.engine import DB
from gateway.accounts import connections
from gateway.accounts.audit import Author
from gateway.clock import business_now
from gateway.customers.by_hand import revoke
from gateway.customers.methods import store_method
from processors.values import Card, PaymentMethodReference, Secret
from tests.support.world import BY, Doors, World
from tests.support.world import world as new_world


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors, shops=2) as made:
        yield made


async def test_what_one_account_revokes_the_other_keeps(world: World) -> None:
    """Law 11: an account reaches only its own. One deletes the vault's token, which is the other's too."""
    one, other = world.shops
    at = world.practice.account(one.practice_key)
    await connections.update(
        world.runtime,
        BY,
        other.account,
        "practice-eu",
        connections.ConnectionChange(
            credentials={"api_key": Secret(one.practice_key)},
            options={"base_url": world.practice_url, "account": at.id},
        ),
    )
    made = world.practice.create_method(one.practice_key, "ok")
    stored = []
    for shop, customer in ((one, "cus_1"), (other, "cus_2")):
        async with DB.transaction():
            stored.append(
                await store_method(
                    world.runtime,
                    shop.account,
                    customer,
                    shop.connection,
                    PaymentMethodReference(Secret(made.token)),
                    Card(brand="visa", last4="4242", fingerprint=made.fingerprint),
                    await business_now(),
                )
            )
    await revoke(Author("test", "the payer asked"), one.account, "cus_1", stored[0])
    await world.settle()
    assert made.status == "active", "the other account charges it too"
