"""Less came than an invoice wants: the rest is charged, or credited there and billed by another invoice. Pure.

Stripe takes no payment of a part outside Stripe. Its recipe (docs: third-party payment processing): a credit note over
the rest on the open invoice first, so that what came is all that is due; then the payment; then a new invoice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db.states import CreditNoteOrigin, CreditNoteState
from gateway.domain.actions import (
    Action,
    CreditRest,
    FindRestNote,
    IssueRestNote,
    MarkSurplus,
    OpenCase,
    Read,
    Then,
    WaitUntil,
)
from gateway.domain.billed import BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.noting import NOTE_AGAIN_AFTER, NOTE_TRIES_TO_CASE
from gateway.domain.view import AttemptView, InvoiceView, NoteRow
from processors.money import to_text

CASES: Final = {
    CreditNoteOrigin.PARTIAL: CaseKind.PARTIAL_CAPTURE,
    CreditNoteOrigin.REVERSAL: CaseKind.CAPTURE_REVERSED,
}
"""What is opened where Stripe takes no credit note of this origin."""
_BEGUN: Final = frozenset(
    {CreditNoteState.WANTED, CreditNoteState.SENDING, CreditNoteState.UNKNOWN, CreditNoteState.REFUSED}
)


def tops_up(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether the rest is charged before it is credited."""
    return (
        view.policy.partial_payment == "top_up"
        and invoice.status == "open"
        and view.wanted > 0
        and not view.policy.is_small(view.wanted, invoice.currency)
        and not (view.abandoned or view.void_asked)
        and _begun(view, CreditNoteOrigin.PARTIAL) is None
    )


def credit_rest(view: InvoiceView, invoice: BilledInvoice, capture: AttemptView | None, now: datetime) -> Action:
    """The next step for an invoice of which less is held than it wants, and no more is charged.

    `capture`: the one that would pay it; None where somebody recorded the payment by hand.
    """
    held, wanted = (to_text(amount, invoice.currency) for amount in (view.held_money, invoice.amount_remaining))
    reason = f"{held} of {wanted} is captured"
    if invoice.status == "uncollectible" and view.policy.partial_at_end == "return" and capture is not None:
        return MarkSurplus(capture.id, "it came in part for an invoice that was given up")
    if invoice.status != "open" or view.customer_deleted or view.void_asked:
        # An invoice that was given up is not split by itself, nobody can be billed anew who is gone, and nobody is for
        # what somebody wants void.
        return ask_human(view, CaseKind.PARTIAL_CAPTURE, reason)
    then: Then = "waive" if view.policy.is_small(view.wanted, invoice.currency) else "bill"
    return credit(view, CreditNoteOrigin.PARTIAL, view.wanted, reason, now, then=then)


def credit(
    view: InvoiceView, origin: CreditNoteOrigin, amount: int, reason: str, now: datetime, *, then: Then
) -> Action:
    """The next step towards a credit note over `amount`; where Stripe takes none, a case."""
    begun, kind = _begun(view, origin), CASES[origin]
    if begun is not None and begun.state in (CreditNoteState.SENDING, CreditNoteState.UNKNOWN):
        return _look_for(view, begun, kind, now)
    if begun is not None and begun.state is CreditNoteState.REFUSED and begun.amount == amount:
        return ask_human(view, kind, f"{reason}, and Stripe takes no credit note for the rest: {begun.why}")
    if kind in view.told_cases:
        return WaitUntil(None, reason)
    if not view.is_fresh(now):
        return Read()
    made = sum(note.origin is origin for note in view.notes)
    if begun is None:
        return CreditRest(origin, amount, made + 1, then)
    if begun.amount != amount:
        # More came, or somebody credited a part, since it was drawn up; for which Stripe may have refused it.
        return CreditRest(origin, amount, made, then)
    return IssueRestNote(begun.id, amount)


def _begun(view: InvoiceView, origin: CreditNoteOrigin) -> NoteRow | None:
    """The note of ours that does not stand yet; there is at most one."""
    return next((note for note in view.notes if note.origin is origin and note.state in _BEGUN), None)


def lost_note(view: InvoiceView, now: datetime) -> Action | None:
    """The next step for a note of which it is not known whether it stands; None where there is none."""
    for origin, kind in CASES.items():
        note = _begun(view, origin)
        if note is not None and note.state in (CreditNoteState.SENDING, CreditNoteState.UNKNOWN):
            return _look_for(view, note, kind, now)
    return None


def _look_for(view: InvoiceView, note: NoteRow, kind: CaseKind, now: datetime) -> Action:
    if note.tries >= NOTE_TRIES_TO_CASE and kind not in view.told_cases:
        return OpenCase(kind, "Stripe gives no answer about the credit note for the rest")
    at = again_at(note.sent_at or now, note.tries)
    return WaitUntil(at, "Stripe's answer was lost") if at > now else FindRestNote(note.id)


def again_at(sent_at: datetime, tries: int) -> datetime:
    """When it is looked for what a call whose answer was lost has made; each time twice as late."""
    return sent_at + NOTE_AGAIN_AFTER * (1 << min(max(tries - 1, 0), 10))
