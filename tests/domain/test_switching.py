"""Who collects what was switched: the order of a subscription's wishes, and an invoice between two collectors."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from db.states import Collector, Ends, HandOverState
from gateway.domain.actions import Charge, Done, GiveDraft, PayAtStripe, Read, TakeInvoice, WaitUntil
from gateway.domain.decide import decide, not_ours
from gateway.domain.recovery import next_try
from gateway.domain.session import Rest
from gateway.domain.subscription import (
    ENDED,
    EndIt,
    GiveToStripe,
    HasEnded,
    LookAtMethod,
    ReadSubscription,
    RefuseSwitch,
    SubscriptionState,
    SwitchWish,
    TakeFromStripe,
    TakeInvoices,
    Wish,
    decide_subscription,
    undone_by,
)
from gateway.domain.switching import seen_as_ours
from gateway.domain.view import HandOverView
from tests.domain.views import DAY, INVOICE, METHOD, NOW, view

END, TO_STRIPE, TO_US = (
    Wish("can_1", Ends.NOW),
    SwitchWish("swt_1", Collector.STRIPE),
    SwitchWish("swt_1", Collector.GATEWAY),
)
STRIPES = replace(INVOICE, collection_method="charge_automatically", auto_advance=True, due_date=None)
LET_GO = replace(STRIPES, auto_advance=False)


@pytest.mark.parametrize(
    ("state", "step"),
    [
        ({"wish": END, "switch": TO_STRIPE}, EndIt(END)),
        ({"wish": END, "switch": TO_STRIPE, "ended": True}, HasEnded(END)),
        ({"switch": TO_STRIPE, "ended": True}, RefuseSwitch(TO_STRIPE, ENDED)),
        ({"switch": TO_STRIPE, "schedule": "sub_sched_1"}, RefuseSwitch(TO_STRIPE, undone_by("sub_sched_1"))),
        ({"switch": TO_US, "schedule": "sub_sched_1"}, TakeFromStripe(TO_US)),
        ({"switch": TO_STRIPE, "stale": True}, LookAtMethod(TO_STRIPE)),
        ({"switch": replace(TO_STRIPE, halfway=True)}, GiveToStripe(replace(TO_STRIPE, halfway=True))),
        ({"switch": TO_US}, TakeFromStripe(TO_US)),
        ({"switch": replace(TO_US, halfway=True)}, TakeInvoices(replace(TO_US, halfway=True))),
        ({"stale": True}, ReadSubscription()),
        ({}, Rest()),
    ],
)
def test_an_end_comes_before_a_switch_and_each_step_in_its_turn(state: dict[str, Any], step: object) -> None:
    assert decide_subscription(SubscriptionState(**({"stale": False} | state)), NOW) == step


@pytest.mark.parametrize("invoice", [STRIPES, replace(LET_GO, status="paid"), replace(LET_GO, status="draft")])
def test_only_what_stripe_does_not_advance_is_seen_as_ours(invoice: Any) -> None:
    assert seen_as_ours(invoice, NOW + DAY) is invoice


def test_what_stripe_has_let_go_of_is_due_some_day() -> None:
    ours = seen_as_ours(LET_GO, NOW + DAY)
    assert (ours.collection_method, ours.due_date) == ("send_invoice", NOW + DAY)


@pytest.mark.parametrize("status", ["draft", "open"])
@pytest.mark.parametrize("advanced", [True, False])
def test_stripe_is_told_before_anything_is_charged(status: Any, advanced: bool) -> None:
    """Also where it does not advance the invoice by chance: only its answer to us confirms it."""
    wanted = view(replace(STRIPES, status=status, auto_advance=advanced), collector=Collector.GATEWAY)
    assert decide(wanted, NOW) == TakeInvoice()
    assert isinstance(decide(replace(wanted, collector=None), NOW), Done)


def test_one_that_was_taken_and_is_advanced_again_is_stripes() -> None:
    again = view(STRIPES, collector=Collector.GATEWAY, taken=True)
    assert "turned that on again" in not_ours(again)
    assert isinstance(decide(again, NOW), Done)


def test_the_subscriptions_own_method_goes_first() -> None:
    first, own = METHOD, replace(METHOD, id="pm_own", position=5, own=True)
    assert next_try(view(methods=(first, own)), NOW).method is own  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("state", "fresh", "step"),
    [
        (HandOverState.WANTED, True, PayAtStripe),
        (HandOverState.SENDING, True, PayAtStripe),
        (HandOverState.WANTED, False, Read),
        (HandOverState.WITHDRAWN, True, WaitUntil),
    ],
)
def test_what_is_handed_over_is_paid_by_stripe(state: HandOverState, fresh: bool, step: type) -> None:
    read_at = NOW if fresh else NOW - DAY
    handed = view(collector=Collector.STRIPE, hand_over=HandOverView("hov_1", state), read_at=read_at)
    assert isinstance(decide(handed, NOW), step)
    assert isinstance(decide(replace(handed, collector=None, read_at=NOW), NOW), Charge)


def test_a_draft_is_stripes_to_charge() -> None:
    draft = view(replace(INVOICE, status="draft"), collector=Collector.STRIPE)
    assert decide(draft, NOW) == GiveDraft()
