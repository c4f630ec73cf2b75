"""What people ask for by hand: a try now, and a payment that came without a processor."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from db.states import Collector, CreditNoteOrigin, HandOverState
from gateway.accounts.errors import FieldError
from gateway.domain.actions import (
    Charge,
    ConfirmRecording,
    CreditRest,
    EndVoiding,
    OpenCase,
    Read,
    Record,
    Tag,
    Void,
    WaitUntil,
)
from gateway.domain.billed import RECEIPT_KEY, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import decide
from gateway.domain.policy import Policy
from gateway.domain.recovery import Exhausted, TryAt, TryNow, next_try
from gateway.domain.view import HandOverView, InvoiceView, Pause, ReceiptView
from gateway.finance.errors import AlreadyRunningError, NotNowError
from gateway.finance.record_payment import Receipt, refuse_another
from gateway.finance.record_payment import refuse as refuse_payment
from gateway.finance.void import refuse as refuse_void
from processors.money import Money
from tests.domain.views import DAY, DUE, HOUR, METHOD, NOW, attempt, declined_at, invoice, recording, view

RECEIPT = ReceiptView("mov_1", DUE)
NAMED = {RECEIPT_KEY: "mov_1"}


def asked(one: InvoiceView) -> InvoiceView:
    return replace(one, asked=True)


def received(**changes: object) -> InvoiceView:
    """An open invoice whose payment somebody recorded by hand."""
    return replace(view(receipts=(RECEIPT,), held_money=DUE), **changes)


def test_a_try_by_hand_does_not_wait_for_the_ladder() -> None:
    one = view(attempts=declined_at(1))
    assert isinstance(next_try(one, NOW), TryAt)
    assert next_try(asked(one), NOW) == TryNow(METHOD, "operator")
    assert isinstance(decide(asked(one), NOW), Charge)


def test_it_uses_a_step_and_there_are_no_more_than_the_ladder_has() -> None:
    assert isinstance(next_try(asked(view(attempts=declined_at(1, 2, 3, 4))), NOW), Exhausted)


def test_after_the_due_date_only_somebody_starts_a_try() -> None:
    one = view(invoice(due_date=NOW - DAY), attempts=declined_at(200))
    assert isinstance(next_try(one, NOW), Exhausted)
    assert next_try(asked(one), NOW) == TryNow(METHOD, "operator")


def test_one_a_day() -> None:
    by_hand = attempt("declined", 1, sent_at=NOW - 23 * HOUR, by_hand=True)
    assert isinstance(next_try(asked(view(attempts=(by_hand,))), NOW), TryAt)
    assert isinstance(next_try(asked(view(attempts=(by_hand,))), NOW + 2 * HOUR), TryNow)


def test_the_processors_own_time_is_kept() -> None:
    told = attempt("not_sent", 1, retry_after=NOW + HOUR)
    assert isinstance(next_try(asked(view(attempts=(told,))), NOW), TryAt)


def test_somebody_may_start_again_what_was_rejected() -> None:
    rejected = tuple(attempt("rejected", n, sent_at=NOW - (4 - n) * HOUR) for n in (1, 2, 3))
    assert isinstance(next_try(view(attempts=rejected), NOW), Exhausted)
    assert next_try(asked(view(attempts=rejected)), NOW) == TryNow(METHOD, "operator")


def test_a_receipt_is_named_then_recorded_and_nothing_is_charged() -> None:
    assert decide(received(), NOW) == Tag("mov_1", receipt=True)
    named = received(invoice=invoice(metadata=NAMED))
    assert decide(named, NOW) == Record("mov_1", DUE, receipt=True)


def test_a_receipt_whose_recording_was_lost_is_confirmed() -> None:
    told = recording("unknown", "mov_1")
    one = received(invoice=invoice("paid", metadata=NAMED), recordings=(told,))
    assert decide(one, NOW) == ConfirmRecording(told.id)


@pytest.mark.parametrize("status", ["paid", "void", "uncollectible"])
def test_a_receipt_that_no_invoice_takes_is_put_before_a_human(status: str) -> None:
    action = decide(received(invoice=invoice(status)), NOW)
    assert isinstance(action, OpenCase)
    assert action.kind is CaseKind.OVERPAID


def test_a_recorded_receipt_holds_nothing() -> None:
    told = recording("recorded", "mov_1")
    one = received(invoice=invoice("paid", metadata=NAMED), recordings=(told,), held_money=0)
    assert not isinstance(decide(one, NOW), OpenCase | Tag | Record)


def test_a_receipt_that_is_less_than_what_is_due_by_now() -> None:
    one = received(held_money=DUE - 1)
    assert decide(one, NOW) == CreditRest(CreditNoteOrigin.PARTIAL, 1, 1, then="bill")
    assert isinstance(decide(replace(one, open_cases={CaseKind.PARTIAL_CAPTURE}), NOW), WaitUntil)


def test_a_try_by_hand_looks_first() -> None:
    one = view(attempts=declined_at(1), read_at=NOW - timedelta(minutes=1))
    assert decide(asked(one), NOW) == Read()


WANTED_VOID = {"void_asked": True}


def test_what_somebody_wants_void_is_voided_after_a_last_look() -> None:
    one = view(attempts=declined_at(1), **WANTED_VOID)
    assert decide(one, NOW) == Void()
    assert decide(replace(one, read_at=NOW - timedelta(minutes=1)), NOW) == Read()


@pytest.mark.parametrize("status", ["uncollectible", "open"])
def test_a_pause_holds_up_nobodys_own_decision(status: str) -> None:
    one = view(invoice(status), pause=Pause("promised", NOW - DAY), **WANTED_VOID)
    assert decide(one, NOW) == Void()


@pytest.mark.parametrize("state", ["pending", "unknown", "requires_action"])
def test_nothing_is_voided_while_an_attempt_is_unresolved(state: str) -> None:
    one = view(attempts=(attempt(state),), **WANTED_VOID)
    assert not isinstance(decide(one, NOW), Void)
    with pytest.raises(NotNowError, match="how it ends must be known first"):
        refuse_void(replace(one, void_asked=False))


@pytest.mark.parametrize("status", ["open", "uncollectible"])
@pytest.mark.parametrize("payment", [StripePayment.PROCESSING, StripePayment.PAID])
def test_what_is_to_be_void_waits_for_a_payment_on_stripes_page(status: str, payment: StripePayment) -> None:
    one = view(invoice(status, stripe_payment=payment), attempts=declined_at(1), **WANTED_VOID)
    step = decide(one, NOW)
    assert isinstance(step, WaitUntil)
    assert (step.at, step.attempt) == (NOW + timedelta(hours=1), False)


def test_a_wish_ends_once_it_is_void() -> None:
    assert decide(view(invoice("void"), attempts=declined_at(1), **WANTED_VOID), NOW) == EndVoiding("")


ENDED_WISHES = {
    "paid": ({"billed": invoice("paid"), "attempts": declined_at(1)}, "the invoice is paid in Stripe"),
    "paid by money of ours": (
        {"billed": invoice("paid"), "attempts": (attempt("succeeded"),), "held_money": DUE},
        "the invoice is paid in Stripe",
    ),
    "opted out": ({"opted_out": True}, "it is not collected here: the customer has opted out"),
}


@pytest.mark.parametrize("name", ENDED_WISHES)
def test_what_can_not_be_voided_any_more_is_told_before_it_is_forgotten(name: str) -> None:
    changes, why = ENDED_WISHES[name]
    assert decide(view(**WANTED_VOID, **changes), NOW) == EndVoiding(why)


def test_of_what_is_to_be_void_no_rest_is_charged_nor_billed_anew() -> None:
    part = {"attempts": (attempt("succeeded", captured=DUE - 300),), "held_money": DUE - 300}
    for partial_payment in ("top_up", "split"):
        one = view(**WANTED_VOID, **part, policy=Policy(partial_payment=partial_payment))
        step = decide(one, NOW)
        assert isinstance(step, OpenCase)
        assert step.kind is CaseKind.PARTIAL_CAPTURE


NOT_TO_BE_VOIDED = {
    "paid": ({"billed": invoice("paid")}, "the invoice is paid in Stripe"),
    "a draft": ({"billed": invoice("draft")}, "the invoice is draft in Stripe"),
    "paid at Stripe just now": (
        {"billed": invoice(stripe_payment=StripePayment.PROCESSING)},
        "Stripe itself is collecting",
    ),
    "held money": ({"held_money": 1}, "money for it is held"),
    "Stripe's to pay": ({"collector": Collector.STRIPE}, "void it in Stripe"),
    "an unconfirmed checkout": ({"hold": "held"}, "a checkout that is not confirmed"),
}


@pytest.mark.parametrize("name", NOT_TO_BE_VOIDED)
def test_why_an_invoice_is_not_voided(name: str) -> None:
    changes, why = NOT_TO_BE_VOIDED[name]
    with pytest.raises(NotNowError, match=why):
        refuse_void(view(**changes))


RECORDED_BEFORE = Money(5000, "eur")


@pytest.mark.parametrize(
    ("amount", "due", "day"),
    [
        (None, None, NOW),
        (None, 5000, NOW),
        (5000, None, NOW),
        (5000, 11900, NOW),
        (5000, None, NOW.replace(hour=1)),
    ],
)
def test_the_same_payment_told_again_is_the_same(amount: int | None, due: int | None, day: datetime) -> None:
    refuse_another(Receipt("bank_transfer", "line 4", day, "seen", amount, due), RECORDED_BEFORE, NOW)


@pytest.mark.parametrize(
    ("amount", "due", "day"),
    [(6900, None, NOW), (6900, 5000, NOW), (None, 6900, NOW), (5000, None, NOW - DAY), (None, None, NOW - DAY)],
)
def test_another_payment_under_its_reference_is_told_apart(amount: int | None, due: int | None, day: datetime) -> None:
    with pytest.raises(FieldError, match=r"50\.00 EUR of 1 Mar 2027, which is recorded"):
        refuse_another(Receipt("bank_transfer", "line 4", day, "seen", amount, due), RECORDED_BEFORE, NOW)


HANDED_OVER = {"wanted": True, "sending": True, "done": False, "declined": False, "withdrawn": False}


@pytest.mark.parametrize(("state", "refused"), HANDED_OVER.items())
def test_no_payment_is_recorded_while_stripe_is_asked_to_charge(state: str, refused: bool) -> None:
    handed = HandOverView("hov_1", HandOverState(state), "")
    one = view(collector=Collector.STRIPE, hand_over=handed)
    with pytest.raises(NotNowError, match="Stripe is being asked") if refused else nullcontext():
        refuse_payment(one)


def test_a_payment_of_what_is_about_to_be_void_is_recorded_only_beside_money_that_keeps_it_from_that() -> None:
    with pytest.raises(AlreadyRunningError, match="about to be voided"):
        refuse_payment(view(**WANTED_VOID))
    refuse_payment(view(attempts=(attempt("succeeded"),), held_money=DUE - 300, **WANTED_VOID))
