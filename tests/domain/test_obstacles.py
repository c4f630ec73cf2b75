"""What stands in the way of a charge: a pause with a reason, a processor that does not answer."""

from __future__ import annotations

from datetime import timedelta

import pytest
from msgspec.structs import replace

from db.states import WaitsFor
from gateway.domain.actions import Charge, OpenCase, Record, Resolve, Tag, WaitUntil
from gateway.domain.decide import decide
from gateway.domain.obstacles import NOT_ANSWERING
from gateway.domain.project import project
from gateway.domain.view import Pause
from gateway.finance import collect_now
from gateway.finance.errors import NotNowError
from tests.domain.views import DAY, HOUR, METHOD, NOW, SECOND, attempt, declined_at, holding, invoice, view

PAUSE = Pause("pays by transfer", NOW - HOUR)


def test_nothing_is_charged_in_a_pause() -> None:
    assert isinstance(decide(view(), NOW), Charge)
    action = decide(view(pause=PAUSE), NOW)
    assert action == WaitUntil(None, "its collection is paused: pays by transfer")


def test_a_pause_ends_by_itself() -> None:
    paused = view(pause=replace(PAUSE, until=NOW + HOUR))
    assert decide(paused, NOW) == WaitUntil(NOW + HOUR, "its collection is paused: pays by transfer", attempt=True)
    assert isinstance(decide(replace(paused, read_at=NOW + HOUR), NOW + HOUR), Charge)


def test_a_pause_exhausts_nothing() -> None:
    overdue = view(invoice(due_date=NOW + HOUR), attempts=declined_at(30, 1))
    assert isinstance(decide(overdue, NOW), OpenCase)
    assert isinstance(decide(replace(overdue, pause=PAUSE), NOW), WaitUntil)
    assert project(replace(overdue, pause=PAUSE)) == "retrying"


def test_money_that_is_held_is_recorded_in_a_pause() -> None:
    assert isinstance(decide(holding(pause=PAUSE), NOW), Tag | Record)


def test_an_unknown_end_is_asked_for_in_a_pause_and_not_sent_again() -> None:
    unknown = attempt("unknown", lookups=3, resolve_at=NOW - SECOND)
    assert decide(view(attempts=(unknown,)), NOW) == Resolve("att_1", "replay")
    assert decide(view(attempts=(unknown,), pause=PAUSE), NOW) == Resolve("att_1", "lookup")


def test_a_processor_that_does_not_answer_is_waited_for() -> None:
    again = NOW + timedelta(seconds=30)
    silent = view(methods=(replace(METHOD, usable_from=again),), attempts=declined_at(25))
    assert decide(silent, NOW) == WaitUntil(again, NOT_ANSWERING, waits_for=WaitsFor.PROCESSOR)
    assert isinstance(decide(replace(silent, read_at=again), again), Charge)


@pytest.mark.parametrize(
    ("obstacle", "told"),
    [
        ({"pause": PAUSE}, "paused: pays by transfer"),
        ({"methods": (replace(METHOD, usable_from=NOW + HOUR),)}, NOT_ANSWERING),
        ({"methods": (replace(METHOD, minimum=5000),)}, "takes 50.00 EUR or more"),
        ({"methods": (replace(METHOD, maximum=5),)}, "takes 0.05 EUR or less"),
        ({"methods": (replace(METHOD, agreed_maximum=5),)}, "has agreed to 0.05 EUR at once, and 10.00 EUR are due"),
    ],
)
def test_a_wish_that_nobody_would_heed_is_refused_with_its_reason(obstacle: dict[str, object], told: str) -> None:
    collect_now.refuse(view(), NOW)
    with pytest.raises(NotNowError, match=told):
        collect_now.refuse(view(**obstacle), NOW)


def test_a_wish_in_a_pause_of_stripes_is_refused() -> None:
    paused = replace(view().subscription, paused_since=NOW - DAY)  # type: ignore[type-var]
    with pytest.raises(NotNowError, match="its subscription is paused"):
        collect_now.refuse(view(subscription=paused), NOW)
