"""The payer's bank took back what had paid an invoice, or gave it again after that. Pure.

Stripe's mark of payment has no way back but a credit note. So a human is asked, or the invoice is credited and another
one bills the same. Money that comes again after that pays the other one: to return it and to charge once more would be
two moves for none, and with that invoice voided Stripe would show less revenue than we hold.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from db.states import CreditNoteOrigin, RecordingState
from gateway.domain.actions import Action, ConfirmRecording, WaitUntil
from gateway.domain.billed import BilledInvoice, HowPaid, how_paid
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.ending import has_ended
from gateway.domain.partial import credit
from gateway.domain.settling import record
from gateway.domain.view import InvoiceView, LentView
from processors.money import to_text

NEW_INVOICE_WAIT: Final = timedelta(minutes=10)


def taken_back(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action:
    """The next step where Stripe shows more as paid than we hold."""
    amount = -view.held_money
    reason = f"{to_text(amount, invoice.currency)} of what Stripe shows as paid was taken back"
    owed = invoice.status == "paid" and view.recording is not None and not view.customer_deleted
    if view.policy.on_reversal == "case" or not owed or has_ended(view):
        return ask_human(view, CaseKind.CAPTURE_REVERSED, reason)
    return credit(view, CreditNoteOrigin.REVERSAL, amount, reason, now, then="bill")


def wait_for_new(now: datetime) -> Action:
    """The money came again: the invoice that bills it anew takes it, in its own turn, or is paid otherwise."""
    return WaitUntil(
        now + NEW_INVOICE_WAIT, "it was taken back and came again: it pays the invoice that took its place"
    )


def from_lender(view: InvoiceView, invoice: BilledInvoice, lent: LentView, now: datetime) -> Action | None:
    """The next step towards paying this invoice with money that came for the one whose place it took."""
    if view.held_money > 0:
        return None
    if invoice.status == "open" and 0 < invoice.amount_remaining <= lent.amount:
        return record(replace(view, held_money=lent.amount), invoice, lent, now)
    unanswered = [r for r in view.told if r.state in (RecordingState.SENDING, RecordingState.UNKNOWN)]
    ours = invoice.status == "paid" and view.recording is None and unanswered
    if ours and how_paid(invoice, we_may_have=True) is HowPaid.OURS:
        return ConfirmRecording(unanswered[-1].id)
    return None
