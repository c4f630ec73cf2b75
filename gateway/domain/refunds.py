"""`decide_refund`: from everything that is true of a refund, the one next step. Pure.

First what is on the wire and not known, then what is still to be sent, and only when the processor has confirmed, the
credit note: what Stripe shows as returned has been returned.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import TypeAlias

import msgspec

from db.states import Approval, CreditNoteState, RefundOrigin, RefundPartState, RefundState
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.noting import DrawUpNote, FindNote, IssueNote, note_step
from gateway.domain.refund_view import PartView, RefundView
from gateway.domain.resending import LOOKUPS_BEFORE_REPLAY, can_ask, replay_is_next

UNKNOWN_CASE_AFTER = timedelta(hours=24)
NOT_SENT_CASE_AFTER = timedelta(hours=24)
UNHEARD_AGAIN = tuple(timedelta(hours=hours) for hours in (1, 2, 4, 8, 16, 24, 24))
"""Waits after 1, 2, ... refusals because of a dispute that nobody has told of; after the last a human is asked."""
_NOT_MADE = frozenset({CreditNoteState.WANTED, CreditNoteState.REFUSED, CreditNoteState.VOID})
"""Where its own credit note is known not to stand."""


class Spread(msgspec.Struct, frozen=True):
    """Take it from the captures of its invoice: make its parts. No call."""


class RefuseRefund(msgspec.Struct, frozen=True):
    """It will not be made. No call."""

    failure: str
    message: str


class SendPart(msgspec.Struct, frozen=True):
    """Ask the processor to return one part."""

    part: str


class RefusePart(msgspec.Struct, frozen=True):
    """Don't ask: its capture has no room for it any more. No call."""

    part: str
    reason: str


class PartUnknown(msgspec.Struct, frozen=True):
    """The worker that sent this part is gone. No call."""

    part: str


class ResolvePart(msgspec.Struct, frozen=True):
    """Find out how a part ended: by asking, or by sending the stored bytes again under the same key."""

    part: str
    replay: bool


class AskForDisputes(msgspec.Struct, frozen=True):
    """Ask the processor that refused this part for the dispute because of which it did."""

    part: str


class TakeNote(msgspec.Struct, frozen=True):
    """A credit note that somebody made in Stripe is its own: none of ours is made. No call."""

    note: str


class AskWhich(msgspec.Struct, frozen=True):
    """Several may be: a human says of each whether it is, and none of them is carried out by itself. No call."""

    notes: tuple[str, ...]


RefundAction: TypeAlias = (
    Spread
    | RefuseRefund
    | DrawUpNote
    | SendPart
    | RefusePart
    | PartUnknown
    | ResolvePart
    | AskForDisputes
    | IssueNote
    | FindNote
    | TakeNote
    | AskWhich
    | OpenCase
    | WaitUntil
)


def decide_refund(view: RefundView, now: datetime) -> RefundAction:
    """The next step for a refund at business time `now`."""
    if (unknown := _first(view, RefundPartState.SENDING)) is not None:
        return PartUnknown(unknown.id)
    waits: list[WaitUntil] = []
    for part in view.parts:
        if part.state in (RefundPartState.UNKNOWN, RefundPartState.PENDING):
            step = _resolve(view, part, now)
            if not isinstance(step, WaitUntil):
                return step
            waits.append(step)
    if (note := view.denied_note) is not None:
        return ask_human(
            view, CaseKind.CREDIT_NOTE_DENIED, f"its refund was denied, and {note.stripe_id} says that it went"
        )
    if view.failure and not view.parts:
        return (
            ask_human(view, CaseKind.REFUND_REFUSED, view.failure) if _asks_human(view) else WaitUntil(None, "refused")
        )
    if view.approval is Approval.WAITING:
        if view.origin is RefundOrigin.STRIPE:
            # Whoever made the credit note there does not look here: a second person decides, and that is told to all.
            return ask_human(
                view, CaseKind.REFUND_WAITS, "a credit note in Stripe asks for more than one may return alone"
            )
        return WaitUntil(None, "waits for somebody to approve it")
    if view.approval is Approval.DENIED and not view.parts:
        return RefuseRefund("denied", "its approval was denied")
    if not view.parts:
        return _spread(view)
    if (unsent := _first(view, RefundPartState.REQUESTED)) is not None:
        return _send(view, unsent, now)
    if waits:
        return min(waits, key=lambda wait: (wait.at is None, wait.at))
    if (refused := view.turned_down) is not None:
        return _once_it_has_ended(view, refused, now)
    return _finish(view, now)


