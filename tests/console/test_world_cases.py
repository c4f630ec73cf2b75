"""A case handled on the console of a whole world: its button returns the money, and the case is closed by that."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from gateway.accounts.audit import Author
from gateway.domain.roles import Role
from gateway.users import users
from gateway.users.sessions import Manner, Stage, open_session
from tests.api.conftest import Tenant
from tests.console.conftest import Person, text_of
from tests.support.returning import credit, returned
from tests.support.world import Doors, World
from tests.support.world import world as new_world


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


@pytest.fixture
async def finance(world: World) -> AsyncIterator[Person]:
    """Somebody who moves money, at the shop's account."""
    user = await users.add(Author("test"), "finance@example.com", "Finance")
    await users.give_role(Author("test"), user.id, world.shop.account, Role.FINANCE)
    opened = await open_session(user.id, Stage.COMPLETE, Manner.PASSWORD)
    async with httpx.AsyncClient(base_url=world.gateway_url, timeout=40, trust_env=False) as http:
        yield Person(http, user.id, opened.token, Tenant(world.shop.account, world.shop.name, {}))


async def test_a_refund_that_waits_is_approved_from_its_case(world: World, finance: Person) -> None:
    await world.set_policy(approval_above={"eur": 300})
    signup = await world.signup("ok")
    await credit(world, signup.invoice, amount=400, out_of_band_amount=400)
    await world.settle()
    await world.later(minutes=6)
    inbox = await finance.get("/cases?owner=nobody&age=day")
    assert "Refund waits" in text_of(inbox)
    case = "cas_" + inbox.text.split("/cases/cas_")[1].split('"')[0]
    assert "/v1/" not in text_of(await finance.get(f"/cases/{case}")), "a button, and no word of commands"

    asked = await finance.post(f"/cases/{case}/repair/approve")
    await world.settle()

    assert (asked.status_code, returned(world)) == (303, [400])
    shown = text_of(await finance.get(f"/cases/{case}"))
    assert "Closed" in shown
    assert "Finance chose “Approve the refund”" in shown
    assert "No case fits" in text_of(await finance.get("/cases?owner=nobody"))
