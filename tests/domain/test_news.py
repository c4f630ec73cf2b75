"""What the merchant should have been told of an invoice, case by case."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from msgspec.structs import replace

from db.states import MovementKind
from gateway.domain.news import NEWS_FOR, WHAT, WHY, News, news, next_news_at
from gateway.domain.news_types import FailureNews, NewsType, PaidNews
from gateway.domain.policy import Policy
from gateway.domain.recovery import plan
from gateway.domain.view import InvoiceView, Pause, ReturnView, SubscriptionView
from processors.outcome import Advice, DeclineClass
from tests.domain.strategies import views
from tests.domain.views import (
    DAY,
    DUE_DATE,
    HOUR,
    METHOD,
    NOW,
    VIEW,
    attempt,
    declined_at,
    holding,
    invoice,
    recording,
    tagged,
    view,
)

SOFT: dict[str, Any] = {"decline_class": DeclineClass.INSUFFICIENT_FUNDS, "advice": Advice.RETRY_LATER}
HARD: dict[str, Any] = {"decline_class": DeclineClass.LOST_STOLEN, "advice": Advice.NEVER}
GONE: dict[str, Any] = {"decline_class": DeclineClass.REVOKED, "advice": Advice.NEW_PAYMENT_METHOD}
PAUSED = SubscriptionView("active", paused_since=NOW - DAY)


def told(view: InvoiceView, now: datetime = NOW) -> list[str]:
    """The last parts of the types, in order."""
    return [one.type.rpartition(".")[2] for one in news(view, now)]


def failure(view: InvoiceView) -> FailureNews:
    [data] = [one.data for one in news(view, NOW) if isinstance(one.data, FailureNews)]
    return data


SOON, LATE = DUE_DATE - 2 * DAY, DUE_DATE + HOUR
FAILED = view(attempts=declined_at(1, **SOFT))

TABLE: dict[str, tuple[InvoiceView, datetime, list[str]]] = {
    "nothing has happened": (VIEW, NOW, []),
    "it is not known yet": (replace(VIEW, invoice=None), NOW, []),
    "a draft": (view(invoice("draft")), NOW, []),
    "voided": (view(invoice("void")), NOW, []),
    "declined": (FAILED, NOW, ["payment_failed"]),
    "declined twice, the first never told": (view(attempts=declined_at(25, 1, **SOFT)), NOW, ["payment_failed"]),
    "declined for good: one mail says both": (
        view(attempts=declined_at(1, **HARD), methods=()), NOW, ["payment_failed"],
    ),
    "declined, and then the method was withdrawn": (
        view(attempts=declined_at(1, **SOFT), methods=()), NOW, ["payment_failed", "payment_method_needed"],
    ),
    "declined, and the account wants to hear from the second on": (
        replace(FAILED, policy=Policy(tell_after_declines=2)), NOW, [],
    ),
    "declined twice, and the account wants to hear from the second on": (
        view(attempts=declined_at(25, 1, **SOFT), policy=Policy(tell_after_declines=2)), NOW, ["payment_failed"],
    ),
    "declined for good before the account wants to hear of it": (
        view(attempts=declined_at(1, **HARD), methods=(), policy=Policy(tell_after_declines=3)),
        NOW,
        ["payment_failed"],
    ),
    "the agreement was gone": (view(attempts=declined_at(1, **GONE), methods=()), NOW, ["payment_method_needed"]),
    "the agreement was gone, and the next method's turn has come": (
        view(attempts=declined_at(1, **GONE), methods=(replace(METHOD, id="pm_2"),)), NOW, [],
    ),
    "declined while its checkout is under way": (replace(FAILED, hold="released"), NOW, []),
    "declined, and its checkout leaves it to the ladder": (
        replace(FAILED, hold="released", policy=Policy(first_decline="retry")), NOW, ["payment_failed"],
    ),
    "declined, and its checkout has ended": (replace(FAILED, abandoned=True), NOW, []),
    "declined, and paid before anybody looked": (
        view(invoice("paid"), attempts=declined_at(1, **SOFT)), NOW, ["paid"],
    ),
    "declined, and the next try is on its way": (
        view(attempts=(*declined_at(25, **SOFT), attempt("pending", 2))), NOW, [],
    ),
    "never left us": (view(attempts=(attempt("not_sent"),)), NOW, []),
    "refused as a request": (view(attempts=(attempt("rejected"),)), NOW, []),
    "no method": (view(methods=()), NOW, ["payment_method_needed"]),
    "the payer has agreed to less": (view(methods=(replace(METHOD, agreed_maximum=5),)), NOW, [
        "payment_method_needed",
    ]),
    "the payer has agreed to less, in a pause of ours": (
        view(methods=(replace(METHOD, agreed_maximum=5),), pause=Pause("pays by transfer", NOW)), NOW, [],
    ),
    "no method, and the customer is deleted": (view(methods=(), customer_deleted=True), NOW, []),
    "no method, in a pause": (view(methods=(), subscription=PAUSED), NOW, []),
    "no method, and nothing to be paid": (view(invoice(amount_remaining=0), methods=()), NOW, []),
    "the payer must act": (view(attempts=(attempt("requires_action"),)), NOW, ["action_required"]),
    "due soon": (VIEW, SOON, ["due_soon"]),
    "due soon, and a debit is under way": (view(attempts=(attempt("pending"),)), SOON, []),
    "due soon, and the money is here": (holding(), SOON, []),
    "due from its first day": (view(invoice(created=DUE_DATE - DAY)), SOON + DAY, []),
    "overdue": (VIEW, LATE, ["overdue"]),
    "overdue, and Stripe collects it": (view(invoice(collection_method="charge_automatically")), LATE, []),
    "overdue, and not ours": (view(opted_out=True), LATE, []),
    "paid": (view(invoice("paid")), NOW, ["paid"]),
    "paid, and not ours": (view(invoice("paid"), opted_out=True), NOW, []),
    "given up": (view(invoice("uncollectible", uncollectible_at=NOW - HOUR)), NOW, ["given_up"]),
    "taken back, and open again": (view(attempts=(attempt("reversed"),)), NOW, ["payment_reversed"]),
    "taken back after it was paid": (
        view(invoice("paid"), attempts=(attempt("reversed"),)), NOW, ["payment_reversed", "paid"],
    ),
    "refunded": (
        view(invoice("paid"), returns=(ReturnView("mov_1", MovementKind.REFUND, 400, NOW),)), NOW, ["refunded", "paid"],
    ),
    "disputed": (
        view(invoice("paid"), returns=(ReturnView("mov_1", MovementKind.DISPUTE_WITHDRAWN, 1000, NOW),)),
        NOW,
        ["disputed", "paid"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLE)
def test_what_is_told(case: str) -> None:
    of, now, expected = TABLE[case]
    assert told(of, now) == expected


@pytest.mark.parametrize("case", TABLE)
def test_what_was_told_is_not_told_again(case: str) -> None:
    of, now, _ = TABLE[case]
    again = replace(of, announced=frozenset(one.key for one in news(of, now)))
    assert news(again, now) == ()
    assert news(again, now + HOUR) == ()


@pytest.mark.parametrize("case", TABLE)
def test_old_news_is_no_news(case: str) -> None:
    of, now, _ = TABLE[case]
    assert {"due_soon", "overdue"}.isdisjoint(told(of, now + NEWS_FOR + 12 * DAY))
    for one in news(of, now):
        assert one.since <= now
        later = news(of, one.since + NEWS_FOR)
        assert one.key not in {other.key for other in later}


def test_each_failed_try_is_a_step_of_its_own() -> None:
    first = news(FAILED, NOW)[0]
    second = view(attempts=declined_at(25, 1, **SOFT), announced=frozenset({first.key}))
    assert [one.step for one in news(second, NOW)] == ["att_2"]


def test_a_failure_says_why_and_what_comes_next() -> None:
    data = failure(FAILED)
    assert data.reason == "there was not enough money on the account; it may work later"
    assert data.next_attempt == int((NOW + 23 * HOUR).timestamp())
    assert data.next_attempt_reason == "try 2 of 4"
    assert (data.attempt_number, data.last_chance, data.payment_method_needed) == (1, False, False)


def test_before_the_last_step_of_the_ladder_it_is_the_last_chance() -> None:
    assert failure(view(attempts=declined_at(73, 49, 1, **SOFT))).last_chance


def test_after_the_last_step_no_try_is_promised() -> None:
    data = failure(view(attempts=declined_at(121, 97, 49, 1, **SOFT)))
    assert (data.next_attempt, data.last_chance, data.payment_method_needed) == (None, False, False)


def test_a_hard_decline_asks_for_another_method() -> None:
    data = failure(view(attempts=declined_at(1, **HARD), methods=()))
    assert data.payment_method_needed
    assert data.next_attempt is None


def test_a_payment_says_how_it_came() -> None:
    ours = view(
        tagged(invoice("paid")), attempts=(attempt("succeeded"),), recordings=(recording("recorded"),)
    )  # fmt: skip
    by_hand = view(invoice("paid"))
    shown = [one.data for of in (ours, by_hand) for one in news(of, NOW) if isinstance(one.data, PaidNews)]
    assert [(one.how, one.attempt) for one in shown] == [("ours", "att_1"), ("by_hand", None)]


def test_a_new_due_date_is_a_new_step() -> None:
    before = news(VIEW, SOON)
    moved = view(invoice(due_date=DUE_DATE + 7 * DAY), announced=frozenset(one.key for one in before))
    assert news(moved, SOON) == ()
    assert [one.type for one in news(moved, SOON + 7 * DAY)] == [NewsType.DUE_SOON]


def test_the_clock_alone_brings_due_soon_and_then_overdue() -> None:
    assert next_news_at(VIEW, NOW) == DUE_DATE - 3 * DAY
    assert next_news_at(VIEW, DUE_DATE - 3 * DAY) == DUE_DATE
    assert next_news_at(VIEW, DUE_DATE) is None


@pytest.mark.parametrize("of", [view(invoice("paid")), view(opted_out=True), replace(VIEW, abandoned=True)])
def test_of_what_needs_no_telling_nobody_is_woken(of: InvoiceView) -> None:
    assert next_news_at(of, NOW) is None


def test_the_reminder_follows_the_policy() -> None:
    none = replace(VIEW, policy=replace(VIEW.policy, due_soon_days=0))
    assert told(none, SOON) == []
    assert next_news_at(none, NOW) == DUE_DATE
    week = replace(VIEW, policy=replace(VIEW.policy, due_soon_days=7))
    assert next_news_at(week, NOW) == DUE_DATE - 7 * DAY


def test_every_decline_has_its_words() -> None:
    assert set(WHY) == set(DeclineClass)
    assert set(WHAT) == set(Advice)


def test_a_new_method_ends_the_need() -> None:
    needed = view(methods=())
    assert told(replace(needed, methods=(METHOD,))) == []
    assert timedelta(0) <= NOW - news(needed, NOW)[0].since


def the_same(of: InvoiceView, told: tuple[News, ...]) -> InvoiceView:
    return replace(of, announced=frozenset(one.key for one in told))


@given(views())
def test_whatever_an_invoice_is_like_its_news_are_told_once_and_the_clock_moves_on(of: InvoiceView) -> None:
    told = news(of, NOW)
    assert len({one.key for one in told}) == len(told)
    assert news(the_same(of, told), NOW) == ()
    at = next_news_at(of, NOW)
    assert at is None or at > NOW
    for one in told:
        assert one.since <= NOW
        assert of.invoice is not None
        if one.type in (NewsType.PAYMENT_FAILED, NewsType.PAYMENT_METHOD_NEEDED, NewsType.OVERDUE):
            assert of.invoice.status == "open"
            assert of.wanted > 0
            assert of.unresolved is None


def test_the_last_try_of_a_shorter_plan_is_the_last_chance_too() -> None:
    """An invoice that is due soon has fewer tries than the ladder has steps, and no step behind the last one."""
    billed = invoice(created=NOW - 26 * HOUR, due_date=NOW + 50 * HOUR)
    shorter = view(billed, attempts=declined_at(25, 1, **SOFT), known_since=NOW - 26 * HOUR)
    [only] = plan(shorter, NOW).tries
    assert only.last, "the plan says so"
    assert failure(shorter).next_attempt == int(only.at.timestamp())
    assert failure(shorter).last_chance