def project_refund(view: RefundView) -> RefundState:
    """Where a refund stands: recomputable from its parts and its credit note."""
    states = {part.state for part in view.parts}
    for one in (RefundPartState.UNKNOWN, RefundPartState.SENDING, RefundPartState.REQUESTED, RefundPartState.PENDING):
        if one in states:
            queued = one is RefundPartState.REQUESTED and view.is_queued
            return RefundState.DEFERRED if queued else RefundState(one)
    if not view.parts:
        if view.failure:
            return RefundState.REFUSED
        waits = view.awaits_capture or (view.wants_note and view.invoice_status == "open")
        return RefundState.DEFERRED if waits or view.is_queued else RefundState.REQUESTED
    if view.turned_down is not None:
        return RefundState.DEFERRED
    if view.missing > 0:
        return RefundState.FAILED if RefundPartState.FAILED in states else RefundState.REFUSED
    stands = view.note is not None and view.note.state is CreditNoteState.ISSUED
    return RefundState.RECORDED if stands else RefundState.SUCCEEDED


def settled_cases(view: RefundView) -> AbstractSet[str]:
    """The open cases about a refund that nobody needs to look at any more."""
    states = {part.state for part in view.parts}
    over: set[str] = set()
    if not states & {RefundPartState.UNKNOWN, RefundPartState.SENDING}:
        over.add(CaseKind.REFUND_UNKNOWN)
    if RefundPartState.PENDING not in states:
        over.add(CaseKind.REFUND_PENDING_TOO_LONG)
    if RefundPartState.REQUESTED not in states:
        over.add(CaseKind.REFUND_NOT_SENT)
    if view.returned >= view.amount:
        over |= {CaseKind.REFUND_FAILED, CaseKind.REFUND_REFUSED}
    if view.note is not None and view.note.state is CreditNoteState.ISSUED and view.returned <= view.note.amount:
        over.add(CaseKind.CREDIT_NOTE_REFUSED)
    if view.approval is not Approval.WAITING:
        over.add(CaseKind.REFUND_WAITS)
    if view.denied_note is None:
        over.add(CaseKind.CREDIT_NOTE_DENIED)
    return view.open_cases & over


def _first(view: RefundView, state: RefundPartState) -> PartView | None:
    return next((part for part in view.parts if part.state is state), None)


def _resolve(view: RefundView, part: PartView, now: datetime) -> RefundAction:
    """Law 4, for money that goes back."""
    if part.resolve_at is not None and part.resolve_at > now:
        return WaitUntil(part.resolve_at, f"part {part.number} is {part.state}")
    if part.external:
        return _ask(part, now)
    age, pending = now - part.first_sent_at, part.state is RefundPartState.PENDING
    if pending:
        late = age > part.capabilities.max_pending and (part.lookups > 0 or not can_ask(part))
        kind = CaseKind.REFUND_PENDING_TOO_LONG
    else:
        late = age > UNKNOWN_CASE_AFTER and (part.lookups > LOOKUPS_BEFORE_REPLAY or not can_ask(part))
        kind = CaseKind.REFUND_UNKNOWN
    if late and kind not in view.told_cases:
        return OpenCase(kind, f"part {part.number} is still {part.state}")
    if not pending and replay_is_next(part, now) and part.room >= 0:
        return ResolvePart(part.id, replay=True)
    return _ask(part, now)


def _ask(part: PartView, now: datetime) -> RefundAction:
    if can_ask(part):
        return ResolvePart(part.id, replay=False)
    pending = part.state is RefundPartState.PENDING
    waits = part.capabilities.pending_schedule if pending else part.capabilities.unknown_schedule
    return WaitUntil(now + waits[-1], "only a webhook can say how it ended")


def _spread(view: RefundView) -> RefundAction:
    if view.note is not None and view.note.state is CreditNoteState.VOID:
        return RefuseRefund("credit_note_voided", "its credit note was voided before anything was sent")
    if view.awaits_capture:
        return WaitUntil(None, "the payment is still under way")
    if view.wants_note and view.invoice_status == "open":
        if view.refundable < view.amount:
            return RefuseRefund("not_captured", "the payment that it was to be taken from failed")
        return WaitUntil(None, "Stripe is about to be told of the payment")
    return Spread() if view.refundable >= view.amount else _no_room(view)


def _no_room(view: RefundView) -> RefundAction:
    """Why its captures have not so much left."""
    if view.is_queued:
        return WaitUntil(None, f"it is made once the dispute {view.dispute} is won")
    if view.missing <= view.refundable_if_won:
        return RefuseRefund("dispute_open", f"the dispute {view.dispute} is open: what it is about can't be refunded")
    if view.dispute:
        return RefuseRefund("dispute_lost", f"the payer has it already, by the dispute {view.dispute}")
    if view.wants_note and view.invoice_status != "paid":
        return RefuseRefund("not_captured", "the payment that it was to be taken from failed")
    return RefuseRefund("exceeds_refundable", f"{view.refundable} can be returned, and {view.missing} was asked for")


