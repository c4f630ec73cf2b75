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
from gateway.billing.rehearsing import Made
from gateway.doctor import rehearsal_rows
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


async def leave(world: World, run: str, *, ended: bool) -> Made:
    """What a rehearsal that was cut short has made."""
    stripe = await world.runtime.stripe(world.shop.account)
    await rehearsal_rows.begin(run, world.shop.account)
    product = await rehearsing.make_product(stripe, run)
    price = await rehearsing.make_price(stripe, run, product)
    made = Made(await rehearsing.make_customer(stripe, run), product, price)
    await rehearsal_rows.note(run, made)
    if ended:
        await rehearsal_rows.end(run)
    return made


async def test_what_an_earlier_one_left_is_taken_away(world: World) -> None:
    made = await leave(world, "rhs_before", ended=True)
    assert {made.customer, made.product, made.price} == set(left(world))
    played = await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    assert "3 objects of earlier rehearsals" in played.steps[0].what
    assert left(world) == []
    assert await sql.value("select count(*) from tollbridge.rehearsal") == 0


async def test_what_a_killed_one_left_is_taken_away_a_day_later(world: World) -> None:
    """Until then it may still be at work: nobody has said that it ended."""
    made = await leave(world, "rhs_killed", ended=False)
    await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    assert {made.customer, made.product, made.price} == set(left(world))
    await sql.rows("update tollbridge.rehearsal set begun_at = begun_at - interval '25 hours'")
    await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    assert left(world) == []


async def test_what_does_not_carry_the_runs_own_mark_any_more_stays(world: World) -> None:
    made = await leave(world, "rhs_before", ended=True)
    world.stripe_account().customers[made.customer]["metadata"][rehearsing.RUN_KEY] = "rhs_another"
    await rehearse(world.runtime, BY, world.shop.account, wait_s=0.1)
    assert left(world) == [made.customer]


async def test_a_live_account_is_refused_before_anything_is_asked(world: World) -> None:
    live = await add_account("live", livemode=True)
    calls = len(world.stripe.calls)
    with pytest.raises(FieldError, match="test mode alone"):
        await rehearse(world.runtime, BY, live)
    assert len(world.stripe.calls) == calls
    assert await sql.value("select count(*) from tollbridge.invoice where account = $1", live) == 0
