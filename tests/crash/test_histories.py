"""The worker dies once, somewhere; the end is the same as without (law 2 of crashes: a poke repairs everything).

The quick ring plays few of the boundaries of each path, the slow one more of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.database import Cleaner
from tests.support.canaries import check_secrets
from tests.support.crash import Nth, boundaries
from tests.support.invariants import check_invariants
from tests.support.world import Doors, World
from tests.support.world import world as new_world

Path = Callable[[World], Awaitable[None]]

SAMPLE = 3
MORE = 24


async def patience(world: World) -> None:
    """What a death leaves unknown is asked for again after a while, by business time."""
    for _ in range(3):
        await world.later(minutes=20)


async def signup(world: World) -> None:
    made = await world.signup("ok")
    await patience(world)
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def renewal(world: World) -> None:
    made = await world.signup("ok")
    await patience(world)
    await world.later(days=31)
    await patience(world)
    assert [i["status"] for i in world.invoices_of(made.subscription)] == ["paid", "paid"]
    assert len(world.captures()) == 2


async def debit(world: World) -> None:
    made = await world.signup("pending_then_ok")
    await patience(world)
    await world.later(hours=25)
    await patience(world)
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def lost_answer(world: World) -> None:
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    made = await world.signup("ok", wait_s=0)
    await patience(world)
    await patience(world)
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def declined(world: World) -> None:
    made = await world.signup("decline_insufficient_funds")
    await patience(world)
    assert world.stripe_subscription(made.subscription)["status"] == "canceled"
    assert world.stripe_invoice(made.invoice)["status"] == "uncollectible"
    assert world.captures() == []


async def zero(world: World) -> None:
    made = await world.signup("ok", trial_period_days=14)
    await patience(world)
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert world.captures() == []


PATHS: dict[str, Path] = {p.__name__: p for p in (signup, renewal, debit, lost_answer, declined, zero)}


async def play(doors: Doors, path: Path, n: int | None) -> Nth:
    """Play a path with a death at the n-th boundary; the crossed boundaries."""
    at = Nth(n)
    async with new_world(doors) as world:
        with boundaries(at):
            await path(world)
            await world.settle()
        if n is not None and n < len(at.crossed):
            assert world.kills == 1
        await check_invariants(world)
        await check_secrets(world)
    return at


@pytest.mark.parametrize("name", PATHS)
async def test_sampled_deaths_change_nothing(name: str, database: str, doors: Doors, cleaner: Cleaner) -> None:
    await _sample(name, SAMPLE, doors, cleaner)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", PATHS)
async def test_more_deaths_change_nothing(name: str, database: str, doors: Doors, cleaner: Cleaner) -> None:
    await _sample(name, MORE, doors, cleaner)


async def _sample(name: str, deaths: int, doors: Doors, cleaner: Cleaner) -> None:
    """Play a path whole, then with a death at boundaries spread evenly over it; other numbers give other boundaries."""
    counted = await play(doors, PATHS[name], None)
    total = len(counted.crossed)
    assert total > 10, "a path without boundaries shows nothing"
    for n in sorted({total * k // deaths for k in range(deaths)}):
        await cleaner.clean()
        try:
            await play(doors, PATHS[name], n)
        except BaseException as error:
            raise AssertionError(f"{name} dies at boundary {n} of {total}: {counted.crossed[n]}") from error
