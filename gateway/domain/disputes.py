"""`decide_dispute`: from everything that is true of a dispute, the one next step. Pure.

While it is open nothing is credited: the money may come back. What is gone when it has ended is credited, once; a
dispute may be reopened, so what stands is compared with what is gone each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from db.states import CreditNoteState, DisputeState
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind
from gateway.domain.dispute_view import DisputeView
from gateway.domain.noting import NoteStep, note_step
from gateway.domain.times import moment
from processors.money import to_text

UNCLEAR_CASE_AFTER: Final = timedelta(days=1)
LOOK_AGAIN: Final = timedelta(minutes=10)
"""What is waited for pokes the dispute; where that is lost, the clock does."""
ITS_OWN: Final = frozenset(
    {
        CaseKind.CREDIT_NOTE_REFUSED,
        CaseKind.CREDIT_NOTE_VOIDED,
        CaseKind.DISPUTE_INQUIRY,
        CaseKind.DISPUTE_LOST,
        CaseKind.DISPUTE_OPENED,
        CaseKind.DISPUTE_RECOVERED,
        CaseKind.DISPUTE_UNCLEAR,
        CaseKind.OVERPAID_TO_CUSTOMER,
    }
)
"""Cases that close themselves once their ground is gone."""

DisputeAction: TypeAlias = NoteStep


def decide_dispute(view: DisputeView, now: datetime) -> DisputeAction:
    """The next step for a dispute at business time `now`."""
    asked = view.told_cases
    for kind, reason in grounds(view, now).items():
        if kind is not CaseKind.CREDIT_NOTE_REFUSED and kind not in asked:
            return OpenCase(kind, reason)
    if view.note is not None and view.note.state in (CreditNoteState.SENDING, CreditNoteState.UNKNOWN):
        return note_step(view.note, view.to_credit, asked, now)
    if view.state is DisputeState.INQUIRY:
        return WaitUntil(None, "the payer asks; no money is held")
    if view.is_open:
        return WaitUntil(None, "the processor decides")
    if not view.is_clear:
        return WaitUntil(_unclear_at(view, now), "the processor has not told of every move of its money yet")
    if view.invoice_status == "open" and not view.of_surplus:
        return WaitUntil(now + LOOK_AGAIN, "Stripe is about to be told of the payment")
    if view.gone > 0 and view.refund_open:
        return WaitUntil(now + LOOK_AGAIN, "a refund of the same payment is under way")
    if not view.to_credit:
        return WaitUntil(None, "done")
    if view.failure:
        kind = CaseKind.CREDIT_NOTE_REFUSED
        waits = WaitUntil(None, "a human was asked")
        return waits if kind in asked else OpenCase(kind, "Stripe takes no credit note")
    return note_step(view.note, view.to_credit, asked, now)


def grounds(view: DisputeView, now: datetime) -> Mapping[CaseKind, str]:
    """What a human must look at now, and why; the others of `ITS_OWN` are over."""
    found: dict[CaseKind, str] = {}
    if view.state is DisputeState.INQUIRY:
        found[CaseKind.DISPUTE_INQUIRY] = f"the payer asks about {_told(view)}{_evidence(view)}"
    elif view.is_open:
        found[CaseKind.DISPUTE_OPENED] = f"the payer disputes {_told(view)}{_evidence(view)}"
    elif view.state is DisputeState.WON and view.gone > 0:
        found[CaseKind.DISPUTE_OPENED] = f"won, and {_money(view, view.gone)} has not come back yet"
    elif view.is_lost:
        found[CaseKind.DISPUTE_LOST] = f"lost: {_told(view)}"
    if view.over > 0:
        what = f"{_money(view, view.returned)} refunded and {_money(view, view.gone)} withdrawn for a dispute"
        found[CaseKind.OVERPAID_TO_CUSTOMER] = f"{what}: {_money(view, view.over)} more than was captured"
    if view.has_ended and view.credited > max(view.gone, 0):
        more = view.credited - max(view.gone, 0)
        found[CaseKind.DISPUTE_RECOVERED] = f"{_money(view, more)} came back after it was credited"
    if view.voided and view.gone > 0:
        found[CaseKind.CREDIT_NOTE_VOIDED] = "the money is gone, and the credit note was voided"
    if view.has_ended and not view.is_clear and now >= _unclear_at(view, now):
        gone, said = _money(view, view.gone), _money(view, view.withdrawn)
        found[CaseKind.DISPUTE_UNCLEAR] = (
            f"the processor says that {said} is gone, and told of moves that come to {gone}"
        )
    if view.to_credit:
        found[CaseKind.CREDIT_NOTE_REFUSED] = "Stripe takes no credit note"
    return found


def outdated(view: DisputeView, now: datetime) -> frozenset[CaseKind]:
    """Open cases whose ground is gone."""
    stands = grounds(view, now)
    return frozenset(kind for kind in ITS_OWN if kind in view.open_cases and kind not in stands)


def credit_reason(reason: str) -> str:
    """What Stripe's credit note gives as its reason, for what the processor gives as the dispute's.

    Only what is said in so many words; processors have a hundred codes, and Stripe four reasons.
    """
    said = reason.lower()
    return "fraudulent" if any(word in said for word in ("fraud", "unauthorized", "unauthorised")) else ""


def _unclear_at(view: DisputeView, now: datetime) -> datetime:
    # A processor's clock may be ahead of ours.
    return min(view.told_at, now) + UNCLEAR_CASE_AFTER


def _told(view: DisputeView) -> str:
    why = f", saying “{view.reason.replace('_', ' ')}”" if view.reason else ""
    return f"{_money(view, view.amount)}{why}"


def _evidence(view: DisputeView) -> str:
    due = f"; to be answered by {moment(view.evidence_due_by)}" if view.evidence_due_by else ""
    where = f" at {view.evidence_url}" if view.evidence_url else ""
    back = ""
    if view.refunded:
        back = f"; {_money(view, view.returned)} of it was already refunded ({', '.join(view.refunded)}): say so"
    return f"{due}{where}{back}"


def _money(view: DisputeView, amount: int) -> str:
    return to_text(amount, view.currency)
