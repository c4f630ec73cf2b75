"""The merchant is told what happened to an invoice."""

from __future__ import annotations

from typing import Final

from tests.crash.beginnings import (
    subscribed_and_told,
)
from tests.crash.paths.registry import paid, path
from tests.crash.world import CrashWorld
from tests.support.people import Signup

MOST_TRIES: Final = 5
"""So often eight hours are enough for what the merchant has not taken: it is tried for three days."""


@path(begins=subscribed_and_told)
async def merchant_told(world: CrashWorld, begun: Signup) -> None:
    """The merchant's server fails at the first two POSTs: each event comes until it is taken."""
    world.merchant.answers = [503, 500]
    await _declined_first(world, begun)
    await _all_told(world, begun)


@path(begins=subscribed_and_told)
async def merchant_deaf(world: CrashWorld, begun: Signup) -> None:
    """The merchant's server refuses everything for days: what it was to be told stands, and comes in the end."""
    world.merchant.deaf = True
    await _declined_first(world, begun)
    assert world.merchant.told == []
    assert await world.untold() == await world.announced()
    world.merchant.deaf = False
    await _all_told(world, begun)


async def _declined_first(world: CrashWorld, begun: Signup) -> None:
    """A renewal of which there is more than one thing to tell."""
    [method] = world.methods_at_processor()
    method.kind, method.declines_left = type(method.kind)("soft_then_ok"), 1
    await world.later(days=31)
    await world.rest()
    await world.later(hours=25)
    await world.rest()
    paid(world, begun, 2)


async def _all_told(world: CrashWorld, begun: Signup) -> None:
    """Every event is taken while it is still tried, the renewal's under numbers without a gap."""
    for _ in range(MOST_TRIES):
        if await world.untold():
            await world.later(hours=8)
            await world.rest()
    assert await world.untold() == 0
    assert len({event["id"] for event in world.merchant.told}) == await world.announced()
    renewal = world.invoices_of(begun.subscription)[-1]["id"]
    told = {event["sequence"] for event in world.merchant.told if event["data"]["id"] == renewal}
    assert sorted(told) == [1, 2]
