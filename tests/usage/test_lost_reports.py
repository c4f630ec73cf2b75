"""A report of refused usage that was never delivered is listed at Stripe, as events of the other kind are."""

from __future__ import annotations

import pytest

from db import sql
from db.states import Walk
from gateway.clock import business_now
from gateway.inbox.intake import Listed
from gateway.reconcile import catch_up as module
from gateway.reconcile import cursor as cursors
from gateway.reconcile.by_hand import catch_up_now
from gateway.reconcile.catch_up import Ended
from gateway.sandbox.stripe.meter_errors import MeterError, report_meter_errors
from tests.support.metered import Metered, hear_thin_events
from tests.support.world import World

LIST = "/v2/core/events"
REPORTS = "select state, object_id from tollbridge.delivery where kind like 'v1.billing.meter.%'"


def refuse(plan: Metered, identifier: str) -> None:
    """Stripe reports this event."""
    stripe = plan.world.stripe_account()
    error = MeterError("meter_event_invalid_value", "It is no whole number.", identifier)
    report_meter_errors(stripe, stripe.meters[plan.meter], [error], (0, 1))


async def sent(plan: Metered, *identifiers: str) -> None:
    """Usage that has come through, and a while after it."""
    await plan.report(events=[plan.event(one) for one in identifiers])
    await plan.world.settle()


async def caught_up(plan: Metered) -> None:
    """The walks of the next few minutes, and what they lead to."""
    await plan.world.later(minutes=6)
    await plan.world.catch_up()
    await plan.world.settle()


@pytest.mark.parametrize("heard", [True, False], ids=["deliveries lost", "no endpoint"])
async def test_a_report_that_was_never_delivered_is_brought_in(plan: Metered, heard: bool) -> None:
    if heard:
        await hear_thin_events(plan.world)
    await plan.world.listen("tollbridge.usage.refused")
    await sent(plan, "u-1", "u-2")
    plan.world.stripe.delivery.set(drop=True)
    refuse(plan, "u-1")
    await plan.world.settle()
    plan.world.stripe.delivery.set(drop=False)
    assert await plan.states() == {"u-1": "sent", "u-2": "sent"}, "nobody has heard of it"
    await caught_up(plan)
    assert await plan.states() == {"u-1": "refused", "u-2": "sent"}
    [told] = plan.world.merchant.told
    assert told["data"]["identifiers"] == ["u-1"]
    assert await plan.world.open_cases() == ["usage_refused"]
    assert [row["object_id"] for row in await sql.rows(REPORTS)] == [plan.meter]


async def test_one_that_was_delivered_is_listed_as_the_same(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.world.listen("tollbridge.usage.refused")
    await sent(plan, "u-1")
    refuse(plan, "u-1")
    await plan.world.settle()
    for _ in range(2):
        await caught_up(plan)
    assert len(plan.world.stripe_calls("GET", LIST)) == 2
    assert [row["state"] for row in await sql.rows(REPORTS)] == ["done"]
    assert len(plan.world.merchant.told) == 1


async def test_they_are_asked_for_by_type_and_by_time(plan: Metered) -> None:
    await sent(plan, "u-1")
    await caught_up(plan)
    await caught_up(plan)
    first, second = [call.params for call in plan.world.stripe_calls("GET", LIST)]
    assert set(first["types"].values()) == {
        "v1.billing.meter.error_report_triggered",
        "v1.billing.meter.no_meter_found",
    }
    assert first["created"]["gte"] < second["created"]["gte"] < first["created"]["lte"] < second["created"]["lte"]


async def test_many_pages_over_several_turns(plan: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    await sent(plan, *(f"u-{number}" for number in range(25)))
    for number in range(25):
        refuse(plan, f"u-{number}")
    await plan.world.later(minutes=6)
    monkeypatch.setattr(module, "MOST_PAGES", 1)
    for _ in range(2):
        await plan.world.catch_up()
    await plan.world.settle()
    assert set((await plan.states()).values()) == {"refused"}
    asked = [call.params.get("page") for call in plan.world.stripe_calls("GET", LIST)]
    assert asked[0] is None
    assert asked[1]


@pytest.mark.parametrize(("status", "ended"), [(403, Ended.FAILED), (404, Ended.REFUSED)])
async def test_where_they_cant_be_listed_the_rest_is(plan: Metered, status: int, ended: Ended) -> None:
    await sent(plan, "u-1")
    plan.world.stripe.faults.add("error_before", method="GET", path=LIST, status=status, times=None)
    world, told = plan.world, lambda *_: None
    report = await world.during(catch_up_now(world.runtime, plan.shop.account, Listed(world.runtime.keyring), told))
    assert {one.walk: one.ended for one in report.walks if one.ended is not Ended.FINISHED} == {"thin_events": ended}
    [said] = [one.error for one in report.walks if one.error]
    assert ("Events: read (rak_event_read)" in said) is (status == 403)
    assert report.up_to is None, "what Stripe does not count may be missing"
    for _ in range(4):
        await caught_up(plan)
    assert await world.open_cases() == ["catch_up_failed"]


async def test_nothing_from_before_the_first_usage_can_be_missing(plan: Metered) -> None:
    await plan.world.move(days=1)
    before = await business_now()
    await sent(plan, "u-1")
    [walk] = [one for one in await cursors.standing(plan.shop.account) if one.walk is Walk.THIN_EVENTS]
    assert walk.done_to >= before


async def test_where_no_usage_is_reported_nobody_asks_for_them(world: World) -> None:
    await world.signup("ok")
    await world.later(minutes=6)
    await world.catch_up()
    assert world.stripe_calls("GET", LIST) == []
    assert world.stripe_calls("GET", "/v1/events")
