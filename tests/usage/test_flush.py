"""A cancellation that bills at once waits for usage that is on its way, and not for ever."""

from __future__ import annotations

from typing import Any

from tests.support.metered import Metered

EVENTS: dict[str, Any] = {"method": "POST", "path": "/v1/billing/meter_events"}


def last_lines(plan: Metered) -> list[int]:
    """The amounts of usage on the subscription's last invoice."""
    return [line["amount"] for line in plan.world.invoices_of(plan.subscription)[-1]["lines"]["data"]]


def order_of_calls(plan: Metered) -> list[str]:
    calls = [call for call in plan.world.stripe.calls if call.method in ("POST", "DELETE")]
    return [call.path.split("/")[2] for call in calls if "meter_events" in call.path or call.method == "DELETE"]


async def test_the_last_invoice_bills_what_was_reported_before(plan: Metered) -> None:
    await plan.report(events=[plan.event(f"u-{number}", 100) for number in range(3)])
    await plan.world.cancel(plan.subscription, "now", invoice_now=True)
    # Stripe bills up to the second of the end, and not that second itself: it may take until the next one.
    await plan.world.later(seconds=1)
    assert order_of_calls(plan) == ["billing"] * 3 + ["subscriptions"]
    assert 1200 in last_lines(plan)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "canceled"


async def test_it_goes_on_as_soon_as_the_usage_has_come_through(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_before", times=1, status=500, **EVENTS)
    await plan.report()
    await plan.world.cancel(plan.subscription, "now", invoice_now=True)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "active"
    await plan.world.later(minutes=1)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "canceled"
    assert 1000 in last_lines(plan)
    assert "usage_unsent" not in await plan.world.open_cases()


async def test_what_cannot_be_sent_holds_no_cancellation_for_ever(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_before", times=100, status=500, **EVENTS)
    await plan.report()
    await plan.world.cancel(plan.subscription, "now", invoice_now=True)
    await plan.world.later(minutes=9)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "active"
    await plan.world.later(minutes=2)
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "canceled"
    assert "usage_unsent" in await plan.world.open_cases()


async def test_who_does_not_bill_waits_for_nothing(plan: Metered) -> None:
    plan.world.stripe.faults.add("error_before", times=100, status=500, **EVENTS)
    await plan.report()
    await plan.world.cancel(plan.subscription, "now")
    assert plan.world.stripe_subscription(plan.subscription)["status"] == "canceled"
    assert "usage_unsent" not in await plan.world.open_cases()


async def test_after_its_end_nothing_more_is_accepted(plan: Metered) -> None:
    await plan.world.cancel(plan.subscription, "now", invoice_now=True)
    answer = await plan.report(subscription=plan.subscription)
    assert (answer.status_code, answer.json()["param"]) == (409, "timestamp")


async def test_the_next_invoice_is_shown_with_what_is_not_in_it_yet(plan: Metered) -> None:
    await plan.report(value=250)
    await plan.world.settle()
    plan.world.stripe.faults.add("error_before", times=100, status=500, **EVENTS)
    await plan.report(identifier="u-2", value=7)
    await plan.world.settle()
    shown = (await plan.world.call("GET", f"/v1/subscriptions/{plan.subscription}/upcoming_invoice")).json()
    assert (shown["currency"], shown["total"], shown["amount_due"]) == ("eur", 2000, 2000)
    assert sorted((line["amount"], line["quantity"]) for line in shown["lines"]) == [(1000, 1), (1000, 250)]
    period = plan.world.stripe_subscription(plan.subscription)["items"]["data"][0]["current_period_end"]
    assert shown["comes"] == period
    assert [(one["event_name"], one["value"]) for one in shown["unsent_usage"]] == [("calls", "7")]
