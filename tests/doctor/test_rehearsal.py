"""The rehearsal: a subscription's whole life, and nothing of it left at Stripe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError
from gateway.billing import rehearsing
from gateway.doctor.rehearsal import Rehearsal, rehearse
from tests.support.inbox import add_account
from tests.support.invariants import check_invariants
from tests.support.world import World

BY = Author("test")


@asynccontextmanager
async def working(world: World) -> AsyncIterator[None]:
    """A worker, and Stripe's deliveries, for as long as this lasts."""

    async def work() -> None:
        while True:
            await world.settle()
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def left(world: World) -> list[Any]:
    """What rehearsals have left at Stripe."""
    account = world.stripe_account()
    kinds = (account.customers, account.products, account.prices)
    marked = [one for kind in kinds for one in kind.values() if one.get("metadata", {}).get(rehearsing.RUN_KEY)]
    return [one["id"] for one in marked if one.get("active", True) and not one.get("deleted")]


def failed(rehearsal: Rehearsal) -> list[str]:
    return [f"{step.name}: {step.what}" for step in rehearsal.steps if not step.ok]


async def test_a_rehearsal_plays_a_subscription_and_takes_it_away(world: World) -> None:
    async with working(world):
        played = await rehearse(world.runtime, BY, world.shop.account, wait_s=20)
    assert failed(played) == []
    assert [step.name for step in played.steps][-5:] == ["credit_note", "payment", "paid", "cancel", "cleanup"]
    assert "invoice.paid came by webhook after" in next(step.what for step in played.steps if step.name == "paid")
    assert left(world) == []
    await world.later(hours=1)
    assert await world.open_cases() == []
    await check_invariants(world)


async def test_without_a_worker_it_says_so_and_still_cleans_up(world: World) -> None:
    played = await rehearse(world.runtime, BY, world.shop.account, wait_s=0.2)
    assert not played.ok
    assert [text.partition(":")[0] for text in failed(played)] == ["webhook"]
    assert left(world) == []


async def test_what_an_earlier_one_left_is_taken_away(world: World) -> None:
    stripe = await world.runtime.stripe(world.shop.account)
    price = await rehearsing.make_plan(stripe, "rhs_before")
    customer = await rehearsing.make_customer(stripe, "rhs_before")
    assert {price, customer} < set(left(world))
    played = await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    assert "3 objects of earlier rehearsals" in played.steps[0].what
    assert left(world) == []


async def test_a_live_account_is_refused_before_anything_is_asked(world: World) -> None:
    live = await add_account("live", livemode=True)
    calls = len(world.stripe.calls)
    with pytest.raises(FieldError, match="test mode alone"):
        await rehearse(world.runtime, BY, live)
    assert len(world.stripe.calls) == calls
    assert await sql.value("select count(*) from tollbridge.invoice where account = $1", live) == 0
