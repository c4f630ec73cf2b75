"""On its way to Stripe usage is neither lost nor counted twice, whatever the calls come to."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from tests.support.crash import boundaries, once
from tests.support.metered import Metered

EVENTS: dict[str, Any] = {"method": "POST", "path": "/v1/billing/meter_events"}


@pytest.mark.parametrize("effect", ["lost_after", "lost_before", "error_after", "error_before"])
async def test_what_was_not_answered_is_sent_again_and_counts_once(plan: Metered, effect: str) -> None:
    plan.world.stripe.faults.add(effect, times=2, **EVENTS)
    await plan.report()
    await plan.world.settle()
    assert await plan.states() == {"u-1": "sending"}
    for _ in range(2):
        await plan.world.later(minutes=1)
    assert (plan.counted(), await plan.states()) == ([("u-1", "250")], {"u-1": "sent"})


@pytest.mark.parametrize("boundary", ["before POST /v1/billing/meter_events", "after POST /v1/billing/meter_events"])
async def test_a_worker_that_dies_over_a_call_is_followed_by_one_that_sends_it_again(
    plan: Metered, boundary: str
) -> None:
    await plan.report()
    with boundaries(once(boundary)):
        await plan.world.settle()
    assert plan.world.kills == 1
    assert (plan.counted(), await plan.states()) == ([("u-1", "250")], {"u-1": "sent"})


async def test_after_a_day_nothing_is_sent_again_blindly(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_after", times=100, **EVENTS)
    await plan.report()
    await plan.world.settle()
    await plan.world.later(hours=22)
    plan.world.stripe.faults.clear()
    before = plan.sent()
    await plan.world.later(hours=30)
    assert (plan.sent(), await plan.states()) == (before, {"u-1": "unconfirmed"})
    assert await plan.world.open_cases() == ["usage_unconfirmed"]
    # What comes in afterwards goes its way.
    await plan.report(identifier="u-2", value=1)
    await plan.world.settle()
    assert ("u-2", "1") in plan.counted()


async def test_what_was_turned_away_unread_may_wait_for_days(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_before", times=100, status=429, **EVENTS)
    await plan.report()
    await plan.world.settle()
    assert await plan.states() == {"u-1": "accepted"}
    await plan.world.later(hours=30)
    plan.world.stripe.faults.clear()
    await plan.world.later(hours=1)
    assert (plan.counted(), await plan.states()) == ([("u-1", "250")], {"u-1": "sent"})


async def test_while_stripe_takes_nothing_what_comes_in_is_not_tried_each_time(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_before", times=100, status=500, **EVENTS)
    for number in range(5):
        await plan.report(identifier=f"u-{number}")
        await plan.world.settle()
    assert plan.sent() == 1
    plan.world.stripe.faults.clear()
    await plan.world.later(minutes=10)
    assert sorted(plan.counted()) == [(f"u-{number}", "250") for number in range(5)]


async def test_a_customers_events_of_one_meter_keep_their_order(plan: Metered) -> None:
    """Stripe takes one call at a time for a customer and meter: what comes later waits for what failed."""
    plan.world.stripe.faults.add("lost_before", times=1, **EVENTS)
    await plan.report(events=[plan.event(f"u-{number}", number) for number in range(4)])
    await plan.world.settle()
    assert (plan.sent(), set((await plan.states()).values())) == (1, {"accepted", "sending"})
    await plan.world.later(minutes=10)
    sent = [call.params["identifier"] for call in plan.world.stripe_calls("POST", "/v1/billing/meter_events")]
    assert sent == ["u-0", "u-0", "u-1", "u-2", "u-3"]


async def test_a_long_backlog_is_sent_in_several_turns(plan: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage.send.BATCH", 2)
    monkeypatch.setattr("gateway.usage.send.LONGEST_TURN", 2)
    await plan.report(events=[plan.event(f"u-{number}", 1) for number in range(11)])
    await plan.world.settle()
    assert (len(plan.counted()), plan.sent()) == (11, 11)


async def test_what_stripe_refuses_at_once_is_a_case_and_holds_nothing_up(plan: Metered) -> None:
    await plan.world.listen("tollbridge.usage.refused")
    plan.world.stripe.faults.add("error_before", times=1, status=400, **EVENTS)
    await plan.report(events=[plan.event("u-1"), plan.event("u-2")])
    await plan.world.settle()
    assert await plan.states() == {"u-1": "refused", "u-2": "sent"}
    assert await plan.world.open_cases() == ["usage_refused"]
    [told] = plan.world.merchant.told
    assert (told["data"]["count"], told["data"]["identifiers"]) == (1, ["u-1"])
    again = (await plan.report(identifier="u-1")).json()["data"][0]
    assert (again["status"], again["state"]) == ("duplicate", "refused")


async def test_a_key_that_may_not_send_is_a_case(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_before", times=100, status=403, **EVENTS)
    await plan.report()
    for _ in range(6):
        await plan.world.later(hours=1)
    assert await plan.states() == {"u-1": "accepted"}
    assert await plan.world.open_cases() == ["advance_failed"]
    plan.world.stripe.faults.clear()
    await plan.world.later(hours=1)
    assert (plan.counted(), await plan.world.open_cases()) == ([("u-1", "250")], [])


async def test_usage_is_sent_under_the_names_that_its_meter_has(plan: Metered) -> None:
    v1, stripe = plan.shop.client.v1.billing.meters, plan.world.stripe_account()
    made = await v1.create_async(
        {
            "display_name": "Seats",
            "event_name": "seats",
            "default_aggregation": {"formula": "last"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "org"},
            "value_settings": {"event_payload_key": "seats"},
        }
    )
    await plan.report(event_name="seats", value=12)
    await plan.world.settle()
    assert [str(row.value) for row in stripe.usage[made.id, plan.customer]] == ["12"]
    assert await sql.value("select count(*) from tollbridge.usage_event where state = 'sent'") == 1
