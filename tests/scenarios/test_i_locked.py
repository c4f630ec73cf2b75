"""I. What ends at a processor without us: the merchant's account there is locked, the payer ends an agreement."""

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


@pytest.mark.scenario(133)
@pytest.mark.parametrize("ending", [True, False])
async def test_an_agreement_that_the_payer_ends(world: World, ending: bool) -> None:
    """The merchant is told once, when an invoice needs another; of a subscription that is set to end, not at all."""
    await world.listen()
    signup = await world.signup("wallet")
    await world.shop.client.v1.subscriptions.update_async(signup.subscription, {"cancel_at_period_end": ending})
    await world.settle()
    told = len(world.merchant.told)
    [agreement] = world.methods_at_processor()
    world.practice.revoke_method(agreement.token)
    await world.settle()
    assert [method["status"] for method in await world.methods_of(signup.customer)] == ["revoked"]
    assert len(world.merchant.told) == told

    await world.later(days=32)
    await world.later(days=1)
    renewals = [invoice["id"] for invoice in world.invoices_of(signup.subscription)[1:]]
    assert len(renewals) == (not ending)
    assert [event["data"]["id"] for event in world.merchant.of("payment_method_needed")] == renewals
    assert len(world.charge_calls()) == 1
