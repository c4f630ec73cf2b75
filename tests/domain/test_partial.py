"""Less or more than an invoice wants: any history of it, and the order of its steps."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from db.states import (
    AttemptState,
    CarryState,
    CreditNoteOrigin,
    CreditNoteState,
    RecordingTarget,
    RefundOrigin,
    RemainderState,
)
from gateway.domain.actions import (
    Action,
    CarryOver,
    Charge,
    CreditBalance,
    CreditRest,
    Done,
    Finalize,
    FindCarry,
    FindRestNote,
    IssueRestNote,
    OpenCase,
    Record,
    Tag,
    WaitUntil,
)
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import decide
from gateway.domain.policy import Policy
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest
from gateway.domain.view import CarryRow, InvoiceView, LentView, RemainderRow
from tests.domain.laws import carried_out, check, run
from tests.domain.views import DAY, DUE, METHOD, NOW, attempt, holding, invoice, recording, view

MINUTE = timedelta(minutes=1)
REST = RemainderRow("rem_1", "in_0", DUE, RemainderState.ISSUED, issued_as="in_1")


def rest_note(amount: int = 400) -> CreditRest:
    return CreditRest(CreditNoteOrigin.PARTIAL, amount, 1, then="bill")


def test_what_is_missing_is_credited_before_the_rest_is_paid_and_billed_anew() -> None:
    rested, steps = run(holding(600), NOW)
    kinds = [type(step) for step in steps]
    assert kinds == [CreditRest, IssueRestNote, Tag, Record, IssueRest, LinkRest, Done]
    assert rested.remainders[0].amount == 400
    assert rested.open_cases == frozenset()


def test_a_small_difference_is_credited_and_not_billed() -> None:
    rested, steps = run(holding(990, policy=Policy(small_differences={"eur": 10})), NOW)
    assert [type(step) for step in steps] == [CreditRest, IssueRestNote, Tag, Record, Done]
    assert rested.remainders == ()


def test_the_rest_is_charged_first_where_that_is_the_policy() -> None:
    one = holding(600, policy=Policy(partial_payment="top_up"))
    assert decide(one, NOW) == Charge("pm_1", "con_1", 400, 2, "retry")
    assert isinstance(decide(replace(one, invoice=invoice(due_date=NOW)), NOW), CreditRest), "no try fits any more"


def test_a_second_part_is_asked_for_once_a_day() -> None:
    parts = (attempt("succeeded", captured=600), attempt("succeeded", 2, amount=400, captured=240))
    one = view(attempts=parts, held_money=840, policy=Policy(partial_payment="top_up"))
    assert isinstance(decide(one, NOW), WaitUntil)
    assert isinstance(decide(replace(one, read_at=NOW + DAY), NOW + DAY), Charge)


def test_a_note_whose_answer_was_lost_is_looked_for_before_another() -> None:
    drawn = carried_out(holding(600), rest_note(), NOW)
    lost = replace(drawn, notes=(replace(drawn.notes[0], state=CreditNoteState.UNKNOWN, sent_at=NOW, tries=1),))
    assert decide(lost, NOW) == WaitUntil(NOW + MINUTE, "Stripe's answer was lost")
    assert decide(lost, NOW + MINUTE) == FindRestNote("crn_1")
    # Stripe shows what it did: the payment goes first, and what bills the rest waits until the note is known to stand.
    paid = replace(lost, invoice=invoice("paid", amount_due=600, amount_paid=600), held_money=0)
    assert decide(paid, NOW + MINUTE) == FindRestNote("crn_1")


def test_more_money_changes_what_is_credited() -> None:
    drawn = carried_out(holding(600), rest_note(), NOW)
    more = replace(drawn, held_money=700)
    assert decide(more, NOW) == rest_note(300)


def test_what_stripe_refuses_to_credit_is_put_before_a_human() -> None:
    drawn = carried_out(holding(600), rest_note(), NOW)
    refused = replace(drawn, notes=(replace(drawn.notes[0], state=CreditNoteState.REFUSED, why="no"),))
    action = decide(refused, NOW)
    assert isinstance(action, OpenCase)
    assert action.kind is CaseKind.PARTIAL_CAPTURE


def test_the_draft_for_a_rest_is_finalized_only_where_it_comes_out_exactly() -> None:
    def on(total: int, *, plain: bool = False) -> Action:
        draft = invoice("draft", total=total, auto_advance=False)
        return decide(view(draft, rest_of=replace(REST, one_line=plain)), NOW)

    assert on(0) == FillRest("rem_1")
    assert on(DUE) == Finalize()
    assert on(DUE + 1) == EmptyRest("rem_1")
    assert isinstance(on(DUE + 1, plain=True), OpenCase)


def test_the_draft_for_a_rest_that_got_lost_is_looked_for() -> None:
    sent = replace(
        REST, state=RemainderState.SENDING, issued_as="", credited=True, tries=1, sent_at=NOW, invoice="in_1"
    )
    one = view(invoice("paid"), remainders=(sent,))
    assert isinstance(decide(one, NOW), WaitUntil)
    assert decide(one, NOW + MINUTE) == FindRest("rem_1")


def test_an_excess_becomes_the_customers_credit_once() -> None:
    rested, steps = run(holding(1300, policy=Policy(overpayment="customer_balance")), NOW)
    assert [type(step) for step in steps] == [Tag, Record, CreditBalance, Done]
    assert rested.held_money == 0
    assert run(rested, NOW)[1] == steps[-1:]


def test_what_is_too_little_to_be_charged_is_carried_over() -> None:
    dear = (replace(METHOD, minimum=DUE + 1),)
    rested, steps = run(view(methods=dear, policy=Policy(below_minimum="carry")), NOW)
    assert [type(step) for step in steps] == [CreditRest, IssueRestNote, CarryOver, Done]
    assert (rested.invoice and rested.invoice.status, rested.open_cases) == ("paid", frozenset())
    _, steps = run(view(methods=dear, policy=Policy(below_minimum="waive")), NOW)
    assert [type(step) for step in steps] == [CreditRest, IssueRestNote, Done]


def test_a_balance_whose_answer_was_lost_is_looked_for_and_a_refused_one_is_a_case() -> None:
    sent = CarryRow("car_1", 60, CarryState.SENDING, credited=True, tries=1, sent_at=NOW)
    paid = invoice("paid", amount_paid=0, pre_payment_credit=60)
    assert decide(view(paid, carries=(sent,)), NOW) == WaitUntil(NOW + MINUTE, "Stripe's answer was lost")
    assert decide(view(paid, carries=(sent,)), NOW + MINUTE) == FindCarry("car_1")
    assert isinstance(decide(view(paid, carries=(replace(sent, state=CarryState.REFUSED),)), NOW), OpenCase)
    uncredited = replace(sent, state=CarryState.WANTED, credited=False)
    assert isinstance(decide(view(paid, carries=(uncredited,)), NOW), Done), "its note does not stand"


def test_what_was_taken_back_is_credited_and_billed_anew() -> None:
    one = view(
        invoice("paid"),
        attempts=(attempt("reversed"),),
        recordings=(recording("recorded"),),
        held_money=-DUE,
        policy=Policy(on_reversal="reopen"),
    )
    rested, steps = run(one, NOW)
    assert [type(step) for step in steps] == [CreditRest, IssueRestNote, IssueRest, LinkRest, Done]
    assert rested.held_money == 0
    asked = decide(replace(one, policy=Policy()), NOW)
    assert isinstance(asked, OpenCase)
    assert asked.kind is CaseKind.CAPTURE_REVERSED


def test_money_that_comes_again_pays_what_was_billed_anew_and_is_not_returned() -> None:
    anew = view(rest_of=REST, lent=LentView("att_0", DUE))
    rested, steps = run(anew, NOW)
    assert steps[:2] == [Tag("att_0"), Record("att_0", DUE)]
    assert rested.attempts == ()
    before = view(invoice("paid"), recordings=(recording("recorded"),), held_money=DUE, reopened=True)
    assert isinstance(decide(before, NOW), WaitUntil)


def test_what_stripe_took_beside_us_is_put_before_a_human_once() -> None:
    def kind(billed: BilledInvoice) -> str:
        action = decide(view(billed, known_since=NOW - DAY), NOW)
        return action.kind if isinstance(action, OpenCase) else ""

    there = invoice("paid", stripe_payment=StripePayment.PAID)
    assert kind(there) == CaseKind.PAID_AT_STRIPE
    assert kind(invoice("paid", overpaid=500)) == CaseKind.OVERPAID_AT_STRIPE
    assert kind(replace(there, collection_method="charge_automatically")) == ""
    assert kind(replace(there, paid_at=NOW - 2 * DAY)) == "", "before we had heard of it"
    assert kind(invoice("paid")) == ""


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.integers(1, 150), min_size=1, max_size=8),
    st.sampled_from(["split", "top_up"]),
    st.sampled_from([{}, {"eur": 50}]),
    st.sampled_from(["return", "customer_balance", "case"]),
    st.integers(1, 5000),
)
def test_sums_agree_and_nothing_is_charged_twice(
    percents: list[int], partial: str, small: dict[str, int], over: str, due: int
) -> None:
    """Whatever part the processor takes each time: what came is what Stripe was told of, or goes back, or is a case."""
    policy = Policy(partial_payment=partial, small_differences=small, overpayment=over)  # type: ignore[arg-type]
    billed = invoice(amount_due=due, amount_remaining=due, total=due, due_date=NOW + 10 * DAY)
    one, now, parts = view(billed, policy=policy), NOW, iter([*percents, *[100] * 30])
    for _ in range(60):
        action = decide(one, now)
        check(one, action, now)
        if isinstance(action, Done) or (isinstance(action, WaitUntil) and action.at is None):
            break
        if isinstance(action, WaitUntil):
            assert action.at is not None
            now = action.at
            continue
        one = (
            _taken(carried_out(one, action, now), next(parts), now)
            if isinstance(action, Charge)
            else (carried_out(one, action, now))
        )
    assert one.invoice is not None
    captured = sum(a.captured for a in one.attempts)
    told = {target: sum(r.amount for r in one.recordings if r.target is target) for target in RecordingTarget}
    back = sum(r.amount for r in one.refunds if r.origin is RefundOrigin.SURPLUS)
    assert captured == sum(told.values()) + back + one.held_money
    assert one.held_money == 0 or CaseKind.OVERPAID in one.open_cases
    assert one.invoice.status == "paid"
    assert told[RecordingTarget.INVOICE] + one.invoice.pre_payment_credit == due
    anew = sum(rest.amount for rest in one.remainders)
    assert anew in (0, one.invoice.pre_payment_credit)
    assert anew or one.invoice.pre_payment_credit <= small.get("eur", 0)


def _taken(charged: InvoiceView, percent: int, now: datetime) -> InvoiceView:
    """The charge that was made took so many percent of what it was asked for."""
    *before, last = charged.attempts
    took = max(1, last.amount * percent // 100)
    done = replace(last, state=AttemptState.SUCCEEDED, captured=took, resolved_at=now, resolve_at=None)
    return replace(charged, attempts=(*before, done), held_money=charged.held_money + took)
