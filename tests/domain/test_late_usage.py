"""How long a draft that bills usage waits for usage that is late."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from gateway.domain.actions import Finalize, Read, WaitUntil
from gateway.domain.decide import decide
from gateway.domain.policy import Policy
from gateway.domain.view import InvoiceView, SubscriptionView
from tests.domain.views import HOUR, NOW, invoice, view

MINUTE = timedelta(minutes=1)


def draft(**changes: object) -> InvoiceView:
    """One of a moment ago."""
    billed = invoice("draft", created=NOW, finalizes_at=NOW + HOUR, bills_usage=True)
    return replace(view(billed), **changes)  # type: ignore[arg-type]


def waits_until(one: InvoiceView) -> object:
    step = decide(one, NOW)
    assert isinstance(step, WaitUntil)
    assert step.reason.startswith("late usage still counts")
    return step.at


def test_it_is_left_to_stripe_which_counts_once_more() -> None:
    assert waits_until(draft()) == NOW + HOUR + 5 * MINUTE


def test_should_its_event_be_lost_stripe_is_asked_and_not_too_often() -> None:
    later = NOW + HOUR + 5 * MINUTE
    assert decide(draft(), later) == Read()
    held_up = draft(read_at=later)
    assert decide(held_up, later) == WaitUntil(later + HOUR, "late usage still counts until Stripe finalizes it")
    assert decide(held_up, later + HOUR) == Read()


def test_an_account_may_finalize_it_earlier() -> None:
    one = draft(policy=Policy(usage_grace_minutes=20), read_at=NOW + 20 * MINUTE)
    assert waits_until(one) == NOW + 20 * MINUTE
    assert decide(one, NOW + 20 * MINUTE) == Finalize()
    assert decide(draft(policy=Policy(usage_grace_minutes=0)), NOW) == Finalize()


@pytest.mark.parametrize(
    ("stands", "finalized"),
    [({"auto_advance": False}, True), ({"finalizes_at": None}, True), ({}, False)],
    ids=["cancelled at once", "left by Stripe", "ended with its period"],
)
@pytest.mark.parametrize("policy", ["at_once", "leave"])
def test_the_last_one_waits_only_where_stripe_finalizes_it(stands: Any, finalized: bool, policy: Any) -> None:
    billed = replace(draft().invoice, **stands)  # type: ignore[type-var]
    subscription = SubscriptionView("canceled", ended_at=NOW)
    ended = draft(invoice=billed, subscription=subscription, policy=Policy(finalize=policy))
    assert (decide(ended, NOW) == Finalize()) == finalized


def test_one_that_a_pause_has_kept_waits_for_nothing_more() -> None:
    assert decide(draft(kept_in_pause=True), NOW) == Finalize()
