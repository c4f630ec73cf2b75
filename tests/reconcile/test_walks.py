"""Which events a walk lists, and when it begins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from db.states import Walk
from gateway.reconcile.walks import EVERY, GRACE, KEPT, OVERLAP, forgotten_before, is_due, window

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("walk", Walk)
def test_a_walk_begins_when_its_time_has_come(walk: Walk) -> None:
    assert not is_due(walk, NOW - EVERY[walk] + timedelta(seconds=1), NOW)
    assert is_due(walk, NOW - EVERY[walk], NOW)


def test_the_walk_after_a_walk_lists_what_was_not_delivered() -> None:
    of = window(NOW - timedelta(minutes=5), NOW)
    assert of.undelivered
    assert of.since == NOW - timedelta(minutes=5) - OVERLAP
    assert of.until == NOW - GRACE


def test_windows_leave_nothing_out() -> None:
    first = window(NOW - timedelta(minutes=5), NOW)
    second = window(NOW, NOW + timedelta(minutes=5))
    assert second.since < first.until


def test_after_a_gap_every_event_is_listed() -> None:
    assert not window(NOW - timedelta(hours=2), NOW).undelivered


def test_older_events_than_stripe_keeps_are_not_asked_for() -> None:
    assert window(NOW - timedelta(days=90), NOW).since == NOW - KEPT


def test_what_stripe_has_forgotten_is_known() -> None:
    assert forgotten_before(NOW - KEPT, NOW) is None
    assert forgotten_before(NOW - KEPT - timedelta(seconds=1), NOW) == NOW - KEPT
