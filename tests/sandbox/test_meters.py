"""Meters, their events, adjustments and summaries."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox import metering
from tests.sandbox.conftest import World

HOUR_S, DAY_S = 3600, 86400


def day_start(world: World) -> int:
    now = world.sandbox.now()
    return now - now % DAY_S


async def counted(world: World, meter: Any, customer: Any) -> float:
    """Everything that the meter has counted for the customer until tomorrow."""
    params = {
        "customer": customer.id,
        "start_time": day_start(world) - 40 * DAY_S,
        "end_time": day_start(world) + DAY_S,
    }
    found = await world.v1.billing.meters.event_summaries.list_async(meter.id, params)
    return float(found.data[0].aggregated_value) if found.data else 0


@pytest.mark.parametrize(("formula", "expected"), [("sum", 6.5), ("count", 3), ("last", 1.5)])
async def test_formulas(world: World, formula: str, expected: float) -> None:
    meter, customer = await metering.meter(world, formula), await world.customer()
    for at, value in ((2, "2"), (1, "3"), (3, "1.5")):
        await metering.use(world, customer, value, timestamp=world.sandbox.now() - 600 + at)
    assert await counted(world, meter, customer) == expected
    assert await counted(world, meter, await world.customer()) == 0


async def test_a_repeated_identifier_is_refused_for_a_day(world: World) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    await metering.use(world, customer, "5", identifier="one")
    with pytest.raises(stripe.InvalidRequestError, match="An event already exists with identifier one"):
        await metering.use(world, customer, "5", identifier="one")
    world.sandbox.advance(DAY_S)
    await metering.use(world, customer, "5", identifier="one")
    assert await counted(world, meter, customer) == 10


@pytest.mark.parametrize(
    ("code", "params"),
    [
        ("no_meter", {"event_name": "nothing"}),
        ("timestamp_too_far_in_past", {"timestamp": -35 * DAY_S - 1}),
        ("timestamp_in_future", {"timestamp": 400}),
        ("meter_event_no_customer_defined", {"payload": {"value": "1"}}),
        ("meter_event_customer_not_found", {"payload": {"stripe_customer_id": "cus_none", "value": "1"}}),
        ("meter_event_value_not_found", {"payload": {"value": ""}}),
        ("meter_event_invalid_value", {"payload": {"value": "many"}}),
    ],
)
async def test_what_is_wrong_is_reported_later(world: World, code: str, params: dict[str, Any]) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    payload = {"stripe_customer_id": customer.id, "value": "1"}
    if "payload" in params:
        payload = (
            params["payload"] if "stripe" in str(params) or code.endswith("defined") else payload | params["payload"]
        )
    event = {"event_name": "calls", **params, "payload": payload, "identifier": "one"}
    if "timestamp" in params:
        event["timestamp"] = world.sandbox.now() + params["timestamp"]
    await world.v1.billing.meter_events.create_async(event)
    error = world.account.refused_usage[0]
    assert (error.code, error.identifier) == (code, "one")
    assert error.meter == (None if code == "no_meter" else meter.id)
    assert await counted(world, meter, customer) == 0
    reports = [e for e in world.account.thin_events.values() if e.type.startswith("v1.billing.meter.") and e.data]
    told: Any = await world.client.v2.core.events.retrieve_async(reports[0].id)
    assert told.type.rpartition(".")[2] == ("no_meter_found" if code == "no_meter" else "error_report_triggered")
    (kind,) = told.data.reason.error_types
    assert (kind.code, kind.sample_errors[0].request.identifier) == (code, "one")


async def test_an_event_at_the_edge_of_time_counts(world: World) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    await metering.use(world, customer, "1", timestamp=world.sandbox.now() - 35 * DAY_S + 60)
    await metering.use(world, customer, "1", timestamp=world.sandbox.now() + 290)
    assert (await counted(world, meter, customer), world.account.refused_usage) == (2, [])


async def test_a_cancelled_event_no_longer_counts(world: World) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    for identifier in ("one", "two"):
        await metering.use(world, customer, "5", identifier=identifier)
    params = {"event_name": "calls", "type": "cancel", "cancel": {"identifier": "one"}}
    adjusted = await world.v1.billing.meter_event_adjustments.create_async(params)
    assert (adjusted.status, await counted(world, meter, customer)) == ("complete", 5)
    world.sandbox.advance(DAY_S)
    with pytest.raises(stripe.InvalidRequestError, match="No such meter event"):
        await world.v1.billing.meter_event_adjustments.create_async({**params, "cancel": {"identifier": "two"}})


async def test_pre_aggregated_events_replace_each_other(world: World) -> None:
    meter, customer = await metering.meter(world, event_time_window="hour"), await world.customer()
    hour = world.sandbox.now() // HOUR_S * HOUR_S - 3 * HOUR_S
    for at, value in ((10, "5"), (3599, "7"), (3600, "2")):
        await metering.use(world, customer, value, timestamp=hour + at)
    assert await counted(world, meter, customer) == 9


async def test_summaries_by_the_day(world: World) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    start = day_start(world) - 3 * DAY_S
    for at in (0, DAY_S - 1, DAY_S, 2 * DAY_S + 5):
        await metering.use(world, customer, "2", timestamp=start + at)
    params = {"customer": customer.id, "start_time": start, "end_time": start + 3 * DAY_S}
    by_day = await world.v1.billing.meters.event_summaries.list_async(
        meter.id, {**params, "value_grouping_window": "day", "limit": 2}
    )
    assert ([s.aggregated_value for s in by_day.data], by_day.has_more) == ([2, 2], True)
    rest = [s.aggregated_value async for s in by_day.auto_paging_iter()]
    assert rest == [2, 2, 4]
    with pytest.raises(stripe.InvalidRequestError, match="aligned with minute"):
        await world.v1.billing.meters.event_summaries.list_async(meter.id, {**params, "end_time": start + 61})


async def test_a_meter_rests_and_returns(world: World) -> None:
    meter, customer = await metering.meter(world), await world.customer()
    with pytest.raises(stripe.InvalidRequestError, match="already exists"):
        await metering.meter(world)
    resting = await world.v1.billing.meters.deactivate_async(meter.id)
    assert resting.status_transitions.deactivated_at >= meter.created
    await metering.use(world, customer, "5")
    assert world.account.refused_usage[0].code == "archived_meter"
    await world.v1.billing.meters.reactivate_async(meter.id)
    renamed = await world.v1.billing.meters.update_async(meter.id, {"display_name": "Requests"})
    listed = await world.v1.billing.meters.list_async({"status": "active"})
    assert [(m.id, m.display_name) for m in listed.data] == [(meter.id, renamed.display_name)]
    assert [t for t in world.types_since(0) if t.startswith("billing")] == [
        f"billing.meter.{what}" for what in ("created", "deactivated", "reactivated", "updated")
    ]


async def test_identifiers_of_customers_on_a_test_clock_are_kept_for_a_day(world: World) -> None:
    """A day by the sandbox's clock, wherever the test clock stands."""
    frozen = await world.v1.test_helpers.test_clocks.create_async({"frozen_time": 1_700_000_000})
    await metering.meter(world)
    there, here = await world.customer(test_clock=frozen.id), await world.customer()
    await metering.use(world, there, "1", identifier="two")
    await metering.use(world, here, "1", identifier="one")
    for name in ("one", "two"):
        with pytest.raises(stripe.InvalidRequestError, match="already exists"):
            await metering.use(world, there, "1", identifier=name)
    world.sandbox.advance(DAY_S)
    await metering.use(world, there, "1", identifier="two")
