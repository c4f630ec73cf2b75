"""Tries that a database restored from a backup may have forgotten."""

from __future__ import annotations

from gateway.domain.actions import FindLost
from gateway.domain.billed import ATTEMPT_KEY, BilledInvoice
from gateway.domain.view import InvoiceView, MethodView


def forgotten(view: InvoiceView, invoice: BilledInvoice) -> FindLost | None:
    """How to find the try of ours that Stripe says has paid it, where the ledger has none: it is older than that."""
    methods = askable(view)
    if not view.look_first or not methods or view.recording is not None or ATTEMPT_KEY not in invoice.metadata:
        return None
    method = min(methods, key=lambda m: (m.position, m.created_at, m.id))
    return FindLost(method.id, method.connection, next_number(view))


def askable(view: InvoiceView) -> list[MethodView]:
    """The methods whose processors can be asked: one that was switched off may never answer again."""
    return [method for method in view.methods if method.usable or method.blocked]


def next_number(view: InvoiceView) -> int:
    """The number of the next attempt."""
    return max((attempt.number for attempt in view.attempts), default=0) + 1
