"""The end of an invoice's recovery: when no try is left, and what the account's policy wants done then. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db.states import AttemptState, Collector, MethodStatus
from gateway.domain.actions import Action, Done, EndVoiding, FindLost, GiveUp, GivingUp, Read, Void, WaitUntil
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.forgotten import askable, next_number
from gateway.domain.obstacles import PAID_AT_STRIPE, STRIPE_PAYMENT_WAIT, pause_of, told
from gateway.domain.recovery import ends_at
from gateway.domain.view import CLOSINGS, Closing, InvoiceView

BESIDE_WAIT: Final = timedelta(minutes=10)
BY_HAND: Final = "somebody wants it void"
VOIDABLE: Final = ("open", "uncollectible")
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
    if view.policy.end_of(invoice.billing_reason) == ("case",) or _held_up(view, at):
        return ask_human(view, CaseKind.COLLECTION_EXHAUSTED, reason)
    return give_up(view, invoice, reason, now)


def give_up(view: InvoiceView, invoice: BilledInvoice, reason: str, now: datetime) -> Action:
    """The next step of the end that is not done yet; each after a last look, since somebody may have paid."""
    wanted = view.policy.end_of(invoice.billing_reason)
    step = next((s for s in wanted if s != "case" and not _is_done(view, invoice, s)), None)
    if step is None:
        return WaitUntil(None, f"left open: {reason}") if invoice.status == "open" else Done(reason)
    return close(view, invoice, step, reason, now)


def left_to(view: InvoiceView) -> Closing | None:
    """How the account wants what a subscription leaves open to be closed; None where it stays open. What was begun is
    finished as it was begun, and what the end of its recovery has left open stays so."""
    if view.given_up:
        return view.closing
    then = view.policy.canceled_invoices
    return then if then in CLOSINGS else None


def close(view: InvoiceView, invoice: BilledInvoice, step: GivingUp, reason: str, now: datetime) -> Action:
    """The next step towards a step of the end, after a last look."""
    if (obstacle := _obstacle(view, invoice, now)) is not None:
        return obstacle
    # Of what is paid on Stripe's page a try can only be forgotten where there is something to try with.
    if view.look_first and (view.collector is not Collector.HOSTED or askable(view)):
        return _find_lost(view, reason)
    return GiveUp(step, reason) if view.is_fresh(now) else Read()


def voiding_ends(view: InvoiceView, invoice: BilledInvoice, why_not_ours: str) -> EndVoiding | None:
    """Whether what somebody wants void is, or never will be. Nothing else ends that wish: as long as it stands, nothing
    is charged."""
    if not view.void_asked:
        return None
    if invoice.status == "void":
        return EndVoiding("")
    if invoice.status not in VOIDABLE:
        return EndVoiding(f"the invoice is {invoice.status} in Stripe")
    return EndVoiding(f"it is not collected here: {why_not_ours}") if why_not_ours else None


def by_hand(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """The next step towards what somebody wants void, after a last look; None where nobody does. What the account's
    policy waits for before an end of its own (a pause, say) holds up nobody's own decision; a payment on Stripe's page
    does: Stripe would take it all the same.
    """
    if not view.void_asked:
        return None
    if invoice.stripe_payment is not StripePayment.NONE:
        return WaitUntil(now + STRIPE_PAYMENT_WAIT, f"{BY_HAND}, and {PAID_AT_STRIPE}")
    if view.look_first and askable(view):
        return _find_lost(view, BY_HAND)
    return Void() if view.is_fresh(now) else Read()


def _obstacle(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> WaitUntil | None:
    """What an end waits for, also one that has begun."""
    if (pause := pause_of(view, now)) is not None:
        return WaitUntil(pause.until, told(pause))
    if view.unresolved_beside:
        return WaitUntil(now + BESIDE_WAIT, "a charge for another invoice of its subscription is not resolved")
    if view.method_coming:
        return WaitUntil(now + BESIDE_WAIT, "the payer is giving another payment method")
    if invoice.stripe_payment is not StripePayment.NONE:
        return WaitUntil(now + STRIPE_PAYMENT_WAIT, PAID_AT_STRIPE)
    return None


def _held_up(view: InvoiceView, at: datetime) -> bool:
    """The merchant kept it from being collected: by a pause that lasted until the end, by a connection switched off."""
    pause = view.pause
    paused = pause is not None and pause.until is not None and pause.until > at
    if view.collector is Collector.HOSTED:
        return paused
    return paused or any(m.status is MethodStatus.ACTIVE and not m.usable and not m.blocked for m in view.methods)


def _find_lost(view: InvoiceView, reason: str) -> Action:
    """A restored database may have forgotten a try that is under way, and the payment method that it was made with."""
    methods = askable(view)
    if not methods:
        return ask_human(view, CaseKind.COLLECTION_EXHAUSTED, reason)
    method = min(methods, key=lambda m: (m.position, m.created_at, m.id))
    return FindLost(method.id, method.connection, next_number(view))


def _is_done(view: InvoiceView, invoice: BilledInvoice, step: GivingUp) -> bool:
    if step == "cancel_subscription":
        return not invoice.subscription or has_ended(view)
    return invoice.status != "open"


def has_ended(view: InvoiceView) -> bool:
    return view.subscription is not None and view.subscription.ended
