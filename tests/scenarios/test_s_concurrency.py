"""S. Concurrency: several workers at one invoice."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import Any

import pytest

from db import sql
from db.poke import Kind, WakeUp
from db.states import AttemptState
from gateway.collect import rows
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


@pytest.mark.scenario(235)
@pytest.mark.parametrize("slow", [False, True])
async def test_retry_now_and_the_scheduler_at_the_same_moment(world: World, slow: bool) -> None:
    _, renewal = await world.renew("soft_then_ok")
    charged = len(world.charge_calls())
    await world.move(hours=25)
    if slow:
        world.practice.faults.add("delay_after", method="POST", path="/v1/charges", delay_s=0.5)

    scheduler = asyncio.create_task(_race(world, renewal))
    if slow:
        while len(world.charge_calls()) == charged:
            await asyncio.sleep(0.01)
    pressed = await world.collect_now(renewal)
    await scheduler
    await world.settle()

    if slow:
        assert (pressed.status_code, pressed.json()["type"]) == (409, "urn:tollbridge:error:in_progress")
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    assert len(world.charge_calls()) == charged + 1
    assert len(world.captures()) == 2
    assert world.stripe_invoice(renewal)["status"] == "paid"


@pytest.mark.scenario(236)
async def test_retry_now_ten_times(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())

    at_once = await asyncio.gather(*(world.collect_now(renewal) for _ in range(10)))
    answers = {a.status_code for a in at_once}
    assert answers <= {200, 409}
    assert len(world.charge_calls()) == charged + 1, "one of them was heeded"
    assert await world.attempts(renewal) == ["declined", "declined"]

    in_a_row = [await world.collect_now(renewal) for _ in range(10)]
    assert {a.status_code for a in in_a_row} == {409}
    assert len(world.charge_calls()) == charged + 1

    for _ in range(10):
        await world.later(days=1, minutes=1)
        await world.collect_now(renewal)
    await world.settle()
    assert await world.attempts(renewal) == ["declined"] * 4, "no more than the ladder has steps"


async def test_retry_now_comes_before_the_ladders_next_step(world: World) -> None:
    _, renewal = await world.renew("soft_then_ok")
    answer = await world.collect_now(renewal)
    assert answer.status_code == 200, answer.text
    assert [a["state"] for a in answer.json()["attempts"]] == ["declined", "succeeded"]
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.collect_now(renewal)).json()["type"] == "urn:tollbridge:error:state_conflict"


async def test_retry_now_without_a_payment_method(world: World) -> None:
    _, renewal = await world.renew("decline_lost_stolen")
    charged = len(world.charge_calls())
    answer = await world.collect_now(renewal)
    assert answer.json()["type"] == "urn:tollbridge:error:payment_method_needs_repair"
    assert len(world.charge_calls()) == charged


@pytest.mark.scenario(242)
async def test_rolling_deploy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup, renewal = await world.renew("pending_then_ok")
    charged = len(world.charge_calls())
    assert await world.attempts(renewal) == ["pending"]
    old = StrEnum("AttemptState", {s.name: s.value for s in AttemptState if s is not AttemptState.PENDING})

    with monkeypatch.context() as old_version:
        # A worker from before there was such a state meets the row that the new version wrote.
        old_version.setattr(rows, "AttemptState", old)
        asked = len(world.practice.calls)
        for _ in range(12):
            await world.later(hours=1)
            assert await world.attempts(renewal) == ["pending"], "it leaves the row alone"
        assert len(world.practice.calls) == asked
        assert await world.open_cases() == ["advance_failed"]
        shown = await world.gateway_invoice(renewal)
        assert "'pending' was written by a newer version" in shown["cases"][0]["reason"]

    await world.later(days=2)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"
    assert len(world.charge_calls()) == charged
    assert await world.open_cases() == []