def _once_it_has_ended(view: RefundView, refused: PartView, now: datetime) -> RefundAction:
    """As if the dispute had been known. The processor's word is all there is until its notice comes, so it is asked,
    and then tried again under a new key: the old one may answer the same for ever."""
    refused_at = refused.resolved_at or now
    if refused.disputed:
        return WaitUntil(None, f"it is made once the dispute {view.dispute} has ended")
    if view.refundable < view.missing:
        return _no_room(view)
    if refused.dispute_ended_at is not None and refused.dispute_ended_at >= refused_at:
        return Spread()
    if refused.looked_at is None:
        return AskForDisputes(refused.id)
    tries = sum(part.turned_down for part in view.parts)
    if tries > len(UNHEARD_AGAIN):
        return RefuseRefund("dispute_open", "its processor refuses it because of a dispute, and tells of none")
    at = refused_at + UNHEARD_AGAIN[tries - 1]
    return WaitUntil(at, "its processor has not told yet of the dispute that is in the way") if at > now else Spread()


def _send(view: RefundView, part: PartView, now: datetime) -> RefundAction:
    if part.room < 0:
        if view.is_queued:
            return WaitUntil(None, f"it is made once the dispute {view.dispute} is won")
        lost = "dispute_lost" if part.lost else "exceeds_capture"
        return RefusePart(part.id, "dispute_open" if part.disputed else lost)
    if part.retry_after is not None and part.retry_after > now:
        late = now - part.first_sent_at > NOT_SENT_CASE_AFTER
        if late and CaseKind.REFUND_NOT_SENT not in view.told_cases:
            return OpenCase(CaseKind.REFUND_NOT_SENT, part.why or "the processor turns it away")
        return WaitUntil(part.retry_after, "the processor asks for patience")
    note = view.note
    if note is not None and note.state is CreditNoteState.VOID:
        return RefusePart(part.id, "credit_note_voided")
    if view.wants_note and note is None:
        return DrawUpNote()
    return SendPart(part.id)


def _finish(view: RefundView, now: datetime) -> RefundAction:
    """Everything at the processor has ended."""
    note = view.note
    if view.missing > 0:
        failed = next((part for part in reversed(view.parts) if part.released), None)
        is_failure = failed is not None and failed.state is RefundPartState.FAILED
        kind = CaseKind.REFUND_FAILED if is_failure else CaseKind.REFUND_REFUSED
        why = "a part of it was never asked for" if failed is None else failed.why or str(failed.state)
        if _asks_human(view) and kind not in view.answered_cases:
            return ask_human(view, kind, why)
    if view.returned > view.amount:
        return ask_human(view, CaseKind.OVERPAID_TO_CUSTOMER, "what was refused went back after all, beside its retry")
    if note is not None and note.state is CreditNoteState.ISSUED and note.amount < view.returned:
        return ask_human(view, CaseKind.CREDIT_NOTE_REFUSED, "more went back than its credit note says")
    if (step := _made_in_stripe(view)) is not None:
        return step
    if view.returned and note is not None and note.state is CreditNoteState.VOID:
        return ask_human(view, CaseKind.CREDIT_NOTE_VOIDED, "the money went back, and the credit note was voided")
    if view.returned and view.wants_note and (note is None or note.state is not CreditNoteState.ISSUED):
        return note_step(note, view.returned, view.told_cases, now)
    return WaitUntil(None, "done" if view.missing <= 0 else "a human was asked")


def _made_in_stripe(view: RefundView) -> RefundAction | None:
    """Somebody has credited in Stripe just what went back: that is its note. None where nobody has, or ours stands."""
    ours = view.note is not None and view.note.state not in _NOT_MADE
    strays = [stray for stray in view.strays if stray.out_of_band == view.returned]
    if not view.returned or not view.wants_note or ours or not strays:
        return None
    if len(strays) == 1:
        return TakeNote(strays[0].id)
    if unasked := tuple(stray.id for stray in strays if not stray.asked):
        return AskWhich(unasked)
    return WaitUntil(None, "somebody says which credit note is its own")


def _asks_human(view: RefundView) -> bool:
    """Whether anybody must look at what was not returned: not where somebody denied it or returned it elsewhere.

    So also at what was begun at the processor: whoever did that believes that the payer has the money.
    """
    return view.failure not in ("denied", "made_elsewhere")
