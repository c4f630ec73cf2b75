"""What a customer has used, from the merchant's server to Stripe's meter and onto the last invoice."""

from __future__ import annotations

from typing import Final

from tests.crash.beginnings import MeteredIds, metered, metered_and_lossy
from tests.crash.paths.registry import path
from tests.crash.world import CrashWorld
from tests.support.metered import Metered

VALUES: Final = (100, 50, 25)


@path(begins=metered)
async def usage_reported(world: CrashWorld, begun: MeteredIds) -> None:
    """A batch is accepted and sent: whatever dies on the way, the meter has counted each event, once."""
    plan = await _reported(world, begun)
    await world.rest()
    assert sorted(plan.counted()) == [(f"u-{value}", str(value)) for value in sorted(VALUES, key=str)]
    assert set((await plan.states()).values()) == {"sent"}


@path(begins=metered_and_lossy)
async def usage_unanswered(world: CrashWorld, begun: MeteredIds) -> None:
    """Stripe takes the first event and fails to say so."""
    plan = await _reported(world, begun)
    await world.rest()
    assert len(plan.counted()) == len(VALUES)
    assert set((await plan.states()).values()) == {"sent"}


@path(begins=metered)
async def usage_billed_at_the_end(world: CrashWorld, begun: MeteredIds) -> None:
    """The subscription is cancelled right after: its last invoice bills all that was reported before."""
    plan = await _reported(world, begun)
    body = {"ends": "now", "invoice_now": True, "wait_s": 0}
    await world.call("POST", f"/v1/subscriptions/{plan.subscription}/cancel", body)
    await world.rest()
    # What waits for the next second may have become due on the way here, by the real clock.
    await world.later(seconds=1)
    await world.rest()
    assert world.stripe_subscription(plan.subscription)["status"] == "canceled"
    last = world.invoices_of(plan.subscription)[-1]
    lines = [(line["amount"], line["quantity"]) for line in last["lines"]["data"]]
    assert (4 * sum(VALUES), sum(VALUES)) in lines, (last["status"], lines, plan.counted())


async def _reported(world: CrashWorld, begun: MeteredIds) -> Metered:
    """The merchant's server reports until it has an answer, each time the same under one key."""
    plan = Metered(world, world.shop, *begun)
    body = {"events": [plan.event(f"u-{value}", value) for value in VALUES]}
    answer = await world.call("POST", "/v1/usage", body, headers={"idempotency-key": "usage-made-up"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["refused"] == 0
    return plan
