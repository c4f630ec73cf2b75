"""The end of an invoice's recovery: when no try is left, and what the account's policy wants done then. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db.states import AttemptState
from gateway.domain.actions import Action, CaseKind, Done, GiveUp, GivingUp, Read, WaitUntil
from gateway.domain.billed import BilledInvoice
from gateway.domain.cases import ask_human
from gateway.domain.recovery import ends_at
from gateway.domain.view import InvoiceView

BESIDE_WAIT: Final = timedelta(minutes=10)
GIVEN_UP: Final = "its end had come, and it was given up"


def our_fault(view: InvoiceView) -> bool:
    """The last request never came to the payer's bank: that ends nobody's subscription."""
    last = view.attempts[-1].state if view.attempts else None
    return last in (AttemptState.REJECTED, AttemptState.NOT_SENT)


def exhausted(view: InvoiceView, invoice: BilledInvoice, reason: str, now: datetime) -> Action:
    """The ladder is climbed: a human is asked at once, where that is the policy, and has the rest of the time."""
    if view.policy.end_of(invoice.billing_reason) == ("case",) or our_fault(view):
        return ask_human(view, CaseKind.COLLECTION_EXHAUSTED, reason)
    return end(view, invoice, reason, now)


def end(view: InvoiceView, invoice: BilledInvoice, reason: str, now: datetime) -> Action:
    """No try is left: wait for the end, and do then what the account's policy says."""
    at = ends_at(view, now)
    if at is None or now < at:
        return WaitUntil(at, reason)
    if view.policy.end_of(invoice.billing_reason) == ("case",):
        return ask_human(view, CaseKind.COLLECTION_EXHAUSTED, reason)
    return give_up(view, invoice, reason, now)


def give_up(view: InvoiceView, invoice: BilledInvoice, reason: str, now: datetime) -> Action:
    """The next step of the end that is not done yet; each after a last look, since somebody may have paid."""
    wanted = view.policy.end_of(invoice.billing_reason)
    step = next((s for s in wanted if s != "case" and not _is_done(view, invoice, s)), None)
    if step is None:
        return WaitUntil(None, f"left open: {reason}") if invoice.status == "open" else Done(reason)
    if view.unresolved_beside:
        return WaitUntil(now + BESIDE_WAIT, "a charge for another invoice of its subscription is not resolved")
    return GiveUp(step, reason) if view.is_fresh(now) else Read()


def _is_done(view: InvoiceView, invoice: BilledInvoice, step: GivingUp) -> bool:
    if step == "cancel_subscription":
        return not invoice.subscription or has_ended(view)
    return invoice.status != "open"


def has_ended(view: InvoiceView) -> bool:
    return view.subscription is not None and view.subscription.ended
