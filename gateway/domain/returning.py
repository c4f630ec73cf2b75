"""What of an invoice's money goes back by itself, and which credit note and which refund belong together. Pure.

A credit note made in Stripe and a refund made at a processor may be one and the same: the same people made both within
minutes. So each waits for the other for a while, then whoever is left alone is carried out on the other side.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from db.states import AttemptState, CreditNoteOrigin, CreditNoteState, RefundOrigin, RefundState
from gateway.domain.actions import Action, MatchNote, OpenCase, Read, ReadNotes, ReturnSurplus, WaitUntil, WantNote
from gateway.domain.billed import BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.view import AttemptView, InvoiceView, NoteRow, RefundRow
from processors.money import to_text

_NOT_MADE = (RefundState.FAILED, RefundState.REFUSED)


def surplus(view: InvoiceView, invoice: BilledInvoice) -> Action | None:
    """The next capture that no invoice takes goes back, or is put before a human; None where none waits for that."""
    for attempt in view.attempts:
        if attempt.surplus and attempt.state is AttemptState.SUCCEEDED and attempt.returnable > 0:
            if view.customer_deleted and CaseKind.PAID_AFTER_DELETION not in view.told_cases:
                came = f"{to_text(attempt.returnable, invoice.currency)} came in that no invoice takes"
                return OpenCase(CaseKind.PAID_AFTER_DELETION, f"{came}, and its customer was deleted in Stripe")
            reason = "the invoice is settled without this capture"
            step = give_back(view, invoice, attempt, attempt.returnable, CaseKind.SURPLUS_CAPTURE, reason)
            if step is not None:
                return step
    return None


def give_back(
    view: InvoiceView, invoice: BilledInvoice, attempt: AttemptView, amount: int, kind: CaseKind, reason: str
) -> Action | None:
    """Return so much of a capture, where the policy allows it and it was not tried in vain; else a case, once."""
    in_vain = any(
        one.origin is RefundOrigin.SURPLUS and one.attempt == attempt.id and (one.fallen or one.state in _NOT_MADE)
        for one in view.refunds
    )
    if view.policy.returns_by_itself(amount, invoice.currency) and not in_vain:
        return ReturnSurplus(attempt.id, amount)
    return None if kind in view.told_cases else OpenCase(kind, reason)


def crossing(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """What credit notes and refunds of a paid invoice want next; None for nothing."""
    if _unread(view, invoice):
        return ReadNotes()
    waits: list[datetime] = []
    wanting = [refund for refund in view.refunds if _wants_one(refund)]
    amounts = {refund.amount for refund in wanting}
    for note in view.notes:
        if _may_be_taken(note) and note.out_of_band in amounts:
            return MatchNote(note.id)
    for note in _alone(view):
        at = note.created_at + view.policy.match_window
        if at <= now:
            return MatchNote(note.id)
        waits.append(at)
    for refund in wanting:
        at = refund.created_at + view.policy.match_window
        if at > now:
            waits.append(at)
        elif view.read_at is None or view.read_at < at:
            return Read()
        elif refund.state is RefundState.SUCCEEDED:
            # One that is under way pokes in its end; until then a note of somebody's is its own.
            return WantNote(refund.id)
    return WaitUntil(min(waits), "a refund and a credit note may belong together") if waits else None


def credited_elsewhere(view: InvoiceView, invoice: BilledInvoice) -> Action | None:
    """An invoice that Stripe collected was credited outside Stripe: nothing of ours can be returned for it."""
    if _unread(view, invoice):
        return ReadNotes()
    kind = CaseKind.CREDIT_NOTE_NOT_OURS
    if any(True for _ in _alone(view)) and kind not in view.told_cases:
        return OpenCase(kind, "a credit note says that money went back outside Stripe, which took none outside Stripe")
    return None


def _unread(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Stripe shows other credit than the notes that we know; once for each look at the invoice."""
    known = sum(note.post_payment for note in view.notes if note.state is CreditNoteState.ISSUED)
    looked = view.notes_read_at is not None and view.read_at is not None and view.notes_read_at >= view.read_at
    return known != invoice.post_payment_credit and not looked


def _may_be_taken(note: NoteRow) -> bool:
    """A refund made at the processor may be what the note tells of: nothing else that stands is.

    So also one that a human was asked about, and one whose own refund came to nothing, which somebody has made good.
    """
    of_stripe = note.origin is CreditNoteOrigin.STRIPE and not note.linked
    return note.state is CreditNoteState.ISSUED and note.out_of_band > 0 and (of_stripe or note.deserted)


def _alone(view: InvoiceView) -> Iterator[NoteRow]:
    """Notes made in Stripe that say that money went back, and to which no refund belongs yet."""
    for note in view.notes:
        made_there = note.origin is CreditNoteOrigin.STRIPE and note.state is CreditNoteState.ISSUED
        if made_there and note.out_of_band > 0 and not note.linked and not note.asked:
            yield note


def _wants_one(refund: RefundRow) -> bool:
    """Made at the processor, of money that paid the invoice, and without a credit note yet."""
    made_there = refund.origin is RefundOrigin.PROCESSOR and refund.state not in _NOT_MADE
    return made_there and not refund.linked and not refund.wants_note and not refund.of_surplus and not refund.asked
