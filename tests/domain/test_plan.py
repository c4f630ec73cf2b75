"""The whole plan: its tries, its end, the next payment method, and what the policy likes in a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from db.states import Collector, MethodStatus
from gateway.domain.downtime import Span, downtime_since
from gateway.domain.ladder import LEAST_GAP, placed
from gateway.domain.policy import WEEKDAYS, Policy
from gateway.domain.recovery import LEAST_NOTICE, Exhausted, NeedsMethod, TryAt, TryNow, next_try, plan
from gateway.domain.view import InvoiceView
from tests.domain.strategies import policies, views
from tests.domain.views import DAY, HOUR, METHOD, NOW, attempt, declined_at, invoice, view

LONG_DUE = invoice(due_date=NOW + 60 * DAY)
SECOND_CARD = replace(METHOD, id="pm_2", position=1)
STOPPED = replace(METHOD, status=MethodStatus.STOPPED)


def hours_of(one: InvoiceView) -> list[float]:
    return [(t.at - NOW) / HOUR for t in plan(one, NOW).tries]


def test_the_plan_shows_every_try_and_the_end() -> None:
    """The reference ladder: at once, a day, three days, five days; the end a day before the due date."""
    found = plan(view(), NOW)
    assert [(t.at - NOW) / HOUR for t in found.tries] == [0, 24, 72, 120]
    assert [t.reason for t in found.tries] == ["first", "try 2 of 4", "try 3 of 4", "try 4 of 4"]
    assert [t.last for t in found.tries] == [False, False, False, True]
    assert found.ends_at == NOW + 9 * DAY


def test_an_end_of_its_own() -> None:
    one = view(policy=Policy(end_after_hours=168), attempts=declined_at(1))
    assert plan(one, NOW).ends_at == NOW - HOUR + 7 * DAY


@pytest.mark.parametrize(
    ("days", "hours"),
    [(6, [0, 24, 72, 120]), (5.5, [0, 24, 72, 108]), (4.5, [0, 24, 72]), (3, [0, 24, 48]), (2.5, [0, 24]), (1.5, [0])],
)
def test_a_plan_that_arrives_late_shrinks(days: float, hours: list[float]) -> None:
    """The last try moves forward to the last moment while it keeps its day; what does not fit is left out."""
    assert hours_of(view(invoice(due_date=NOW + days * DAY))) == hours


def test_the_first_try_is_made_however_late_it_is() -> None:
    assert hours_of(view(invoice(due_date=NOW - DAY))) == [0]


def test_downtime_postpones_the_end_by_its_length() -> None:
    outage = Span(NOW - 20 * HOUR, NOW - 14 * HOUR)
    tight = invoice(created=NOW - DAY, due_date=NOW + DAY + 5 * HOUR)
    without, with_ = view(tight, attempts=declined_at(20)), view(tight, attempts=declined_at(20), downtime=(outage,))
    assert plan(with_, NOW).ends_at == plan(without, NOW).ends_at + 6 * HOUR  # type: ignore[operator]


def test_downtime_makes_room_for_a_try() -> None:
    tight = invoice(created=NOW - DAY, due_date=NOW + DAY)
    assert isinstance(next_try(view(tight, attempts=declined_at(23)), NOW), Exhausted)
    down = view(tight, attempts=declined_at(23), downtime=(Span(NOW - 10 * HOUR, NOW - 8 * HOUR),))
    assert isinstance(next_try(down, NOW), TryAt)


def test_what_overlaps_is_one_downtime() -> None:
    spans = [Span(NOW - 9 * HOUR, NOW - 5 * HOUR), Span(NOW - 7 * HOUR, NOW - 6 * HOUR), Span(NOW - 2 * HOUR)]
    assert downtime_since(spans, NOW - 8 * HOUR, NOW) == 5 * HOUR
    assert downtime_since([], NOW - DAY, NOW) == timedelta()


def test_nobody_is_given_up_within_a_day_of_the_first_sight() -> None:
    old = view(invoice(created=NOW - 60 * DAY, due_date=NOW - 50 * DAY), known_since=NOW - HOUR)
    assert plan(old, NOW).ends_at == NOW - HOUR + LEAST_NOTICE


# --- the next payment method


@pytest.mark.parametrize(
    ("fallback", "first", "expected"),
    [
        ("hard", STOPPED, TryNow(SECOND_CARD, "fallback")),
        ("soft", STOPPED, TryNow(SECOND_CARD, "fallback")),
        ("never", STOPPED, NeedsMethod("the customer's payment method was stopped, and no other is charged by itself")),
        ("hard", METHOD, TryAt(NOW + 23 * HOUR, "try 2 of 4")),
        ("soft", METHOD, TryAt(NOW + 23 * HOUR, "try 2 of 4")),
    ],
)
def test_after_a_decline_the_policy_says_whether_the_next_method_is_charged(
    fallback: Any, first: Any, expected: object
) -> None:
    one = view(LONG_DUE, attempts=declined_at(1), methods=(first, SECOND_CARD), policy=Policy(fallback=fallback))
    assert next_try(one, NOW) == expected


def test_after_some_soft_declines_the_next_method_has_its_turn_and_then_the_first_again() -> None:
    policy = Policy(fallback="soft", fallback_after=2)
    one = view(LONG_DUE, attempts=declined_at(25), methods=(METHOD, SECOND_CARD), policy=policy)
    assert [(t.method.id, t.reason) for t in plan(one, NOW).tries] == [
        ("pm_1", "retry"),
        ("pm_2", "fallback"),
        ("pm_2", "try 4 of 4"),
    ]


def test_a_fallback_is_made_once() -> None:
    made = (*declined_at(2), attempt("declined", 2, method="pm_2"))
    one = view(LONG_DUE, attempts=made, methods=(STOPPED, SECOND_CARD))
    assert isinstance(next_try(one, NOW), TryAt)


def test_a_checkout_that_ends_with_its_first_decline_is_not_saved_by_another_card() -> None:
    one = view(LONG_DUE, attempts=declined_at(1), methods=(STOPPED, SECOND_CARD), hold="released")
    assert isinstance(next_try(one, NOW), TryAt)
    assert next_try(replace(one, policy=Policy(first_decline="retry")), NOW) == TryNow(SECOND_CARD, "fallback")


# --- what the policy likes in a day


@pytest.mark.parametrize(
    ("likes", "hours"),
    [
        ({}, [0, 24, 72, 120]),
        ({"hours_of_day": (14, 20)}, [0, 26, 74, 122]),
        ({"hours_of_day": (6, 9)}, [0, 42, 90, 138]),
        ({"avoid_weekdays": ("tue", "sat", "sun")}, [0, 36, 72, 156]),
        ({"avoid_days": (2, 6)}, [0, 36, 72, 132]),
    ],
)
def test_later_tries_are_made_when_the_policy_likes_it(likes: dict[str, Any], hours: list[float]) -> None:
    """NOW is a Monday, the first of March, noon."""
    assert hours_of(view(LONG_DUE, policy=Policy(**likes))) == hours


JUST_TRIED = (attempt("declined", sent_at=NOW - 3 * DAY), attempt("declined", 2, sent_at=NOW - HOUR))
TRIED_OUT = replace(METHOD, brand="mastercard", recent_tries=(NOW - HOUR,) * 10)


@pytest.mark.parametrize(
    ("changes", "shifted"),
    [
        ({}, ["", "", "", ""]),
        ({"policy": Policy(hours_of_day=(14, 20))}, ["", *["only from 14:00 to 20:00 UTC"] * 3]),
        (
            {"policy": Policy(avoid_weekdays=("tue", "sat", "sun"))},
            ["", "Tuesday is avoided", "", "Saturday is avoided, Sunday is avoided"],
        ),
        ({"policy": Policy(avoid_days=(2,))}, ["", "day 2 of the month is avoided", "", ""]),
        (
            {"policy": Policy(avoid_days=(2,), hours_of_day=(6, 9), ladder_hours=(0, 24))},
            ["", "day 2 of the month is avoided, only from 06:00 to 09:00 UTC"],
        ),
        ({"policy": Policy(jitter_minutes=60)}, ["", "", "", ""]),
        ({"attempts": JUST_TRIED}, ["its distance from the try before", ""]),
        (
            {"attempts": declined_at(30, retry_after=NOW + DAY)},
            ["the processor's own wait", "its distance from the try before", ""],
        ),
        ({"methods": (TRIED_OUT,)}, ["the card scheme's limit of tries", "", "", ""]),
        ({"billed": invoice(due_date=NOW + 3 * DAY)}, ["", "", "brought forward to the last moment before the end"]),
    ],
    ids=["none", "hours", "weekdays", "day", "day and hours", "spread", "spacing", "processor", "budget", "due date"],
)
def test_a_try_that_is_shifted_says_why(changes: dict[str, Any], shifted: list[str]) -> None:
    one = view(**{"billed": LONG_DUE, **changes})
    assert [t.shifted for t in plan(one, NOW).tries] == shifted


def test_what_the_policy_likes_yields_to_the_due_date() -> None:
    policy = Policy(ladder_hours=(0, 24), hours_of_day=(6, 9))
    assert hours_of(view(invoice(due_date=NOW + 2 * DAY), policy=policy)) == [0, 24]


def test_the_spread_of_a_try_is_always_the_same() -> None:
    policy = Policy(jitter_minutes=60)
    one = view(LONG_DUE, policy=policy)
    assert plan(one, NOW) == plan(one, NOW)
    moments = {placed(policy, NOW, None, f"in_{n}.1").at - NOW for n in range(200)}
    assert len(moments) > 100
    assert all(timedelta() <= moment < HOUR for moment in moments)


@pytest.mark.parametrize(("spacing", "at"), [("24_hours", 23.5), ("utc_day", 12)])
def test_one_try_a_day_across_midnight(spacing: Any, at: float) -> None:
    """A day apart, or on another day: what the policy says. A try was made half an hour ago, late by its ladder."""
    made = (attempt("declined", sent_at=NOW - 3 * DAY), attempt("declined", 2, sent_at=NOW - HOUR / 2))
    one = view(LONG_DUE, attempts=made, policy=Policy(spacing=spacing))
    assert hours_of(one)[0] == at


# --- whatever the policy and the history


liking = st.fixed_dictionaries(
    {
        "jitter_minutes": st.integers(0, 720),
        "hours_of_day": st.none() | st.sampled_from([(0, 1), (7, 20), (23, 24)]),
        "avoid_weekdays": st.sets(st.sampled_from(WEEKDAYS), max_size=6).map(lambda days: tuple(sorted(days))),
        "fallback": st.sampled_from(["never", "hard", "soft"]),
        "fallback_after": st.integers(1, 3),
        "spacing": st.sampled_from(["24_hours", "utc_day"]),
    }
)


@given(views(), policies, liking, st.timedeltas(timedelta(), 3 * DAY))
def test_no_plan_ends_too_late_or_tries_too_often(
    one: InvoiceView, policy: Policy, likes: dict[str, Any], outage: timedelta
) -> None:
    if one.invoice is None or one.unresolved is not None:
        return
    policy = replace(policy, **likes)
    one = replace(one, policy=policy, downtime=(Span(NOW - 10 * DAY, NOW - 10 * DAY + outage),))
    found = plan(one, NOW)
    if one.invoice.due_date is not None:
        # On Stripe's page nobody tries anything: its payer has until the due date.
        last_moment = one.invoice.due_date + outage
        last_moment -= timedelta() if one.collector is Collector.HOSTED else policy.margin
        free = ("first", "method_stored", "operator")
        assert all(t.at <= last_moment for t in found.tries if t.reason not in free)
        assert found.ends_at is not None
        soonest = last_moment if one.known_since is None else max(last_moment, one.known_since + LEAST_NOTICE)
        assert found.ends_at <= soonest
    at_most = len(policy.ladder) + 1  # and one that somebody asked for, or a new payment method
    assert len(found.tries) <= at_most
    gap = min([LEAST_GAP, *(b - a for a, b in zip(policy.ladder, policy.ladder[1:], strict=False))])
    for before, after in zip(found.tries, found.tries[1:], strict=False):
        if before.method.id != after.method.id:
            continue
        if policy.spacing == "utc_day" and gap == LEAST_GAP:
            assert after.at.date() > before.at.date()
        else:
            assert after.at - before.at >= gap
