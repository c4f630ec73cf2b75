"""A checkout session, walked over its states."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from db.states import AttemptState, InvoiceState, SessionState
from gateway.domain.policy import Policy
from gateway.domain.session import PAYING_WAIT, Fail, NextStep, Rest, SessionView, Step, decide_session
from tests.domain.views import NOW, SECOND

EXPIRES = NOW + timedelta(hours=24)

NEW = SessionView(state=SessionState.CREATING, policy=Policy(), expires_at=EXPIRES)
MADE = replace(NEW, customer="cus_1", subscription="sub_1", invoice="in_1", invoice_status="draft")
HELD = replace(MADE, held=True, invoice_state=InvoiceState.DRAFT)
OPEN = replace(HELD, state=SessionState.OPEN)
CONFIRMED = replace(OPEN, state=SessionState.PROCESSING)
STORED = replace(CONFIRMED, payment_method="pm_1")
COLLECTING = replace(STORED, told_stripe=True, invoice_status="open", invoice_state=InvoiceState.DUE)
FAILED = replace(COLLECTING, state=SessionState.FAILED)


def step(view: SessionView, now: Any = NOW, **changes: Any) -> NextStep:
    return decide_session(replace(view, **changes), now)


# --- one after the other -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("view", "then"),
    [
        (NEW, Step.CREATE_CUSTOMER),
        (replace(NEW, customer="cus_1"), Step.CREATE_SUBSCRIPTION),
        (MADE, Step.HOLD_DRAFT),
        (HELD, Step.OPEN),
        (replace(HELD, confirm_at_once=True), Step.CONFIRM),
        (OPEN, Rest(EXPIRES)),
        (CONFIRMED, Step.COMPLETE_SETUP),
        (STORED, Step.TELL_STRIPE),
        (COLLECTING, Rest(EXPIRES)),
        (replace(COLLECTING, invoice_state=InvoiceState.PAID), Step.COMPLETE),
        (replace(COLLECTING, state=SessionState.COMPLETE), Rest()),
    ],
)
def test_the_way_to_a_paid_invoice(view: SessionView, then: NextStep) -> None:
    assert decide_session(view, NOW) == then


@pytest.mark.parametrize("status", ["open", "paid", ""])
def test_what_is_no_draft_is_not_held(status: str) -> None:
    """A free plan's invoice is paid at once; metered plans begin without any."""
    assert step(MADE, invoice_status=status) is Step.OPEN


# --- the end that is wished for ------------------------------------------------------------------------------------


def test_paid_behind_our_back_is_complete_even_when_expired() -> None:
    assert step(OPEN, now=EXPIRES, invoice_state=InvoiceState.PAID) is Step.COMPLETE


@pytest.mark.parametrize(
    "state", [InvoiceState.CHARGING, InvoiceState.PENDING, InvoiceState.UNKNOWN, InvoiceState.CAPTURED]
)
def test_while_money_is_on_its_way_it_waits_beyond_its_expiry(state: InvoiceState) -> None:
    assert step(COLLECTING, now=EXPIRES + timedelta(days=5), invoice_state=state) == Rest()


def test_paid_behind_our_back_after_confirm_is_complete_too() -> None:
    assert step(CONFIRMED, now=EXPIRES, invoice_state=InvoiceState.PAID) is not Step.EXPIRE


# --- failing -------------------------------------------------------------------------------------------------------


def test_a_first_decline_fails_it_by_policy() -> None:
    declined = replace(COLLECTING, attempt=AttemptState.DECLINED, invoice_state=InvoiceState.RETRYING)
    assert decide_session(declined, NOW) == Fail("payment_declined", "the first charge was declined")
    assert step(declined, policy=Policy(first_decline="retry")) == Rest(EXPIRES)
    assert step(declined, now=EXPIRES, policy=Policy(first_decline="retry")) == Rest()


def test_an_exhausted_ladder_fails_it() -> None:
    assert isinstance(failed := step(COLLECTING, invoice_state=InvoiceState.EXHAUSTED), Fail)
    assert failed.code == "payment_failed"


@pytest.mark.parametrize("state", [InvoiceState.UNCOLLECTIBLE, InvoiceState.CLOSED])
def test_an_invoice_closed_in_stripe_fails_it(state: InvoiceState) -> None:
    assert isinstance(failed := step(COLLECTING, invoice_state=state, invoice_status="void"), Fail)
    assert failed.code == "invoice_closed"


