"""Money beyond what an invoice took: it goes back, becomes the customer's credit at Stripe, or a human is asked. Pure.

The credit is no movement, since no money moves for it: the capture stays captured, and Stripe is told of its second
part as it was of the first, by a recording, which names the customer's balance as its target.
"""

from __future__ import annotations

from datetime import datetime

from db.states import RecordingState, RecordingTarget
from gateway.domain.actions import Action, CreditBalance, FindBalance, WaitUntil
from gateway.domain.billed import BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.noting import NOTE_AGAIN_AFTER
from gateway.domain.returning import give_back
from gateway.domain.view import AttemptView, InvoiceView, ReceiptView, RecordingView
from processors.money import to_text


def settle(view: InvoiceView, invoice: BilledInvoice, payment: AttemptView | ReceiptView, now: datetime) -> Action:
    """The next step for what is held of `payment` on an invoice that it has paid."""
    reason = f"{to_text(view.held_money, invoice.currency)} more came than the invoice took"
    credits = [r for r in view.recordings if r.target is RecordingTarget.BALANCE]
    lost = next((r for r in credits if r.state in (RecordingState.SENDING, RecordingState.UNKNOWN)), None)
    if lost is not None:
        return _look_for(lost, now)
    receipt = isinstance(payment, ReceiptView)
    refused = any(r.state is RecordingState.REFUSED for r in credits)
    if view.policy.overpayment == "customer_balance" and not refused and not view.customer_deleted:
        return CreditBalance(payment.id, view.held_money, receipt)
    if view.policy.overpayment == "return" and isinstance(payment, AttemptView):
        step = give_back(view, invoice, payment, view.held_money, CaseKind.OVERPAID, reason)
        return step or WaitUntil(None, reason)
    # No processor can return what came past it.
    return ask_human(view, CaseKind.OVERPAID, reason)


def _look_for(lost: RecordingView, now: datetime) -> Action:
    at = (lost.resolved_at or now) + NOTE_AGAIN_AFTER if lost.state is RecordingState.UNKNOWN else now
    return WaitUntil(at, "Stripe's answer about the customer's credit was lost") if at > now else FindBalance(lost.id)
