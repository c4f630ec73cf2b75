"""Metered plans: a period whose usage comes late, and the last invoice of a subscription that ends."""

from __future__ import annotations

from tests.crash.beginnings import subscribed_to_metered
from tests.crash.paths.registry import paid, path
from tests.crash.world import CrashWorld
from tests.support.metered import period_end, to_period_end, use
from tests.support.people import Signup


@path(begins=subscribed_to_metered)
async def period_usage(world: CrashWorld, begun: Signup) -> None:
    """The period's invoice waits an hour for late usage, and is charged once for all of it."""
    end = period_end(world, begun.subscription)
    await to_period_end(world, begun.subscription)
    await world.rest()
    await use(world, begun.customer, 100, timestamp=end - 60)
    await world.rest()
    await world.later(minutes=70)
    await world.rest()
    paid(world, begun, 2)
    assert [invoice["amount_paid"] for invoice in world.invoices_of(begun.subscription)] == [1000, 2000]
    assert [charge.captured for charge in world.captures()] == [1000, 2000]


@path(begins=subscribed_to_metered)
async def final_usage(world: CrashWorld, begun: Signup) -> None:
    """Cancelled at once: what remains is billed, declined at first, paid a day later; then the token is deleted."""
    world.break_card(begun.customer, "decline_insufficient_funds")
    answer = await world.cancel(begun.subscription, invoice_now=True)
    assert answer.status_code in (202, 409), "asked again after no answer, it had ended"
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["active"], "a try is still to come"
    world.break_card(begun.customer, "ok")
    await world.later(hours=25)
    await world.rest()
    paid(world, begun, 2)
    assert [charge.captured for charge in world.captures()] == [1000, 600]
    await world.later(hours=7)
    await world.rest()
    assert [method.status for method in world.methods_at_processor()] == ["revoked"]
