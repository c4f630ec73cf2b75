"""A case handled on the console of a whole world: its button returns the money, and the case is closed by that."""

from __future__ import annotations

import pytest

from gateway.domain.roles import Role
from tests.support.returning import credit, returned
from tests.support.staff import Person, clerk, text_of
from tests.support.world import World


@pytest.fixture
async def finance(world: World) -> Person:
    """Somebody who moves money, at the shop's account."""
    return await clerk(world, Role.FINANCE)


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
    assert "finance chose “Approve the refund”" in shown
    assert "No case fits" in text_of(await finance.get("/cases?owner=nobody"))
