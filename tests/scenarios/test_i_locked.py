"""I. What ends at a processor without us: the merchant's account there is locked."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.world import World


async def _locked(world: World) -> tuple[str, int]:
    """A renewal that comes while the processor has locked the account; it, and how many charges there were before."""
    signup = await world.signup("ok")
    world.practice.lock_account(world.shop.practice_key)
    charged = len(world.charge_calls())
    await world.later(days=31)
    return str(world.invoices_of(signup.subscription)[-1]["id"]), charged


@pytest.mark.scenario(139)
async def test_an_account_that_is_locked_is_not_charged_at(world: World) -> None:
    renewal, charged = await _locked(world)
    assert await world.open_cases() == ["connection_locked"]
    assert await sql.value("select state from tollbridge.delivery where kind = 'account.locked'") == "done"
    for _ in range(3):
        await world.later(days=1)
    assert len(world.charge_calls()) == charged
    shown = await world.gateway_invoice(renewal)
    assert (shown["attempts"], world.stripe_invoice(renewal)["status"]) == ([], "open")

    world.practice.unlock_account(world.shop.practice_key)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == charged + 1
    assert await world.open_cases() == []


async def test_closing_the_case_charges_there_again(world: World) -> None:
    """The processor said by telephone that it is over, and its notice never came."""
    renewal, charged = await _locked(world)
    world.practice.account(world.shop.practice_key).locked = False
    case = (await world.call("GET", "/v1/cases?kind=connection_locked")).json()["data"][0]
    closed = await world.call("POST", f"/v1/cases/{case['id']}/close", {"reason": "they called"})
    assert closed.status_code == 200, closed.text
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == charged + 1


async def test_a_lock_that_is_told_twice_is_one_case(world: World) -> None:
    await world.signup("ok")
    for _ in range(2):
        account = world.practice.lock_account(world.shop.practice_key)
        world.practice.announce(account, "account.locked", {"object": "account", "id": account.id})
        await world.settle()
    assert await world.open_cases() == ["connection_locked"]
    assert await sql.value("select subject from tollbridge.review_case") == world.shop.connection
