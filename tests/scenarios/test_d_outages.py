"""D. Retries, while nobody answers: a processor that is down, and a gateway that was."""

from __future__ import annotations

from datetime import timedelta

import pytest

from db import sql
from gateway.clock import business_now
from gateway.collect.circuit import PROBE_PAUSES, RUN_TO_OPEN
from gateway.collect.view import view_of
from gateway.domain.downtime import downtime_since
from gateway.workers.timers import beating
from tests.support.world import World

HOUR = timedelta(hours=1)


async def _circuit(world: World) -> str:
    shown = await world.call("GET", "/v1/connections")
    return str(shown.json()["data"][0]["circuit"]["state"])


async def _downtime(world: World, invoice: str) -> timedelta:
    view = await view_of(world.shop.account, invoice)
    assert view.invoice is not None
    return downtime_since(view.downtime, view.invoice.created, await business_now())


@pytest.mark.scenario(50)
async def test_processor_outage(world: World) -> None:
    _, renewal = await world.renew_unseen()
    outage = world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=503, times=None)
    await world.settle()
    began = await business_now()

    for _ in range(36):
        await world.later(minutes=10)
        assert "declined" not in await world.attempts(renewal)

    shown = await world.gateway_invoice(renewal)
    assert shown["state"] in ("due", "unknown")
    assert await _circuit(world) == "open"
    assert len(world.charge_calls()) < 40, "the signup's, the run, and a probe now and then"
    world.practice.faults.remove(outage.id)
    for _ in range(4):
        await world.later(minutes=10)

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2, "the signup's, and one"
    assert set(await world.attempts(renewal)) <= {"not_sent", "succeeded"}, "no step of the ladder is used"
    assert await _circuit(world) == "closed"
    lasted = await _downtime(world, renewal)
    assert 6 * HOUR <= lasted <= await business_now() - began + timedelta(minutes=5)
    assert await world.open_cases() == []


async def test_while_the_circuit_is_open_one_charge_at_a_time_asks(world: World) -> None:
    signups = [await world.signup("ok", f"order-{n}") for n in range(RUN_TO_OPEN + 3)]
    outage = world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=503, times=None)
    calls = len(world.charge_calls())
    await world.later(days=31)
    renewals = [world.invoices_of(s.subscription)[-1]["id"] for s in signups]
    assert await _circuit(world) == "open"
    tried = [i for i in renewals if await world.attempts(i)]
    assert len(tried) == RUN_TO_OPEN == len(world.charge_calls()) - calls
    waiting = next(i for i in renewals if i not in tried)
    assert (await world.gateway_invoice(waiting))["reason"].startswith("the processor does not answer")

    calls = len(world.charge_calls())
    await world.later(seconds=PROBE_PAUSES[0].total_seconds() + 1)
    new = [i for i in renewals if i not in tried and await world.attempts(i)]
    assert len(new) == 1, "one of those that wait asked"

    world.practice.faults.remove(outage.id)
    for _ in range(10):
        await world.later(minutes=10)
    assert [world.stripe_invoice(i)["status"] for i in renewals] == ["paid"] * len(renewals)
    assert len(world.captures()) == 2 * len(signups)
    assert await _circuit(world) == "closed"
    rows = await sql.rows("select until_at from tollbridge.downtime where connection <> ''")
    assert [row["until_at"] is None for row in rows] == [False]


async def test_what_somebody_asks_for_in_an_outage_is_refused_in_words(world: World) -> None:
    signups = [await world.signup("ok", f"order-{n}") for n in range(RUN_TO_OPEN + 1)]
    outage = world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=503, times=None)
    await world.later(days=31)
    renewals = [world.invoices_of(s.subscription)[-1]["id"] for s in signups]
    [waiting] = [i for i in renewals if not await world.attempts(i)]
    answer = await world.collect_now(waiting)
    assert answer.status_code == 409
    assert "does not answer" in answer.json()["detail"]
    world.practice.faults.remove(outage.id)
    for _ in range(10):
        await world.later(minutes=10)
    assert world.stripe_invoice(waiting)["status"] == "paid"


async def test_our_own_downtime_is_seen_by_the_invoices_of_then(world: World) -> None:
    beat = beating()
    await beat()
    _, renewal = await world.renew_unseen()
    await world.shop.client.v1.invoices.finalize_invoice_async(renewal)
    await world.move(hours=1)
    await sql.rows("update tollbridge.worker set beat_at = beat_at - interval '40 minutes'")
    await beat()
    await world.settle()
    lasted = await _downtime(world, renewal)
    assert timedelta(minutes=40) <= lasted < timedelta(minutes=42)
    await world.move(minutes=1)
    later = await world.signup("ok", "order-later")
    assert await _downtime(world, later.invoice) == timedelta(0)


async def test_who_turns_us_away_is_there(world: World) -> None:
    signups = [await world.signup("ok", f"order-{n}") for n in range(RUN_TO_OPEN + 1)]
    busy = world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=429, times=None)
    await world.later(days=31)
    assert await _circuit(world) == "closed"
    assert await sql.value("select count(*) from tollbridge.circuit") == 0
    world.practice.faults.remove(busy.id)
    await world.later(hours=1)
    assert [world.invoices_of(s.subscription)[-1]["status"] for s in signups] == ["paid"] * len(signups)


async def test_an_answer_in_between_ends_the_run(world: World) -> None:
    for n in range(RUN_TO_OPEN + 2):
        world.practice.faults.add("error_before", method="POST", path="/v1/charges", status=503, times=1)
        await world.signup("ok", f"lost-{n}", wait_s=0)
        assert await sql.value("select failures from tollbridge.circuit") == 1
        await world.signup("ok", f"order-{n}")
        assert await sql.value("select count(*) from tollbridge.circuit") == 0
    assert await sql.value("select count(*) from tollbridge.downtime where connection <> ''") == 0
    for _ in range(8):
        await world.later(minutes=10)
    assert len(world.captures()) == 2 * (RUN_TO_OPEN + 2)
