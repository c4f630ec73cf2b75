"""What becomes of a dispute, case by case: nothing is credited while it is open, and what is gone in the end once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from db.states import CreditNoteState, DisputeState
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import REPAIR, CaseKind
from gateway.domain.dispute_news import News, dispute_news
from gateway.domain.dispute_view import DisputeView
from gateway.domain.disputes import ITS_OWN, credit_reason, decide_dispute, grounds, outdated
from gateway.domain.news import NEWS_FOR
from gateway.domain.news_types import NewsType
from gateway.domain.noting import DrawUpNote, FindNote, IssueNote, NoteView

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
ALL = frozenset(ITS_OWN - {CaseKind.CREDIT_NOTE_REFUSED})


def view(state: str, gone: int = 0, **more: Any) -> DisputeView:
    """A dispute of 10.00 EUR about a payment of as much; a human knows of all that there is to know."""
    told: dict[str, Any] = {"withdrawn": gone, "withdrawals": int(gone > 0), "room": 1000, "answered_cases": ALL} | more
    return DisputeView("dsp_1", "pdp_1", DisputeState(state), 1000, "eur", NOW, gone, **told)


def note(state: str, amount: int = 1000, tries: int = 1) -> NoteView:
    return NoteView("crn_1", CreditNoteState(state), amount, tries, NOW)


TABLE: dict[str, tuple[DisputeView, Any]] = {
    "an inquiry": (view("inquiry"), "the payer asks; no money is held"),
    "opened": (view("opened"), "the processor decides"),
    "money withdrawn": (view("funds_withdrawn", 1000), "the processor decides"),
    "won": (view("won"), "done"),
    "won after it was credited": (view("won", credited=1000), "done"),
    "lost": (view("lost", 1000), DrawUpNote()),
    "lost, drawn up": (view("lost", 1000, note=note("wanted")), IssueNote(1000)),
    "lost, the answer to the note lost": (view("lost", 1000, note=note("unknown")), "Stripe's answer was lost"),
    "lost, the maker of the note gone": (view("lost", 1000, note=note("sending")), "Stripe's answer was lost"),
    "won while a note was being made": (view("won", note=note("unknown")), "Stripe's answer was lost"),
    "lost, credited": (view("lost", 1000, credited=1000), "done"),
    "lost again, of which less was credited": (view("lost", 1000, credited=400), DrawUpNote()),
    "lost in part": (view("partly_lost", 400, note=note("wanted", 400)), IssueNote(400)),
    "closed, nothing gone": (view("closed"), "done"),
    "closed, all gone": (view("closed", 1000), DrawUpNote()),
    "lost after a full refund": (view("lost", 1000, room=0), "done"),
    "lost after a refund in part": (view("lost", 1000, room=600, note=note("wanted", 600)), IssueNote(600)),
    "lost, of money that paid nothing": (view("lost", 1000, of_surplus=True), "done"),
    "lost, a refund under way": (view("lost", 1000, refund_open=True), "a refund of the same payment is under way"),
    "lost, Stripe not told of the payment": (
        view("lost", 1000, invoice_status="open"),
        "Stripe is about to be told of the payment",
    ),
    "lost, not all moves known": (
        view("lost", 1000, withdrawn=400),
        "the processor has not told of every move of its money yet",
    ),
    "lost, no note possible": (
        view("lost", 1000, failure="credit_note_refused", open_cases=frozenset({"credit_note_refused"})),
        "a human was asked",
    ),
    "lost, no note possible, nobody asked yet": (
        view("lost", 1000, failure="credit_note_refused"),
        OpenCase(CaseKind.CREDIT_NOTE_REFUSED, "Stripe takes no credit note"),
    ),
    "lost, tried again": (
        view("lost", 1000, answered_cases=frozenset({"credit_note_refused", "dispute_lost"})),
        DrawUpNote(),
    ),
}


@pytest.mark.parametrize("case", TABLE)
def test_the_next_step(case: str) -> None:
    given, wanted = TABLE[case]
    found = decide_dispute(given, NOW)
    assert (found.reason if isinstance(found, WaitUntil) else found) == wanted


def test_a_note_whose_answer_was_lost_is_looked_for() -> None:
    assert decide_dispute(view("lost", 1000, note=note("unknown")), NOW + timedelta(minutes=1)) == FindNote()


CASES: dict[str, tuple[DisputeView, set[str]]] = {
    "an inquiry": (view("inquiry"), {"dispute_inquiry"}),
    "opened": (view("opened"), {"dispute_opened"}),
    "money withdrawn": (view("funds_withdrawn", 1000), {"dispute_opened"}),
    "won": (view("won"), set()),
    "won, and the money has not come back": (view("won", 1000), {"dispute_opened"}),
    "lost and credited": (view("lost", 1000, credited=1000), {"dispute_lost"}),
    "lost in part": (view("partly_lost", 400, credited=400), set()),
    "closed, all gone": (view("closed", 1000, credited=1000), {"dispute_lost"}),
    "closed, nothing gone": (view("closed"), set()),
    "won after it was credited": (view("won", credited=1000), {"dispute_recovered"}),
    "refunded and disputed": (
        view("funds_withdrawn", 1000, over=400, returned=400),
        {"dispute_opened", "overpaid_to_customer"},
    ),
    "its note voided": (view("lost", 1000, credited=1000, voided=True), {"dispute_lost", "credit_note_voided"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_a_human_must_look_at(case: str) -> None:
    given, wanted = CASES[case]
    assert set(grounds(given, NOW)) == wanted
    everything = replace(given, open_cases=frozenset(ITS_OWN))
    assert outdated(everything, NOW) == ITS_OWN - wanted, "the others are over"


def test_moves_that_never_come_are_a_case_after_a_day() -> None:
    unclear = view("lost", 1000, withdrawn=400)
    assert "dispute_unclear" not in grounds(unclear, NOW + timedelta(hours=23))
    assert "dispute_unclear" in grounds(unclear, NOW + timedelta(hours=24))


def test_a_case_says_where_and_by_when_to_answer_and_what_to_answer() -> None:
    given = view(
        "opened",
        evidence_due_by=NOW + timedelta(days=14),
        reason="product_not_received",
        evidence_url="https://processor.example/dispute/1",
        refunded=("rfd_1",),
        returned=1000,
        answered_cases=frozenset(),
    )
    found = decide_dispute(given, NOW)
    assert isinstance(found, OpenCase)
    for said in (
        "10.00 EUR, saying “product not received”",
        "15 Mar 2027",
        "https://processor.example/dispute/1",
        "already refunded (rfd_1)",
    ):
        assert said in found.reason
    assert given.processor_id not in found.reason, "it stands on the dispute's page"
    assert all(kind in REPAIR for kind in ITS_OWN)


@pytest.mark.parametrize(
    ("said", "reason"),
    [("fraudulent", "fraudulent"), ("10.4 Fraud - card absent", "fraudulent"), ("UNAUTHORISED", "fraudulent")]
    + [(other, "") for other in ("", "general", "product_not_received", "duplicate")],
)
def test_the_notes_reason(said: str, reason: str) -> None:
    assert credit_reason(said) == reason


NEWS = {
    "an inquiry": (view("inquiry"), (NewsType.DISPUTE_OPENED, "inquiry")),
    "opened": (view("opened"), (NewsType.DISPUTE_OPENED, "1")),
    "money withdrawn": (view("funds_withdrawn", 1000), (NewsType.DISPUTE_OPENED, "1")),
    "won": (view("won", withdrawals=1), (NewsType.DISPUTE_WON, "1")),
    "reopened": (view("funds_withdrawn", 1000, withdrawals=2), (NewsType.DISPUTE_OPENED, "2")),
    "lost": (view("lost", 1000, withdrawals=2), (NewsType.DISPUTE_LOST, "2")),
    "lost in part": (view("partly_lost", 400), (NewsType.DISPUTE_PARTLY_LOST, "1")),
    "closed, nothing gone": (view("closed"), (NewsType.DISPUTE_CLOSED, "1")),
    "closed, all gone": (view("closed", 1000), (NewsType.DISPUTE_LOST, "1")),
    "closed, a part gone": (view("closed", 400), (NewsType.DISPUTE_PARTLY_LOST, "1")),
}


@pytest.mark.parametrize("case", NEWS)
def test_what_the_merchant_is_told_once(case: str) -> None:
    given, (type_, step) = NEWS[case]
    assert dispute_news(given, NOW) == News(type_, step)
    assert dispute_news(replace(given, announced=frozenset({f"{type_} {step}"})), NOW) is None
    assert dispute_news(given, NOW + NEWS_FOR) is None, "what happened long ago is no news"


AMOUNTS = st.integers(0, 1500)
NOTES = st.none() | st.builds(note, st.sampled_from(["wanted", "sending", "unknown", "refused"]), st.integers(1, 1000))


@given(
    st.builds(
        view,
        st.sampled_from([state.value for state in DisputeState]),
        st.integers(-1000, 1500),
        withdrawn=AMOUNTS,
        room=st.integers(-1000, 1000),
        credited=AMOUNTS,
        note=NOTES,
        refund_open=st.booleans(),
        of_surplus=st.booleans(),
        invoice_status=st.sampled_from(["open", "paid", "void"]),
        open_cases=st.frozensets(st.sampled_from(sorted(ITS_OWN))),
    )
)
def test_no_more_is_credited_than_is_gone_and_the_clock_moves_on(of: DisputeView) -> None:
    found = decide_dispute(of, NOW)
    if isinstance(found, IssueNote | DrawUpNote):
        assert of.has_ended
        assert of.state is not DisputeState.WON
        assert of.is_clear
    if isinstance(found, IssueNote):
        assert 0 < found.amount + of.credited <= min(of.gone, of.room)
    if isinstance(found, WaitUntil):
        assert found.at is None or found.at > NOW
    if isinstance(found, OpenCase):
        assert found.kind not in of.open_cases
