"""`decide_refund`: what is next for money on its way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from db.states import Approval, CreditNoteState, RefundOrigin, RefundPartState, RefundState
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind
from gateway.domain.noting import NoteView
from gateway.domain.refund_view import PartView, RefundView
from gateway.domain.refunds import (
    DrawUpNote,
    FindNote,
    IssueNote,
    PartUnknown,
    RefusePart,
    RefuseRefund,
    ResolvePart,
    SendPart,
    Spread,
    decide_refund,
    project_refund,
    settled_cases,
)
from processors.capabilities import Lookup
from processors.practice.client import PracticeAdapter
from processors.practice.manners import ADAPTERS

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def part(state: RefundPartState = RefundPartState.REQUESTED, **more: Any) -> PartView:
    wanted: dict[str, Any] = {"id": "rfp_1", "number": 1, "amount": 400, "sent_at": NOW - MINUTE} | more
    return PartView(
        state=state,
        capabilities=more.pop("capabilities", PracticeAdapter.capabilities),
        **{name: value for name, value in wanted.items() if name != "capabilities"},
    )


def view(*parts: PartView, **more: Any) -> RefundView:
    wanted: dict[str, Any] = {"id": "rfd_1", "origin": RefundOrigin.REQUEST, "amount": 400, "wants_note": True} | more
    return RefundView(parts=parts, created_at=NOW - MINUTE, **wanted)


WANTED, ISSUED = NoteView("crn_1", CreditNoteState.WANTED, 400), NoteView("crn_1", CreditNoteState.ISSUED, 400, 1)
SUCCEEDED = part(RefundPartState.SUCCEEDED)


@pytest.mark.parametrize(
    ("seen", "action"),
    [
        (view(refundable=400), Spread()),
        (view(part()), DrawUpNote()),
        (view(part(), note=WANTED), SendPart("rfp_1")),
        (view(part(), wants_note=False), SendPart("rfp_1")),
        (view(part(room=-1), note=WANTED), RefusePart("rfp_1", "exceeds_capture")),
        (view(part(room=-1, disputed=True), note=WANTED), RefusePart("rfp_1", "dispute_open")),
        (view(part(RefundPartState.SENDING), note=WANTED), PartUnknown("rfp_1")),
        (view(part(RefundPartState.UNKNOWN), note=WANTED), ResolvePart("rfp_1", replay=False)),
        (view(SUCCEEDED, note=WANTED), IssueNote(400)),
        (view(SUCCEEDED), DrawUpNote()),
        (view(SUCCEEDED, note=ISSUED), WaitUntil(None, "done")),
        (view(SUCCEEDED, wants_note=False), WaitUntil(None, "done")),
    ],
)
def test_step_by_step(seen: RefundView, action: object) -> None:
    assert decide_refund(seen, NOW) == action


def test_nothing_is_sent_before_somebody_approves() -> None:
    waiting = view(part(), note=WANTED, approval=Approval.WAITING)
    assert isinstance(decide_refund(waiting, NOW), WaitUntil)
    assert decide_refund(replace(waiting, approval=Approval.GIVEN), NOW) == SendPart("rfp_1")


def test_it_waits_for_the_payment() -> None:
    waiting = view(awaits_capture=True, invoice_status="open")
    assert isinstance(decide_refund(waiting, NOW), WaitUntil)
    assert project_refund(waiting) is RefundState.DEFERRED
    failed = decide_refund(replace(waiting, awaits_capture=False), NOW)
    assert isinstance(failed, RefuseRefund)
    assert failed.failure == "not_captured"
    told = decide_refund(replace(waiting, awaits_capture=False, refundable=400), NOW)
    assert isinstance(told, WaitUntil)
    assert told.at is None


def test_more_than_is_left_is_refused() -> None:
    refused = decide_refund(view(refundable=399), NOW)
    assert isinstance(refused, RefuseRefund)
    assert refused.failure == "exceeds_refundable"


def test_a_lost_note_is_looked_for_before_another_is_made() -> None:
    lost = NoteView("crn_1", CreditNoteState.UNKNOWN, 400, 1, NOW)
    assert isinstance(decide_refund(view(SUCCEEDED, note=lost), NOW), WaitUntil)
    assert decide_refund(view(SUCCEEDED, note=lost), NOW + 2 * MINUTE) == FindNote()


@pytest.mark.parametrize(
    ("state", "kind", "after"),
    [
        (RefundPartState.UNKNOWN, CaseKind.REFUND_UNKNOWN, 2 * DAY),
        (RefundPartState.PENDING, CaseKind.REFUND_PENDING_TOO_LONG, 90 * DAY),
        (RefundPartState.REQUESTED, CaseKind.REFUND_NOT_SENT, 2 * DAY),
        (RefundPartState.FAILED, CaseKind.REFUND_FAILED, MINUTE),
        (RefundPartState.REFUSED, CaseKind.REFUND_REFUSED, MINUTE),
    ],
)
def test_a_human_is_asked_once(state: RefundPartState, kind: CaseKind, after: timedelta) -> None:
    stuck = part(state, sent_at=NOW - after, lookups=9, retry_after=NOW + MINUTE)
    asked = decide_refund(view(stuck, note=WANTED), NOW)
    assert isinstance(asked, OpenCase)
    assert asked.kind is kind
    rests = decide_refund(view(stuck, note=WANTED, open_cases=frozenset({kind})), NOW)
    assert not isinstance(rests, OpenCase)
    assert not settled_cases(view(stuck, note=WANTED, open_cases=frozenset({kind}))), "it is not over"


def test_cases_are_over_when_the_money_is_back() -> None:
    kinds = frozenset(
        {CaseKind.REFUND_UNKNOWN, CaseKind.REFUND_PENDING_TOO_LONG, CaseKind.REFUND_NOT_SENT, CaseKind.REFUND_FAILED}
    )
    assert settled_cases(view(SUCCEEDED, open_cases=kinds)) == kinds


STATES = st.sampled_from(RefundPartState)


@st.composite
def views(draw: st.DrawFn) -> RefundView:
    """Anything that a refund's rows can hold."""
    at = st.one_of(st.none(), st.integers(-4000, 4000).map(lambda minutes: NOW + timedelta(minutes=minutes)))
    parts = tuple(
        part(
            draw(STATES),
            id=f"rfp_{number}",
            number=number,
            amount=draw(st.integers(1, 500)),
            room=draw(st.integers(-5, 5)),
            lookups=draw(st.integers(0, 9)),
            looked_at=draw(at),
            sent_at=NOW - draw(st.integers(0, 100)) * DAY,
            resolve_at=draw(at),
            retry_after=draw(at),
            capabilities=draw(st.sampled_from([one.capabilities for one in ADAPTERS])),
            external=draw(st.booleans()),
        )
        for number in range(1, draw(st.integers(0, 3)) + 1)
    )
    note = draw(st.one_of(st.none(), st.sampled_from(CreditNoteState).map(lambda s: NoteView("crn_1", s, 400, 1, NOW))))
    return view(
        *parts,
        amount=draw(st.integers(1, 900)),
        wants_note=draw(st.booleans()),
        note=note,
        approval=draw(st.sampled_from(Approval)),
        failure=draw(st.sampled_from(["", "denied", "made_elsewhere", "credit_note_refused"])),
        awaits_capture=draw(st.booleans()),
        refundable=draw(st.integers(0, 900)),
        invoice_status=draw(st.sampled_from(["open", "paid", "void", "uncollectible"])),
        open_cases=draw(st.frozensets(st.sampled_from([kind for kind in CaseKind if kind.startswith("refund")]))),
    )


