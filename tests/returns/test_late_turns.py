"""A refund's own turn that comes late, after its invoice has looked whether anything is wanted."""

from __future__ import annotations

from db import sql
from tests.support.returning import credited, in_dashboard
from tests.support.world import World

HELD = "update tollbridge.refund set claimed_by = 'wrk_dead', claim_until = clock_timestamp() + interval '1 hour'"
FREE = "update tollbridge.refund set claim_until = clock_timestamp() - interval '1 second'"


async def test_a_refund_made_at_the_processor_is_credited_all_the_same(world: World) -> None:
    signup = await world.signup("ok")
    in_dashboard(world, 400)
    await world.hear()
    await sql.rows(HELD)
    await world.later(hours=1)
    assert credited(world, signup.invoice) == [], "its turn has not come"
    await sql.rows(FREE)
    await world.later(hours=1)
    assert credited(world, signup.invoice) == [400]
