"""What a policy means in days: the points that its picture is drawn of."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.domain.outlook import outlook
from gateway.domain.policy import Policy
from tests.domain.views import DAY, HOUR, NOW


def _days(policy: Policy, days: int) -> list[float]:
    return [one.after / DAY for one in outlook(policy, days, NOW).tries]


@pytest.mark.parametrize(
    ("days", "tries", "left_out"),
    [
        (10, [0, 1, 3, 5], 0),
        # What does not fit is brought forward to the last moment, and what comes after that is left out.
        (5, [0, 1, 3, 4], 0),
        (3, [0, 1, 2], 1),
        (1, [0], 3),
    ],
)
def test_tries_fit_before_the_due_date(days: int, tries: list[float], left_out: int) -> None:
    assert _days(Policy(), days) == tries
    assert outlook(Policy(), days, NOW).left_out == left_out


def test_its_points_are_those_of_the_policy() -> None:
    found = outlook(Policy(margin_hours=48, end_after_hours=150), 10, NOW)
    assert found.due == NOW + 10 * DAY
    assert found.latest == NOW + 8 * DAY
    assert found.ends_at == NOW + 150 * HOUR
    assert [found.share(at) for at in (found.begun, found.latest, found.due)] == [0, 0.8, 1]


def test_a_day_that_is_avoided_is_told() -> None:
    # 1 March 2027 is a Monday.
    found = outlook(Policy(avoid_weekdays=("tue",)), 10, NOW)
    assert [(one.at - NOW).days for one in found.tries][:2] == [0, 1]
    assert (found.tries[1].shifted, found.tries[1].at.weekday()) == ("Tuesday is avoided", 2)


def test_a_margin_longer_than_the_invoice_leaves_the_first_moment() -> None:
    found = outlook(Policy(margin_hours=24 * 9), 3, NOW)
    assert (found.latest, found.ends_at >= found.begun) == (NOW, True)
    assert timedelta(0) <= found.due - found.latest
