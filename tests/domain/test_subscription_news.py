"""What the merchant is told of a subscription: its access, and the end of its trial."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from db.states import AccessState
from gateway.domain.gate import Gate
from gateway.domain.news_types import NewsType
from gateway.domain.subscription_news import TrialFacts, access_news, next_trial_news_at, trial_news

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
FACTS = TrialFacts("sub_1", "cus_1", "trialing", ours=True, ending=False, trial_end=NOW + 5 * DAY)
OPEN = Gate(AccessState.GRANTED, "first_invoice_paid", "in_1")
CLOSED = Gate(AccessState.ENDED, "subscription_ended")


@pytest.mark.parametrize(
    ("changes", "access", "expected"),
    [
        (0, CLOSED, None),
        (0, OPEN, (NewsType.ACCESS_OPENED, "1")),
        (1, OPEN, None),
        (1, CLOSED, (NewsType.ACCESS_CLOSED, "2")),
        (2, CLOSED, None),
        (2, OPEN, (NewsType.ACCESS_OPENED, "3")),
    ],
)
def test_only_a_change_of_access_is_told(changes: int, access: Gate, expected: tuple[str, str] | None) -> None:
    found = access_news("sub_1", "cus_1", changes, access)
    assert (found and (found.type, found.step)) == expected


def test_a_trial_is_told_three_days_before_its_end() -> None:
    assert next_trial_news_at(FACTS, NOW) == NOW + 2 * DAY
    assert trial_news(FACTS, NOW + 2 * DAY - timedelta(seconds=1)) is None
    assert trial_news(FACTS, NOW + 2 * DAY) is not None
    assert trial_news(FACTS, NOW + 5 * DAY) is None


@pytest.mark.parametrize("change", [{"ours": False}, {"ending": True}, {"status": "active"}, {"trial_end": None}])
def test_of_a_trial_that_charges_nobody_nothing_is_told(change: dict[str, object]) -> None:
    facts = replace(FACTS, **change)
    assert trial_news(facts, NOW + 3 * DAY) is None
    assert next_trial_news_at(facts, NOW) is None
