"""The retry plan, step by step on the reference ladder: at once, +24 h, +72 h, +120 h, the end before due − margin."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from db.states import MethodStatus
from gateway.domain.policy import Policy
from gateway.domain.recovery import (
    LEAST_GAP,
    MOST_REJECTED,
    NOT_SENT_WAITS,
    REJECTED_WAIT,
    Exhausted,
    NeedsMethod,
    TryAt,
    TryNow,
    declines,
    next_try,
)
from gateway.domain.view import InvoiceView
from processors.outcome import DeclineClass
from tests.domain.views import DAY, HOUR, METHOD, NOW, SECOND, attempt, declined_at, invoice, view

LONG_DUE = invoice(due_date=NOW + 60 * DAY)


def tried(*states: str, every: timedelta = HOUR, **last: object) -> InvoiceView:
    """Attempts in these states, the last one sent an hour ago."""
    count = len(states)
    made = [
        attempt(state, number, sent_at=NOW - HOUR - (count - number) * every) for number, state in enumerate(states, 1)
    ]
    if made:
        made[-1] = replace(made[-1], **last)
    return view(LONG_DUE, attempts=tuple(made))


def test_the_first_try_is_made_at_once() -> None:
    assert next_try(view(), NOW) == TryNow(METHOD, "first")


@pytest.mark.parametrize(("declines", "hours"), [(1, 24), (2, 72), (3, 120)])
def test_each_further_try_has_its_hour_after_the_first(declines: int, hours: int) -> None:
    steps = (0, 24, 72)[:declines]
    one = view(LONG_DUE, attempts=declined_at(*(hours - 1 - step for step in steps)))
    assert next_try(one, NOW) == TryAt(NOW + HOUR, f"try {declines + 1} of 4")
    assert next_try(one, NOW + HOUR) == TryNow(METHOD, "retry")


def test_after_the_last_step_it_is_exhausted() -> None:
    one = view(LONG_DUE, attempts=declined_at(200, 176, 128, 80))
    assert next_try(one, NOW) == Exhausted("all 4 tries were declined")


def test_a_processors_own_wait_is_kept() -> None:
    one = view(LONG_DUE, attempts=declined_at(30, retry_after=NOW + 2 * DAY))
    assert next_try(one, NOW) == TryAt(NOW + 2 * DAY, "try 2 of 4: the processor's own wait")


@pytest.mark.parametrize(("in_a_row", "wait"), [*enumerate([*NOT_SENT_WAITS, NOT_SENT_WAITS[-1]], 1)])
def test_what_was_never_sent_is_tried_again_soon(in_a_row: int, wait: timedelta) -> None:
    one = tried(*["not_sent"] * in_a_row, resolved_at=NOW)
    assert isinstance(plan := next_try(one, NOW), TryAt)
    assert plan.at == NOW + wait


def test_patience_asked_for_by_the_processor_is_kept() -> None:
    one = tried("not_sent", resolved_at=NOW, retry_after=NOW + DAY)
    assert isinstance(plan := next_try(one, NOW), TryAt)
    assert plan.at == NOW + DAY


def test_a_request_refused_as_such_waits_an_hour_and_ends_in_a_human() -> None:
    once = tried("rejected", resolved_at=NOW)
    assert isinstance(plan := next_try(once, NOW), TryAt)
    assert plan.at == NOW + REJECTED_WAIT
    assert next_try(tried(*["rejected"] * MOST_REJECTED), NOW) == Exhausted("the processor refuses our request itself")


@pytest.mark.parametrize("between", ["not_sent", "rejected"])
def test_steps_are_counted_in_declines_alone(between: str) -> None:
    one = tried("declined", between, between, "declined", every=timedelta(hours=8))
    assert isinstance(plan := next_try(one, NOW), TryAt)
    assert plan.reason == "try 3 of 4"


def test_an_agreement_that_was_gone_uses_no_step() -> None:
    """Nor does it bring the next try forward: another method that is charged by itself waits a day."""
    gone = tried("declined", "declined", decline_class=DeclineClass.REVOKED)
    assert declines(gone.attempts) == 1
    assert next_try(gone, NOW) == TryAt(NOW - HOUR + SECOND + LEAST_GAP, "the last try ended without a decline")
    other = replace(gone, methods=(replace(METHOD, id="pm_2"),))
    assert next_try(other, NOW) == TryNow(other.methods[0], "fallback")


def test_a_debit_that_the_bank_takes_back_uses_one_whatever_it_says() -> None:
    assert declines(tried("reversed", decline_class=DeclineClass.REVOKED).attempts) == 1


def test_no_try_is_planned_beyond_the_margin() -> None:
    attempts = declined_at(1)
    fits = view(invoice(due_date=NOW + 23 * HOUR + DAY), attempts=attempts)
    late = view(invoice(due_date=NOW + 23 * HOUR + DAY - SECOND), attempts=attempts)
    assert isinstance(next_try(fits, NOW), TryAt)
    assert next_try(late, NOW) == Exhausted("no further try fits before the due date")


def test_a_try_that_was_missed_is_not_made_up_beyond_the_margin() -> None:
    one = view(invoice(due_date=NOW + DAY), attempts=declined_at(48))
    assert isinstance(next_try(one, NOW + HOUR), Exhausted)


def test_a_try_keeps_its_distance_from_the_one_before() -> None:
    """The ladder stood still for days (no method, a pending debit); then it goes on, step by step."""
    long_ago, just_now = attempt("declined", sent_at=NOW - 6 * DAY), attempt("declined", 2, sent_at=NOW - SECOND)
    one = view(LONG_DUE, attempts=(long_ago, just_now))
    assert isinstance(plan := next_try(one, NOW), TryAt)
    assert plan.at == just_now.sent_at + LEAST_GAP


def test_a_ladder_of_hours_keeps_its_hours() -> None:
    one = view(LONG_DUE, attempts=declined_at(2), policy=Policy(ladder_hours=(0, 1, 2)))
    assert next_try(one, NOW) == TryNow(METHOD, "retry")


def test_a_capture_that_was_taken_back_is_not_tried_again_at_once() -> None:
    """A debit that the bank returned has used a step, so one that always bounces comes to an end."""
    assert isinstance(plan := next_try(tried("reversed"), NOW), TryAt)
    assert plan.reason == "try 2 of 4"
    assert isinstance(next_try(tried(*["reversed"] * 4, every=DAY), NOW), Exhausted)


def test_a_new_method_is_tried_at_once_and_once() -> None:
    """Scenario 115: whatever the ladder says; then (119) the ladder goes on from the invoice's count."""
    new = replace(METHOD, id="pm_2", created_at=NOW - SECOND)
    old = replace(METHOD, status=MethodStatus.STOPPED)
    one = view(LONG_DUE, attempts=declined_at(200, 176, 128, 80), methods=(old, new))
    assert next_try(one, NOW) == TryNow(new, "method_stored")
    again = replace(one, attempts=(*one.attempts, attempt("declined", 5, method="pm_2", sent_at=NOW)))
    assert isinstance(next_try(again, NOW), Exhausted)


