"""D. A database that was restored from a backup: what it has forgotten is found before anything is charged again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import sql
from gateway.clock import business_now, move_clock
from gateway.workers.timers import beating
from tests.crash.snapshot import Snapshot
from tests.support.world import World

DAY_BEFORE = "update tollbridge.worker set beat_at = clock_timestamp() - $1::interval"
CHARGES = {"method": "GET", "path": "/v1/charges"}


class Backup:
    """The gateway's database at one moment. Stripe and the processor go on."""

    def __init__(self, world: World) -> None:
        self._world, self._kept = world, Snapshot("backup")

    async def take(self) -> None:
        await beating()()
        await self._kept.take(self._world.stripe, self._world.practice, None)
        self._at = await business_now()

    async def restore(self) -> None:
        """And the first worker starts again, at the time that it is."""
        now = await business_now()
        await self._kept.put_back()
        await move_clock(now - await business_now())
        await sql.rows(DAY_BEFORE, now - self._at)
        await beating()()


@pytest.mark.scenario(52)
async def test_count_is_rebuilt_from_the_processor(world: World) -> None:
    signup, renewal = await world.renew_unseen()
    [method] = world.methods_at_processor()
    method.kind, method.declines_left = type(method.kind)("soft_then_ok"), 1
    backup = Backup(world)
    await backup.take()
    # Whatever is captured can't be told to Stripe before the disaster.
    away = world.stripe.faults.add(
        "error_before", method="POST", path=f"/v1/invoices/{renewal}/pay", status=429, times=None
    )
    await world.settle()
    await world.later(hours=25)
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    calls = len(world.charge_calls())
    assert calls == 3

    await backup.restore()
    world.stripe.faults.remove(away.id)
    assert await sql.rows("select id from tollbridge.invoice where id = $1", renewal) == []
    await world.catch_up()
    await world.settle()

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert await world.attempts(renewal) == ["declined", "succeeded"]
    assert len(world.charge_calls()) == calls, "nothing was charged again"
    assert len(world.captures()) == 2
    assert len(world.practice.calls.to(**CHARGES)) == 4, "one for each try, and two that found no more"
    assert (await world.access(signup.subscription))["granted"]


async def test_what_stripe_was_told_of_is_in_the_ledger_again(world: World) -> None:
    _, renewal = await world.renew_unseen()
    backup = Backup(world)
    await backup.take()
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    await world.move(minutes=10)
    await backup.restore()
    await world.catch_up()
    await world.settle()
    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], [a["state"] for a in shown["attempts"]]) == ("paid", ["succeeded"])
    assert [m["kind"] for m in shown["movements"]] == ["capture"]
    assert [r["state"] for r in shown["recordings"]] == ["recorded"]
    assert len(world.charge_calls()) == len(world.captures()) == 2
    assert await world.open_cases() == []


async def test_a_try_that_is_under_way_is_found(world: World) -> None:
    signup, renewal = await world.renew_unseen()
    world.break_card(signup.customer, "pending_then_ok")
    backup = Backup(world)
    await backup.take()
    await world.settle()
    assert await world.attempts(renewal) == ["pending"]

    await world.move(minutes=10)
    await backup.restore()
    await world.catch_up()
    await world.settle()
    assert await world.attempts(renewal) == ["pending"]
    await world.later(hours=25)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == len(world.captures()) == 2


async def test_while_the_processor_cannot_be_asked_nothing_is_charged(world: World) -> None:
    _, renewal = await world.renew_unseen()
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.add("error_before", method="POST", path=f"/v1/invoices/{renewal}/pay", status=429, times=None)
    await world.settle()
    await world.move(minutes=10)
    await backup.restore()
    silent = world.practice.faults.add("error_before", status=500, times=None, **CHARGES)
    await world.catch_up()
    await world.settle()
    await world.later(hours=1)
    assert await world.attempts(renewal) == []
    assert len(world.charge_calls()) == 2
    world.practice.faults.remove(silent.id)
    world.stripe.faults.clear()
    await world.later(minutes=5)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.charge_calls()) == len(world.captures()) == 2


async def test_after_our_own_downtime_a_look_is_enough(world: World) -> None:
    _, renewal = await world.renew_unseen()
    await beating()()
    await sql.rows(DAY_BEFORE, timedelta(hours=2))
    await beating()()
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.practice.calls.to(**CHARGES)) == 2
    await world.later(days=31)
    assert len(world.captures()) == 3
    assert len(world.practice.calls.to(**CHARGES)) == 2, "of invoices that came afterwards nothing can be lost"
