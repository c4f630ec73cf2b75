"""When a later invoice that is not paid closes the access that the first one has opened. Pure.

The account's policy names the moment: the end of the recovery (the default), the due date, or none. Measured downtime
postpones either (law 7). At that moment one question is asked: has the payer failed to pay? Not while a charge that was
begun in time may still succeed, and not where the payer was never asked: by our fault, a pause, a processor's bounds.
What comes afterwards opens nothing again but money, or a debt that is gone, so that access does not flicker with every
further try.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from db.states import Collector, InvoiceState, MethodStatus
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.decide import not_ours
from gateway.domain.downtime import downtime_since
from gateway.domain.ending import our_fault
from gateway.domain.obstacles import made_in_pause
from gateway.domain.project import project
from gateway.domain.recovery import LEAST_NOTICE, climbs, ends_at
from gateway.domain.view import AccessSeen, InvoiceView


class Owed(msgspec.Struct, frozen=True):
    """An invoice that is not paid: whether it closes access, why, and when it will by the clock alone.

    `closing`: why it does then, as things stand; empty where something else may decide until then, or at that moment.
    """

    closes: bool
    reason: str
    closes_at: datetime | None = None
    closing: str = ""


def owed(view: InvoiceView, now: datetime) -> Owed | None:
    """What an invoice after the first means for access; None where nothing of it is owed to us."""
    found = _owed(view, now)
    if found is None or found.closes_at is None:
        return found
    then = _owed(view, found.closes_at)
    return msgspec.structs.replace(found, closing=then.reason) if then is not None and then.closes else found


def _owed(view: InvoiceView, now: datetime) -> Owed | None:
    invoice = view.invoice
    if invoice is None or invoice.status not in ("open", "uncollectible"):
        return None
    if not_ours(view) or view.wanted <= 0 or made_in_pause(view, invoice):
        return None
    at = _moment(view, invoice, now)
    if invoice.status == "uncollectible" and not view.given_up and _written_off_before(invoice, at):
        return None
    if at is None or now < at:
        return Owed(False, "invoice_open", at)
    if _under_way(view, invoice, at):
        return Owed(False, "invoice_pending")
    if not _payer_failed(view, at):
        return Owed(False, "invoice_not_asked_for")
    return Owed(True, "invoice_overdue" if view.policy.access_closes == "overdue" else "invoice_not_collected")


def turns_access(view: InvoiceView, now: datetime, *, changed: bool) -> bool:
    """Whether an invoice that has come to rest may have opened or closed access since the merchant was told of it.

    `changed`: something about it is not as it was when it last rested.
    """
    invoice, of = view.invoice, view.subscription
    if invoice is None or not invoice.subscription:
        return False
    shown = of.access if of is not None else AccessSeen()
    if invoice.billing_reason == "subscription_create":
        paid = project(view) is InvoiceState.PAID
        return (changed and not (paid and shown.open)) or (paid and not shown.open and shown.invoice == invoice.id)
    debt, decides = owed(view, now), shown.invoice == invoice.id
    if debt is None:
        alive = of is not None and not of.ended and invoice.status != "draft"
        return (decides and shown.closes_at is not None) or (changed and alive and (decides or not shown.open))
    if decides and (debt.closes_at, debt.closing) != (shown.closes_at, shown.closing):
        return True
    return changed or (debt.closes and shown.open)


def next_closing_at(view: InvoiceView, now: datetime) -> datetime | None:
    """When it will close access by the clock alone."""
    debt = owed(view, now)
    return debt.closes_at if debt is not None else None


def _moment(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> datetime | None:
    match view.policy.access_closes:
        case "never":
            return None
        case "at_end":
            return ends_at(view, now)
        case "overdue":
            if invoice.due_date is None:
                return None
            at = invoice.due_date
            if view.collector is not Collector.HOSTED:
                at += downtime_since(view.downtime, invoice.created, now)
            return at if view.known_since is None else max(at, view.known_since + LEAST_NOTICE)


def _written_off_before(invoice: BilledInvoice, at: datetime | None) -> bool:
    """Somebody in Stripe has forgiven it before its time; later than that it is a debt that was not paid."""
    return at is None or invoice.uncollectible_at is None or invoice.uncollectible_at < at


def _under_way(view: InvoiceView, invoice: BilledInvoice, at: datetime) -> bool:
    charge = view.unresolved
    return (charge is not None and charge.sent_at < at) or invoice.stripe_payment is not StripePayment.NONE


def _payer_failed(view: InvoiceView, at: datetime) -> bool:
    """By then a try was declined, or there was nothing that could have been charged; or it was for the payer to pay."""
    in_time = msgspec.structs.replace(view, attempts=tuple(a for a in view.attempts if a.sent_at < at))
    pause = view.pause
    if pause is not None and pause.since < at and (pause.until is None or pause.until > at):
        return False
    if view.collector is Collector.HOSTED:
        return True
    if our_fault(in_time):
        return False
    ready = (m for m in view.methods if m.status is MethodStatus.ACTIVE and not m.blocked and m.created_at < at)
    return any(climbs(attempt) for attempt in in_time.attempts) or not any(ready)
