"""The meters are known without a call for each event."""

from __future__ import annotations

import asyncio

from db import sql
from tests.support.metered import EVENT_NAME, Metered, hear_thin_events

WHILE_AGO = """
    update tollbridge.usage_stream
    set asked_at = asked_at - interval '1 minute', answered_at = answered_at - interval '1 minute'
"""


def reads(plan: Metered) -> int:
    return len(plan.world.stripe_calls("GET", "/v1/billing/meters"))


async def statuses(plan: Metered, *names: str) -> list[int]:
    return [(await plan.report(identifier=name, event_name=name)).status_code for name in names]


async def test_wrong_names_cause_one_call_in_a_while(plan: Metered) -> None:
    assert await statuses(plan, "a", "b", "c", "a") == [400] * 4
    assert reads(plan) == 1
    await sql.rows(WHILE_AGO)
    assert await statuses(plan, "a", "b") == [400] * 2
    assert reads(plan) == 2


async def test_those_who_come_together_wait_for_one_reading(plan: Metered) -> None:
    answers = await asyncio.gather(*(plan.report(identifier=f"u-{n}") for n in range(5)))
    assert [answer.status_code for answer in answers] == [200] * 5
    assert reads(plan) == 1


async def test_a_meter_that_is_made_and_ended_is_heard_of(plan: Metered) -> None:
    await plan.report()
    await plan.world.settle()
    v1 = plan.shop.client.v1.billing.meters
    await v1.create_async({"display_name": "X", "event_name": "new", "default_aggregation": {"formula": "count"}})
    await v1.deactivate_async(plan.meter)
    await plan.world.settle()
    assert await statuses(plan, "new", EVENT_NAME) == [200, 400]


async def test_while_stripe_is_away_what_is_known_is_accepted(plan: Metered) -> None:
    await plan.report()
    plan.world.stripe.faults.add("error_before", method="GET", path="/v1/billing/meters", status=500, times=9)
    await sql.rows(WHILE_AGO)
    events = [plan.event("u-2"), plan.event("u-3", event_name="new")]
    answer = await plan.report(events=events)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:tollbridge:error:stripe_unavailable")
    assert set(await plan.states()) == {"u-1", "u-2"}
    plan.world.stripe.faults.clear()
    v1 = plan.shop.client.v1.billing.meters
    await v1.create_async({"display_name": "X", "event_name": "new", "default_aggregation": {"formula": "sum"}})
    await sql.rows(WHILE_AGO)
    results = (await plan.report(events=events)).json()["data"]
    assert [one["status"] for one in results] == ["duplicate", "accepted"]


async def test_thin_events_refresh_them_too(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.report()
    await plan.world.settle()
    before = reads(plan)
    await plan.shop.client.v1.billing.meters.deactivate_async(plan.meter)
    await plan.world.settle()
    assert reads(plan) > before
    assert await statuses(plan, EVENT_NAME) == [400]


async def test_old_knowledge_is_refreshed_beside_the_usage_that_comes(plan: Metered) -> None:
    await plan.report()
    await plan.world.settle()
    before = reads(plan)
    await plan.world.later(minutes=14)
    await plan.report(identifier="u-2")
    await plan.world.settle()
    assert reads(plan) == before
    await plan.world.later(minutes=2)
    await plan.report(identifier="u-3")
    assert reads(plan) == before, "nobody waits for it"
    await plan.world.settle()
    assert reads(plan) == before + 1