def test_a_payer_who_must_act_has_until_its_expiry() -> None:
    acting = replace(COLLECTING, attempt=AttemptState.REQUIRES_ACTION, invoice_state=InvoiceState.PENDING)
    assert decide_session(acting, NOW) == Rest(EXPIRES)
    assert decide_session(acting, EXPIRES - SECOND) == Rest(EXPIRES)
    assert isinstance(decide_session(acting, EXPIRES), Fail)


@pytest.mark.parametrize(
    "attempt", [s for s in AttemptState if s not in (AttemptState.DECLINED, AttemptState.REQUIRES_ACTION)]
)
def test_no_other_outcome_of_an_attempt_fails_it(attempt: AttemptState) -> None:
    """What was never sent, or refused as such, is tried again; what is unknown is never a failure (law 4)."""
    assert step(COLLECTING, attempt=attempt) == Rest(EXPIRES)


@pytest.mark.parametrize("state", [InvoiceState.NEEDS_PAYMENT_METHOD, InvoiceState.NOT_OURS])
@pytest.mark.parametrize("first_decline", ["fail", "retry"])
def test_what_can_not_be_collected_ends_with_the_session(state: InvoiceState, first_decline: Any) -> None:
    stuck = replace(COLLECTING, invoice_state=state, policy=Policy(first_decline=first_decline))
    assert decide_session(stuck, EXPIRES - SECOND) == Rest(EXPIRES)
    assert isinstance(failed := decide_session(stuck, EXPIRES), Fail)
    assert failed.code == "not_collected"


@pytest.mark.parametrize("state", [InvoiceState.DRAFT, InvoiceState.DUE])
def test_what_was_never_tried_ends_with_it_unless_the_ladder_takes_over(state: InvoiceState) -> None:
    waiting = replace(COLLECTING, invoice_state=state)
    assert isinstance(decide_session(waiting, EXPIRES), Fail)
    assert step(waiting, now=EXPIRES, policy=Policy(first_decline="retry")) == Rest()


def test_one_that_was_never_made_expires() -> None:
    assert decide_session(NEW, EXPIRES) is Step.EXPIRE


def test_nothing_is_ended_on_an_old_word() -> None:
    """A payment that no webhook told us of: the invoice is read before its subscription goes."""
    assert step(OPEN, now=EXPIRES, seen_lately=False) is Step.READ_INVOICE
    assert step(FAILED, seen_lately=False) is Step.READ_INVOICE
    assert step(FAILED, seen_lately=False, invoice="") is Step.CANCEL_SUBSCRIPTION


@pytest.mark.parametrize("view", [OPEN, CONFIRMED])
def test_without_a_payment_method_it_expires(view: SessionView) -> None:
    assert decide_session(view, EXPIRES) is Step.EXPIRE
    assert decide_session(view, EXPIRES - SECOND) is not Step.EXPIRE


# --- cleaning up ---------------------------------------------------------------------------------------------------


def test_a_failed_one_is_cleaned_up_in_order() -> None:
    view, walked = replace(FAILED, method_is_only_ours=True), []
    does: dict[NextStep, dict[str, Any]] = {
        Step.CANCEL_SUBSCRIPTION: {"subscription_ended": True},
        Step.CLOSE_INVOICE: {"invoice_status": "uncollectible", "invoice_state": InvoiceState.UNCOLLECTIBLE},
        Step.REVOKE_METHOD: {"method_is_only_ours": False},
        Step.FINISH_CLEANUP: {"cleanup_done": True},
    }
    while (then := decide_session(view, NOW)) != Rest():
        walked.append(then)
        view = replace(view, **does[then])
    assert walked == list(does)


def test_an_expired_draft_is_closed_in_two_calls() -> None:
    expired = replace(OPEN, state=SessionState.EXPIRED, subscription_ended=True)
    assert decide_session(expired, NOW) is Step.CLOSE_INVOICE
    assert step(expired, invoice_status="open", invoice_state=InvoiceState.DUE) is Step.CLOSE_INVOICE
    assert step(expired, invoice_status="void", invoice_state=InvoiceState.CLOSED) is Step.FINISH_CLEANUP


def test_a_set_up_that_was_never_confirmed_is_dropped() -> None:
    over = replace(OPEN, state=SessionState.EXPIRED, subscription_ended=True, invoice_status="void")
    assert step(over, drop_setups_at=NOW) is Step.DROP_SETUP
    assert step(over, drop_setups_at=None) is Step.FINISH_CLEANUP