@pytest.mark.parametrize(
    "lacks", [{"status": MethodStatus.STOPPED}, {"status": MethodStatus.REVOKED}, {"usable": False}]
)
def test_only_an_active_method_of_an_enabled_connection_is_charged(lacks: dict[str, object]) -> None:
    assert isinstance(next_try(view(methods=(replace(METHOD, **lacks),)), NOW), NeedsMethod)


def test_the_method_that_it_was_confirmed_with_goes_before_all() -> None:
    chosen = replace(METHOD, id="pm_9", position=9)
    assert next_try(view(methods=(METHOD, chosen), preferred_method="pm_9"), NOW) == TryNow(chosen, "first")
    stopped = replace(chosen, status=MethodStatus.STOPPED)
    assert next_try(view(methods=(METHOD, stopped), preferred_method="pm_9"), NOW) == TryNow(METHOD, "first")


def test_the_customers_first_method_goes_first() -> None:
    second = replace(METHOD, id="pm_0", position=1)
    assert next_try(view(methods=(second, METHOD)), NOW) == TryNow(METHOD, "first")


def test_surplus_captures_are_no_tries() -> None:
    one = view(attempts=(attempt("succeeded", surplus=True),))
    assert next_try(one, NOW) == TryNow(METHOD, "first")


def test_a_ladder_of_one_ends_with_its_first_decline() -> None:
    one = view(LONG_DUE, attempts=declined_at(1), policy=Policy(ladder_hours=(0,)))
    assert isinstance(next_try(one, NOW), Exhausted)
