"""How long a draft that bills usage waits for usage that is late. Pure.

Stripe counts a draft's usage once more when it finalizes it (docs: billing/subscriptions/usage-based, grace period);
what is reported later goes to the next invoice. So whoever finalizes at once gives that hour away.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from gateway.domain.actions import Read, WaitUntil
from gateway.domain.billed import BilledInvoice
from gateway.domain.policy import Policy
from gateway.domain.view import InvoiceView

FINALIZE_SLACK: Final = timedelta(minutes=5)
LOOK_AGAIN: Final = timedelta(hours=1)
"""How often Stripe is asked whether it has finalized a draft that it should have: it may take three days, where an
endpoint of somebody's refuses its webhooks (docs: billing/subscriptions/webhooks)."""
LATE_USAGE: Final = "late usage still counts"


def may_still_come(invoice: BilledInvoice) -> bool:
    """Whether usage is on it and more can be: what Stripe does not finalize by itself was made for an end that has
    come, or could not be finalized."""
    return invoice.bills_usage and invoice.auto_advance and invoice.finalizes_at is not None


def counts_until(invoice: BilledInvoice, policy: Policy) -> datetime | None:
    """Until when usage that is late is on a draft still; None where none is waited for."""
    if not may_still_come(invoice):
        return None
    ours = policy.finalize == "at_once" and invoice.billing_reason.startswith("subscription")
    if ours and policy.usage_grace_minutes is not None:
        return invoice.created + timedelta(minutes=policy.usage_grace_minutes)
    return invoice.finalizes_at


def wait(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Read | WaitUntil | None:
    """What a draft waits for before we finalize it; None where nothing is left to wait for."""
    until = counts_until(invoice, view.policy)
    if until is None:
        return None
    if view.policy.usage_grace_minutes is None:
        return until_stripe(view, invoice, now, f"{LATE_USAGE} until Stripe finalizes it")
    return WaitUntil(until, f"{LATE_USAGE} until it is finalized") if now < until else None


def until_stripe(view: InvoiceView, invoice: BilledInvoice, now: datetime, reason: str) -> Read | WaitUntil:
    """Stripe finalizes it by itself; a little later it is asked whether it has, should its event be lost."""
    at, seen_at = invoice.finalizes_at, view.read_at
    if at is None or seen_at is None:
        return WaitUntil(None, reason)
    look_at = at + FINALIZE_SLACK
    if seen_at >= look_at:
        look_at = seen_at + LOOK_AGAIN
    return Read() if look_at <= now else WaitUntil(look_at, reason)
