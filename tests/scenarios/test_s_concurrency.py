"""S. Concurrency: several workers at one invoice."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from db import sql
from db.poke import Kind, WakeUp
from gateway.workers.entrypoints import advance
from tests.support.world import World

WORKERS = 6


async def _race(world: World, invoice: str, *others: Any) -> None:
    """Several workers take the same wake-up at the same moment, while `others` happen."""
    wake_up = WakeUp(Kind.INVOICE, world.shop.account, invoice)
    await asyncio.gather(*(advance(world.runtime, wake_up) for _ in range(WORKERS)), *others)


@pytest.mark.scenario(233)
async def test_two_workers_pick_one_due_invoice(world: World) -> None:
    signup, renewal = await world.renew_unseen()
    charged = len(world.charge_calls())
    await world.hear()

    await _race(world, renewal)
    await world.settle()

    assert len(world.charge_calls()) == charged + 1
    assert len(world.captures()) == 2
    assert await world.attempts(renewal) == ["succeeded"]
    assert len(world.stripe_calls("POST", f"/v1/invoices/{renewal}/finalize")) <= 1
    assert len(world.stripe_calls("POST", f"/v1/invoices/{renewal}/pay")) == 1
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert await world.open_cases() == []


@pytest.mark.scenario(241)
@pytest.mark.parametrize("first", ["scheduler", "payer"])
async def test_token_update_races_the_scheduler(world: World, first: str) -> None:
    signup, renewal = await world.renew("soft_then_ok")
    charged = len(world.charge_calls())
    await world.move(hours=25)

    if first == "scheduler":
        await _race(world, renewal, world.repair_card(signup))
    else:
        await asyncio.gather(world.repair_card(signup), _race(world, renewal))
    await world.settle()

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    [call] = world.charge_calls()[charged:]
    assert len(world.captures()) == 2
    named = await sql.value(
        """select p.token_hash from tollbridge.attempt a join tollbridge.payment_method p on p.id = a.payment_method
           where a.idempotency_key = $1::text::uuid""",
        call.idempotency_key,
    )
    assert named == world.runtime.keyring.token_hash(world.shop.connection, call.params["method"])
