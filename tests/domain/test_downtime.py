"""Downtime: spans that overlap count once, and only what lies within the time asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.downtime import Span, downtime_since, merged
from tests.domain.views import HOUR, NOW, view

START = NOW - 10 * HOUR


def at(hour: float) -> datetime:
    return START + hour * HOUR


def span(since: float, until: float | None) -> Span:
    return Span(at(since), None if until is None else at(until))


@pytest.mark.parametrize(
    ("spans", "hours"),
    [
        ([], 0),
        ([(1, 2)], 1),
        ([(1, 3), (2, 4)], 3),
        ([(1, 4), (2, 3)], 3),
        ([(1, 2), (2, 3)], 2),
        ([(3, 4), (1, 2)], 2),
        ([(-5, 1)], 1),
        ([(-5, -1)], 0),
        ([(9, None)], 1),
        ([(8, None), (9, 9.5)], 2),
        ([(7, 9), (8, None)], 3),
        ([(9, 20)], 1),
    ],
)
def test_what_overlaps_counts_once(spans: list[tuple[float, float | None]], hours: float) -> None:
    seen = view(downtime=tuple(span(*one) for one in spans))
    assert downtime_since(seen.downtime, START, NOW) == hours * HOUR


def test_what_was_before_is_cut_off() -> None:
    assert merged([span(-2, 1), span(3, None)], START) == (span(0, 1), span(3, None))


times = st.integers(-50, 50).map(at)


@given(st.lists(st.tuples(times, times | st.none()), max_size=6))
def test_merged_spans_say_the_same(spans: list[tuple[datetime, datetime | None]]) -> None:
    made = [Span(since, until) for since, until in spans if until is None or until >= since]
    found = merged(made, START)
    for before, after in pairwise(found):
        assert before.until is not None
        assert before.until < after.since
    for minute in range(-60, 700, 7):
        moment = START + timedelta(minutes=minute, seconds=1)
        down = moment >= START and any(s.since <= moment and (s.until is None or moment < s.until) for s in made)
        assert down == any(s.since <= moment and (s.until is None or moment < s.until) for s in found)
