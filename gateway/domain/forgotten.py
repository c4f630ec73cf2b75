"""Tries that a database restored from a backup may have forgotten."""

from __future__ import annotations

from gateway.domain.actions import FindLost
from gateway.domain.billed import ATTEMPT_KEY, BilledInvoice
from gateway.domain.view import InvoiceView


def forgotten(view: InvoiceView, invoice: BilledInvoice) -> FindLost | None:
    """How to find the try of ours that Stripe says has paid it, where the ledger has none: it is older than that."""
    if not view.look_first or not view.methods or view.recording is not None or ATTEMPT_KEY not in invoice.metadata:
        return None
    method = min(view.methods, key=lambda m: (m.position, m.created_at, m.id))
    return FindLost(method.id, method.connection, next_number(view))


def next_number(view: InvoiceView) -> int:
    """The number of the next attempt."""
    return max((attempt.number for attempt in view.attempts), default=0) + 1