@given(views())
def test_whatever_the_rows_say(seen: RefundView) -> None:
    action = decide_refund(seen, NOW)
    by_id = {one.id: one for one in seen.parts}
    match action:
        case SendPart(part=id_):
            sent = by_id[id_]
            assert sent.state is RefundPartState.REQUESTED
            assert sent.room >= 0
            assert seen.approval is not Approval.WAITING
            assert not seen.wants_note or seen.note is not None
        case ResolvePart(part=id_, replay=replay):
            asked = by_id[id_]
            assert asked.state in (RefundPartState.UNKNOWN, RefundPartState.PENDING)
            assert not replay or (not asked.external and asked.room >= 0)
            assert replay or asked.capabilities.lookup is not Lookup.NONE
        case IssueNote(amount=amount):
            assert amount == seen.returned > 0
            assert seen.wants_note
        case Spread():
            assert not seen.parts
            assert seen.refundable >= seen.amount
        case OpenCase(kind=kind):
            assert kind not in seen.open_cases
        case WaitUntil(at=at):
            assert at is None or at > NOW
    assert project_refund(seen) in RefundState


@given(views())
def test_recorded_means_returned_and_credited(seen: RefundView) -> None:
    state = project_refund(seen)
    if state is RefundState.RECORDED:
        assert seen.returned >= seen.amount
        assert seen.note is not None
        assert seen.note.state is CreditNoteState.ISSUED
    if state in (RefundState.SUCCEEDED, RefundState.RECORDED):
        assert seen.missing <= 0
