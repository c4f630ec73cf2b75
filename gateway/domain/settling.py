"""The money that we hold for an invoice: it is told to Stripe, or it is the payer's, or a human is asked. Pure.

Law 5: a capture ends as the invoice paid at Stripe, as money returned, or as a case that names it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from db.states import AttemptState, RecordingState, RefundOrigin
from gateway.domain import overpaid, partial
from gateway.domain.actions import Action, ConfirmRecording, MarkSurplus, OpenCase, Record, Tag, WaitUntil
from gateway.domain.after_end import goes_back
from gateway.domain.billed import ATTEMPT_KEY, RECEIPT_KEY, BilledInvoice, HowPaid, how_paid
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.ending import has_ended
from gateway.domain.view import AttemptView, InvoiceView, LentView, ReceiptView, RecordingView

NOTHING_REMAINS_WAIT = timedelta(minutes=10)
RECORD_WAITS = tuple(timedelta(seconds=s) for s in (0, 30, 300, 3600))
"""Waits after 1, 2, ... calls that did not mark the invoice paid; the last one repeats."""
RECORDINGS_TO_CASE = 3
UNRECORDED_CASE_AFTER = timedelta(hours=24)
"""Money that is held for so long is put before a human, whatever keeps us from telling Stripe (429 for ever, say)."""


def settle(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action:
    """The next step for an invoice of which money is held and not told to Stripe."""
    capture = _capture_to_record(view)
    if capture is None:
        return _settle_receipt(view, invoice, now)
    if view.abandoned and invoice.status != "paid":
        # Its subscription is ended, or about to be: whichever comes first, the money is the payer's.
        return MarkSurplus(capture.id, "late_success_closed_invoice")
    if invoice.status != "paid" and goes_back(view, capture):
        return MarkSurplus(capture.id, "its subscription ended meanwhile")
    match invoice.status:
        case "open":
            return record(view, invoice, capture, now)
        case "uncollectible" if _still_pays(view):
            return record(view, invoice, capture, now)
        case "paid":
            return _settle_paid(view, invoice, capture, now)
        case "uncollectible" | "void" | "deleted":
            return MarkSurplus(capture.id, "late_success_closed_invoice")
        case "draft":
            return ask_human(view, CaseKind.OVERPAID, "money is held for an invoice that is not final")


def _settle_receipt(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action:
    """A payment that was recorded by hand ends like a capture; what no invoice takes, only a human can return."""
    recorded = {r.attempt for r in view.told if r.state is RecordingState.RECORDED}
    receipt = next((r for r in view.receipts if r.id not in recorded), None)
    if receipt is None:
        if view.receipts and invoice.status == "paid" and view.recording is not None:
            return overpaid.settle(view, invoice, view.receipts[-1], now)
        return ask_human(view, CaseKind.OVERPAID, "money is held and no capture stands for it")
    if invoice.status == "open" and not view.abandoned:
        return record(view, invoice, receipt, now)
    unanswered = [r for r in view.told if r.state in (RecordingState.SENDING, RecordingState.UNKNOWN)]
    told = invoice.status == "paid" and view.recording is None and unanswered
    if told and how_paid(invoice, we_may_have=True) is HowPaid.OURS:
        return ConfirmRecording(unanswered[-1].id)
    return ask_human(view, CaseKind.OVERPAID, f"a payment was recorded by hand, and the invoice is {invoice.status}")


def _capture_to_record(view: InvoiceView) -> AttemptView | None:
    recorded = {r.attempt for r in view.told if r.state is RecordingState.RECORDED}
    captures = [a for a in view.attempts if a.state is AttemptState.SUCCEEDED and not a.surplus]
    # The newest capture that is not recorded yet; where all are, the excess lies in the newest.
    return next(reversed([a for a in captures if a.id not in recorded] or captures), None)


def record(
    view: InvoiceView, invoice: BilledInvoice, payment: AttemptView | ReceiptView | LentView, now: datetime
) -> Action:
    """The next step towards telling Stripe that this payment pays the invoice, which still wants something."""
    if invoice.amount_remaining <= 0:
        return WaitUntil(now + NOTHING_REMAINS_WAIT, "nothing remains to be paid; Stripe is about to settle it")
    settles_at = payment.settles_at if isinstance(payment, AttemptView) else None
    if settles_at is not None and settles_at > now:
        return WaitUntil(settles_at, "the payment is not settled yet")
    gone = [
        one for one in view.refunds if one.origin is RefundOrigin.PROCESSOR and not one.fallen and not one.of_surplus
    ]
    if gone and isinstance(payment, AttemptView) and view.recording is None:
        reason = "of its payment something went back before Stripe was told of it"
        return ask_human(view, CaseKind.OVERPAID_TO_CUSTOMER, reason)
    if view.held_money < invoice.amount_remaining:
        return partial.credit_rest(view, invoice, payment if isinstance(payment, AttemptView) else None, now)
    if (wait := _record_again_at(view, now)) is not None:
        if len(_failed_recordings(view)) >= RECORDINGS_TO_CASE and CaseKind.RECORDING_FAILED not in view.open_cases:
            return OpenCase(CaseKind.RECORDING_FAILED, "the money is captured, and Stripe does not take the payment")
        return WaitUntil(wait, "Stripe did not take the payment")
    since = settles_at or (payment.resolved_at if isinstance(payment, AttemptView) else None)
    overdue = since is not None and now - since > UNRECORDED_CASE_AFTER
    if overdue and view.recordings and CaseKind.RECORDING_FAILED not in view.open_cases:
        return OpenCase(CaseKind.RECORDING_FAILED, "the money was captured a day ago, and Stripe was not told yet")
    receipt = isinstance(payment, ReceiptView)
    if invoice.metadata.get(RECEIPT_KEY if receipt else ATTEMPT_KEY) != payment.id:
        return Tag(payment.id, receipt)
    return Record(payment.id, invoice.amount_remaining, receipt)


def _failed_recordings(view: InvoiceView) -> list[RecordingView]:
    return [r for r in view.told if r.state in (RecordingState.REFUSED, RecordingState.UNKNOWN)]


def _record_again_at(view: InvoiceView, now: datetime) -> datetime | None:
    """When Stripe may be told again after it was told in vain; None for at once. The first repeat comes at once."""
    failed = _failed_recordings(view)
    ended = failed[-1].resolved_at if failed else None
    if ended is None:
        return None
    at = ended + RECORD_WAITS[min(len(failed), len(RECORD_WAITS)) - 1]
    return at if at > now else None


def _settle_paid(view: InvoiceView, invoice: BilledInvoice, capture: AttemptView, now: datetime) -> Action:
    if view.recording is not None:
        if view.recording.attempt != capture.id and capture.captured <= view.held_money:
            return MarkSurplus(capture.id, "the invoice was paid by another capture")
        return overpaid.settle(view, invoice, capture, now)
    unanswered = [r for r in view.told if r.state in (RecordingState.SENDING, RecordingState.UNKNOWN)]
    match how_paid(invoice, we_may_have=bool(unanswered)):
        case HowPaid.OURS:
            return ConfirmRecording(unanswered[-1].id)
        case HowPaid.STRIPE_PAYMENT | HowPaid.CREDITED | HowPaid.ZERO as how:
            return MarkSurplus(capture.id, f"the invoice is paid without it ({how})")
        case _:
            return ask_human(view, CaseKind.PAID_BY_HAND, "the invoice was marked paid by hand while we captured it")


def _still_pays(view: InvoiceView) -> bool:
    """Whether money that comes for an uncollectible invoice pays it (Stripe takes it: docs: invoicing/overview)."""
    match view.policy.late_success:
        case "record":
            return True
        case "return":
            return False
        case "if_alive":
            return not has_ended(view)
