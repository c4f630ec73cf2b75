"""The same laws over views that nobody thought of; and that the rules are functions of what they see alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from db.states import UNRESOLVED, AttemptState, InvoiceState, MethodStatus
from gateway.domain.after_end import ENDED
from gateway.domain.decide import decide
from gateway.domain.outdated import outdated
from gateway.domain.project import project
from gateway.domain.recovery import (
    CLIMBS,
    LEAST_GAP,
    NOT_SENT_WAITS,
    REJECTED_WAIT,
    Exhausted,
    NeedsMethod,
    TryAt,
    TryNow,
    declines,
    is_exhausted,
    next_try,
)
from gateway.domain.view import AttemptView, InvoiceView
from tests.domain.laws import check, run
from tests.domain.strategies import attempts, views
from tests.domain.views import INVOICE, METHOD, NOW, VIEW, invoice

many = settings(max_examples=50, deadline=None)

resolved = views([s for s in AttemptState if s not in UNRESOLVED]).map(
    lambda v: replace(v, invoice=v.invoice or INVOICE, methods=v.methods or (METHOD,))
)
shifts = st.timedeltas(timedelta(days=-400), timedelta(days=400))


@many
@given(views())
def test_every_step_keeps_the_laws(view: InvoiceView) -> None:
    check(view, decide(view, NOW), NOW)


@many
@given(views())
def test_every_walk_comes_to_rest_with_no_money_unnamed(view: InvoiceView) -> None:
    run(view, NOW)


@many
@given(views())
def test_cases_that_close_themselves_stay_closed_and_leave_no_money_unnamed(view: InvoiceView) -> None:
    rested, steps = run(view, NOW)
    closed = replace(rested, open_cases=rested.open_cases - outdated(rested).keys())
    assert decide(closed, NOW) == steps[-1]
    check(closed, steps[-1], NOW)


@many
@given(views(), shifts)
def test_only_the_distance_of_times_matters(view: InvoiceView, by: timedelta) -> None:
    """No rule reads a clock or knows a date: all times moved alike give the same step, moved."""
    assert decide(shifted(view, by), NOW + by) == shifted(decide(view, NOW), by)


@many
@given(views())
def test_a_view_has_one_state_and_one_next_step(view: InvoiceView) -> None:
    again = msgspec.convert(msgspec.to_builtins(view), InvoiceView)
    assert again == view
    assert project(again) is project(view)
    assert decide(again, NOW) == decide(view, NOW)


# --- the state -----------------------------------------------------------------------------------------------------


@many
@given(views(), shifts, shifts)
def test_the_state_needs_no_clock(view: InvoiceView, by: timedelta, read_later: timedelta) -> None:
    """A state that changed by waiting could not be recomputed."""
    state = project(view)
    assert isinstance(state, InvoiceState)
    assert project(shifted(view, by)) is state
    assert project(replace(view, read_at=NOW + read_later, stale=not view.stale, not_before=NOW + by)) is state


@many
@given(views())
def test_the_state_says_what_the_laws_need_of_it(view: InvoiceView) -> None:
    state = project(view)
    unresolved = state in (InvoiceState.CHARGING, InvoiceState.PENDING, InvoiceState.UNKNOWN)
    assert unresolved == (view.unresolved is not None)
    if state is InvoiceState.PAID:
        assert view.invoice is not None
        assert view.invoice.status == "paid"
    if state is InvoiceState.CAPTURED:
        assert view.held_money > 0
    if state is InvoiceState.RETRYING:
        assert any(a.state is AttemptState.DECLINED for a in view.attempts), "declined only if there was a decline"


# --- the ladder ----------------------------------------------------------------------------------------------------


@many
@given(resolved)
def test_no_try_comes_before_its_step(view: InvoiceView) -> None:
    tried = [a for a in view.attempts if not a.surplus]
    plan = next_try(view, NOW)
    if not tried or not isinstance(plan, TryNow | TryAt):
        return
    at = plan.at if isinstance(plan, TryAt) else NOW
    if isinstance(plan, TryNow) and plan.reason == "method_stored":
        assert all(plan.method.id != a.method for a in tried)
        return
    if isinstance(plan, TryNow) and plan.reason == "fallback":
        stopped = next((m for m in view.methods if m.id == tried[-1].method), None)
        assert stopped is None or stopped.status is not MethodStatus.ACTIVE
        assert all(plan.method.id != a.method for a in tried if a.state in CLIMBS)
        return
    last = tried[-1]
    if isinstance(plan, TryNow) and plan.reason == "operator":
        assert view.asked
        assert last.retry_after is None or last.retry_after <= NOW
        assert declines(tuple(tried)) < len(view.policy.ladder) or last.state not in CLIMBS
        return
    ended = last.resolved_at or last.sent_at
    assert at >= min(ended, NOW)
    assert last.retry_after is None or at >= last.retry_after
    match last.state:
        case AttemptState.DECLINED | AttemptState.REVERSED:
            first = next(a for a in tried if a.state in CLIMBS)
            due = view.invoice.due_date if view.invoice is not None else None
            forward = due is not None and at == due - view.policy.margin
            assert forward or at >= first.sent_at + view.policy.ladder[declines(tuple(tried))]
            if len(view.policy.ladder) > 1:
                least = min(later - one for one, later in pairwise(view.policy.ladder))
                assert at >= last.sent_at + min(least, LEAST_GAP)
        case AttemptState.NOT_SENT:
            assert at >= ended + NOT_SENT_WAITS[0]
        case AttemptState.CANCELED:
            assert at >= ended + (timedelta(0) if last.withdrawn else LEAST_GAP)
        case AttemptState.REJECTED:
            assert at >= ended + REJECTED_WAIT


@many
@given(resolved)
def test_no_try_is_planned_beyond_the_margin(view: InvoiceView) -> None:
    plan = next_try(view, NOW)
    assert view.invoice is not None
    if view.invoice.due_date is None:
        return
    last_moment = view.invoice.due_date - view.policy.margin
    if isinstance(plan, TryAt):
        assert NOW < plan.at <= last_moment
    if isinstance(plan, TryNow) and plan.reason == "retry":
        assert last_moment >= NOW


@many
@given(resolved)
def test_there_is_a_try_only_with_a_method_that_can_be_charged(view: InvoiceView) -> None:
    chargeable = [m for m in view.methods if m.status is MethodStatus.ACTIVE and m.usable]
    plan = next_try(view, NOW)
    if isinstance(plan, Exhausted) and plan.reason == ENDED:
        return
    assert isinstance(plan, NeedsMethod) == (not chargeable)
    if isinstance(plan, TryNow):
        # Its subscription's own goes before what is for none in particular.
        first = min((not m.own, m.position) for m in chargeable)
        assert plan.method.id == view.preferred_method or (not plan.method.own, plan.method.position) == first


FREE = (AttemptState.NOT_SENT, AttemptState.REJECTED)


@many
@given(attempts([AttemptState.DECLINED, *FREE]))
def test_what_never_reached_the_payer_burns_no_step(tried: tuple[AttemptView, ...]) -> None:
    """The plan after a decline is the same as if the requests between had never been made."""
    alone = tuple(a for a in tried if a.state not in FREE)
    assert declines(tried) == declines(alone)
    with_all = replace(VIEW, attempts=tried, invoice=invoice(due_date=None))
    assert is_exhausted(with_all) == is_exhausted(replace(with_all, attempts=alone))
    if tried and tried[-1].state is AttemptState.DECLINED:
        assert next_try(with_all, NOW) == next_try(replace(with_all, attempts=alone), NOW)


@many
@given(attempts([AttemptState.DECLINED]), st.integers(0, 3))
def test_the_ladder_ends(tried: tuple[AttemptView, ...], extra: int) -> None:
    ladder = (0, *range(24, 24 * max(1, len(tried) + extra), 24))
    view = replace(VIEW, attempts=tried, policy=replace(VIEW.policy, ladder_hours=ladder))
    if len(tried) >= len(ladder) and tried[-1].method == "pm_1":
        assert isinstance(next_try(view, NOW), Exhausted)


@many
@given(attempts())
def test_what_is_unresolved_is_never_among_failures(tried: tuple[AttemptView, ...]) -> None:
    assert declines(tried) == declines(tuple(a for a in tried if a.state not in UNRESOLVED))


def shifted(value: Any, by: timedelta) -> Any:
    """The same value with every time in it moved."""
    if isinstance(value, datetime):
        return value + by
    if isinstance(value, tuple):
        return tuple(shifted(one, by) for one in value)
    if isinstance(value, msgspec.Struct):
        return replace(value, **{name: shifted(getattr(value, name), by) for name in value.__struct_fields__})
    return value