@pytest.mark.parametrize("state", [SessionState.COMPLETE, SessionState.FAILED, SessionState.EXPIRED])
def test_a_set_up_that_may_still_be_completed_is_looked_at_later(state: SessionState) -> None:
    """The payer has two windows open, pays in one, and enters a card in the other the day after."""
    over = replace(OPEN, state=state, cleanup_done=True)
    assert step(over, drop_setups_at=NOW) is Step.DROP_SETUP
    assert step(over, drop_setups_at=EXPIRES) == Rest(EXPIRES)
    assert step(over, drop_setups_at=None) == Rest()


def test_one_that_failed_before_it_made_anything_has_nothing_to_end() -> None:
    assert step(NEW, state=SessionState.FAILED) is Step.FINISH_CLEANUP


def test_a_subscription_whose_answer_was_lost_is_looked_for() -> None:
    """Law 11: it may stand at Stripe, and bill for ever."""
    lost = replace(NEW, state=SessionState.EXPIRED, customer="cus_1")
    assert decide_session(lost, NOW) is Step.FIND_SUBSCRIPTION
    assert step(lost, looked_for_subscription=True) is Step.FINISH_CLEANUP
    assert step(lost, looked_for_subscription=True, subscription="sub_1") is Step.CANCEL_SUBSCRIPTION


@pytest.mark.parametrize("state", [InvoiceState.CHARGING, InvoiceState.PENDING, InvoiceState.UNKNOWN])
@pytest.mark.parametrize("session", [SessionState.FAILED, SessionState.EXPIRED])
def test_nothing_is_ended_while_an_attempt_is_unresolved(session: SessionState, state: InvoiceState) -> None:
    """Law 7: also not after years. The invoice's own rules withdraw the attempt; its state pokes the session."""
    assert step(FAILED, state=session, invoice_state=state) == Rest()


def test_a_subscription_whose_invoice_got_paid_is_not_cancelled() -> None:
    assert step(FAILED, invoice_state=InvoiceState.PAID, invoice_status="paid") is not Step.CANCEL_SUBSCRIPTION


# --- all of it -----------------------------------------------------------------------------------------------------


def everything() -> list[SessionView]:
    dimensions: dict[str, tuple[Any, ...]] = {
        "state": tuple(SessionState),
        "customer": ("", "cus_1"),
        "subscription": ("", "sub_1"),
        "invoice_status": ("", "draft", "open", "paid", "void"),
        "payment_method": ("", "pm_1"),
        "told_stripe": (False, True),
        "invoice_state": (None, *InvoiceState),
        "attempt": (None, *AttemptState),
        "seen_lately": (False, True),
    }
    return [replace(NEW, **dict(zip(dimensions, one, strict=True))) for one in product(*dimensions.values())]


@pytest.mark.parametrize("now", [NOW, EXPIRES], ids=["in_time", "expired"])
def test_every_combination_has_a_next_step_that_fits_its_state(now: Any) -> None:
    ending = {
        Step.FIND_SUBSCRIPTION,
        Step.CANCEL_SUBSCRIPTION,
        Step.CLOSE_INVOICE,
        Step.DROP_SETUP,
        Step.REVOKE_METHOD,
        Step.FINISH_CLEANUP,
    }
    for one in everything():
        then = decide_session(one, now)
        over = one.state in (SessionState.FAILED, SessionState.EXPIRED)
        assert (then in ending) <= over, f"{then} in {one}"
        if isinstance(then, Fail):
            assert one.state is SessionState.PROCESSING
        if then is Step.COMPLETE:
            assert one.is_paid or not one.invoice
        if one.is_paid:
            assert then is not Step.CANCEL_SUBSCRIPTION
            assert not isinstance(then, Fail)
        if then is Step.EXPIRE:
            assert now >= EXPIRES
        if isinstance(then, Rest) and then.at is not None:
            assert then.at > now, f"waits for what has passed: {one}"


def test_a_card_checkout_that_was_switched_to_stripes_page_ends_as_one_there() -> None:
    """No end while its payer pays there, and the page is closed before the subscription is cancelled."""
    late = EXPIRES + timedelta(hours=1)
    assert step(COLLECTING, late, on_page=True, paying=True) == Rest(late + PAYING_WAIT)
    assert step(COLLECTING, late, on_page=True) is Step.EXPIRE
    assert step(FAILED, late, on_page=True) is Step.CLOSE_INVOICE
