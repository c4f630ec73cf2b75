"""What a subscription's end means for its invoices that are not settled, as its account's policies say. Pure.

Stripe itself stops advancing them, and leaves them collectible (docs: billing/subscriptions/cancel). What bills the
last of the subscription, and comes with its end or later, is collected like any other.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from db.states import AttemptState, RecordingState
from gateway.domain.billed import BilledInvoice
from gateway.domain.view import AttemptView, InvoiceView

ENDED: Final = "its subscription has ended"
SLACK: Final = timedelta(seconds=5)
"""Stripe makes the last invoice and ends the subscription one after the other, and tells whole seconds."""


def left_behind(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether the invoice's subscription has ended, and it is not the one that bills its last."""
    ended_at = view.subscription.ended_at if view.subscription is not None else None
    if ended_at is None:
        return False
    if view.rest_of is not None:
        return True
    if _billed_usage_then(invoice, ended_at):
        return False
    return invoice.billing_reason == "subscription_create" or invoice.created < ended_at - SLACK


def _billed_usage_then(invoice: BilledInvoice, ended_at: datetime) -> bool:
    """Whether it bills a period's usage, and was still a draft when the subscription ended: late usage had counted, and
    nobody else bills what was used in that period."""
    drafted = invoice.finalized_at is None or invoice.finalized_at >= ended_at - SLACK
    return invoice.bills_usage and drafted and invoice.billing_reason != "subscription_create"


def bills_the_last(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether it came with the end of its subscription."""
    ended = view.subscription is not None and view.subscription.ended
    return ended and not left_behind(view, invoice)


def is_stopped(view: InvoiceView) -> bool:
    """Whether no try for it begins any more because its subscription has ended; somebody may still ask for one."""
    if view.invoice is None or view.policy.canceled_invoices == "collect":
        return False
    return left_behind(view, view.invoice)


def is_left_a_draft(view: InvoiceView) -> bool:
    """Whether it is a draft that nobody will finalize."""
    draft = view.invoice is not None and view.invoice.status == "draft"
    return draft and (view.customer_deleted or (is_stopped(view) and view.hold != "released"))


def in_flight(view: InvoiceView, attempt: AttemptView) -> bool:
    """Whether a charge was under way when the subscription ended, and by the account's policy its money goes back."""
    ended_at = view.subscription.ended_at if view.subscription is not None else None
    if view.policy.canceled_in_flight == "keep" or ended_at is None or view.invoice is None:
        return False
    if not left_behind(view, view.invoice):
        return False
    # Stripe tells whole seconds.
    return attempt.sent_at.replace(microsecond=0) <= ended_at and (
        attempt.resolved_at is None or attempt.resolved_at > ended_at
    )


def goes_back(view: InvoiceView, capture: AttemptView) -> bool:
    """The same for one that has succeeded, and that Stripe may not have been told of."""
    told = any(one.state in (RecordingState.SENDING, RecordingState.UNKNOWN) for one in view.told)
    return capture.state is AttemptState.SUCCEEDED and not told and in_flight(view, capture)
