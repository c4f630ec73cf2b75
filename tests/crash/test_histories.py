"""The worker dies once, somewhere; the end is the same as without (law 2 of crashes: a poke repairs everything).

The quick ring plays a sample of the boundaries of each path, the slow one plays them all.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.support.crash import Nth, boundaries
from tests.support.invariants import check_invariants
from tests.support.world import Doors, World
from tests.support.world import world as new_world

Path = Callable[[World], Awaitable[None]]

SAMPLE = 6


async def signup(world: World) -> None:
    made = await world.signup("ok")
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def renewal(world: World) -> None:
    made = await world.signup("ok")
    await world.later(days=31)
    assert [i["status"] for i in world.invoices_of(made.subscription)] == ["paid", "paid"]
    assert len(world.captures()) == 2


async def debit(world: World) -> None:
    made = await world.signup("pending_then_ok")
    await world.later(hours=25)
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def lost_answer(world: World) -> None:
    world.practice.faults.add("lost_after", method="POST", path="/v1/charges", times=1)
    made = await world.signup("ok")
    for _ in range(4):
        await world.later(minutes=30)
    assert world.stripe_invoice(made.invoice)["status"] == "paid"
    assert len(world.captures()) == 1


async def declined(world: World) -> None:
    made = await world.signup("decline_insufficient_funds")
    assert world.stripe_subscription(made.subscription)["status"] == "canceled"
    assert world.stripe_invoice(made.invoice)["status"] == "uncollectible"
    assert world.captures() == []


async def zero(world: World) -> None:
    made = await world.signup("ok", trial_period_days=14)
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
    return at


@pytest.mark.parametrize("name", PATHS)
async def test_sampled_deaths_change_nothing(name: str, database: str, doors: Doors, cleaner: object) -> None:
    counted = await play(doors, PATHS[name], None)
    total = len(counted.crossed)
    assert total > 10, "a path without boundaries shows nothing"
    for n in sorted({total * k // SAMPLE for k in range(SAMPLE)}):
        await cleaner.clean()  # type: ignore[attr-defined]
        try:
            await play(doors, PATHS[name], n)
        except BaseException as error:
            raise AssertionError(f"{name} dies at boundary {n} of {total}: {counted.crossed[n]}") from error


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", PATHS)
async def test_every_death_changes_nothing(name: str, database: str, doors: Doors, cleaner: object) -> None:
    total = len((await play(doors, PATHS[name], None)).crossed)
    for n in range(total):
        await cleaner.clean()  # type: ignore[attr-defined]
        try:
            await play(doors, PATHS[name], n)
        except BaseException as error:
            raise AssertionError(f"{name} dies at boundary {n} of {total}") from error
