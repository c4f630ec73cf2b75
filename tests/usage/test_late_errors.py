"""What Stripe says later that it does not count comes back to the merchant."""

from __future__ import annotations

from typing import Any

import msgspec

from db import sql
from db.engine import DB
from gateway.billing.meters import ReportShape
from gateway.clock import business_now
from gateway.sandbox.stripe.meter_errors import MeterError, report_meter_errors
from gateway.usage import refused
from tests.support.metered import Metered, hear_thin_events

CASES = "select subject, reason from tollbridge.review_case where kind = 'usage_refused' and state = 'open'"


def reports(plan: Metered, *identifiers: str, code: Any = "meter_event_invalid_value") -> None:
    """Stripe reports these events."""
    stripe = plan.world.stripe_account()
    errors = [MeterError(code, "The event value is not a whole number.", one) for one in identifiers]
    report_meter_errors(stripe, stripe.meters[plan.meter], errors, (0, 1))


async def test_a_report_marks_its_events_and_asks_a_human_once(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.world.listen("tollbridge.usage.refused")
    await plan.report(events=[plan.event(f"u-{number}") for number in range(3)])
    await plan.world.settle()
    reports(plan, "u-0", "u-1")
    await plan.world.settle()
    assert await plan.states() == {"u-0": "refused", "u-1": "refused", "u-2": "sent"}
    reports(plan, "u-2")
    await plan.world.settle()
    [case] = await sql.rows(CASES)
    assert case["subject"] == f"{plan.meter}:meter_event_invalid_value"
    assert "2 events" in case["reason"]
    first, second = plan.world.merchant.told
    assert (first["data"]["identifiers"], second["data"]["identifiers"]) == (["u-0", "u-1"], ["u-2"])
    assert (first["data"]["id"], first["data"]["event_name"]) == (plan.meter, "calls")


async def test_more_than_a_report_names_are_told_by_their_number(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.report()
    await plan.world.settle()
    reports(plan, "u-1", *(f"another's-{number}" for number in range(20)))
    await plan.world.settle()
    [case] = await sql.rows(CASES)
    assert "21 events" in case["reason"]
    assert "1 of them are known here" in case["reason"]


async def test_what_others_have_sent_is_none_of_ours(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.report()
    await plan.world.settle()
    reports(plan, "another's-1", "another's-2")
    await plan.world.settle()
    assert await sql.rows(CASES) == []
    reason = "select reason from tollbridge.delivery where kind like '%error_report%' and state = 'ignored'"
    assert await sql.value(reason) == "it names no usage that was sent from here"


async def test_a_meter_that_is_gone_when_usage_comes_through(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.report()
    await plan.shop.client.v1.billing.meters.deactivate_async(plan.meter)
    await plan.world.settle()
    assert (await plan.states(), plan.counted()) == ({"u-1": "refused"}, [])
    [case] = await sql.rows(CASES)
    assert case["subject"].endswith(":archived_meter")


async def test_a_report_that_comes_twice_is_told_once(plan: Metered) -> None:
    await hear_thin_events(plan.world)
    await plan.world.listen("tollbridge.usage.refused")
    await plan.report()
    await plan.world.settle()
    reports(plan, "u-1")
    await plan.world.settle()
    [delivery] = await sql.rows("select id from tollbridge.delivery where kind like '%error_report%'")
    assert (await plan.world.call("POST", f"/v1/inbox/{delivery['id']}/replay")).status_code == 200
    await plan.world.settle()
    assert len(plan.world.merchant.told) == 1


async def test_a_report_about_a_meter_that_was_made_anew_is_not_missed(plan: Metered) -> None:
    """The usage went to a meter of the same event name that nobody has told us of yet."""
    await hear_thin_events(plan.world)
    await plan.report()
    await plan.world.settle()
    await sql.rows("update tollbridge.meter set id = 'mtr_before' where id = $1", plan.meter)
    reports(plan, "u-1")
    await plan.world.settle()
    assert await plan.states() == {"u-1": "refused"}


async def test_a_report_that_names_no_identifiers_is_told_by_its_number(plan: Metered) -> None:
    await plan.report()
    await plan.world.settle()
    wrong = [{"code": "new_code", "error_count": 2, "sample_errors": [{"error_message": "no"}] * 2}]
    told = {"id": "evt_1", "related_object": {"id": plan.meter}, "data": {"reason": {"error_types": wrong}}}
    async with DB.transaction():
        await refused.by_report(plan.shop.account, msgspec.convert(told, ReportShape), await business_now())
    [case] = await sql.rows(CASES)
    assert "2 events" in case["reason"]
    assert "0 of them are known here" in case["reason"]
