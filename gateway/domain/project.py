"""The state of an invoice: a projection of everything else, written in one place and recomputable without a clock."""

from __future__ import annotations

from db.states import AttemptState, Collector, InvoiceState, MethodStatus
from gateway.domain.after_end import is_left_a_draft, is_stopped
from gateway.domain.case_kinds import CaseKind
from gateway.domain.decide import not_ours
from gateway.domain.recovery import climbs, is_exhausted
from gateway.domain.view import InvoiceView

_OF_ATTEMPT = {
    AttemptState.SENDING: InvoiceState.CHARGING,
    AttemptState.PENDING: InvoiceState.PENDING,
    AttemptState.REQUIRES_ACTION: InvoiceState.PENDING,
    AttemptState.UNKNOWN: InvoiceState.UNKNOWN,
}


def project(view: InvoiceView) -> InvoiceState:
    """Where the invoice stands."""
    if view.unresolved is not None:
        return _OF_ATTEMPT[view.unresolved.state]
    invoice = view.invoice
    if invoice is None:
        return InvoiceState.DUE
    if view.held_money > 0 and not invoice.is_closed and invoice.status != "paid":
        return InvoiceState.CAPTURED
    if not_ours(view):
        return InvoiceState.NOT_OURS
    match invoice.status:
        case "draft":
            # Left as it is by a subscription that has ended, it will never be final.
            return InvoiceState.CLOSED if is_left_a_draft(view) else InvoiceState.DRAFT
        case "paid":
            return InvoiceState.PAID
        case "uncollectible":
            return InvoiceState.UNCOLLECTIBLE
        case "void" | "deleted":
            return InvoiceState.CLOSED
        case "open":
            return _open(view)


def _open(view: InvoiceView) -> InvoiceState:
    if view.collector is Collector.HOSTED:
        over = is_stopped(view) or CaseKind.COLLECTION_EXHAUSTED in view.open_cases
        return InvoiceState.EXHAUSTED if over else InvoiceState.DUE
    if is_exhausted(view) or CaseKind.COLLECTION_EXHAUSTED in view.open_cases:
        return InvoiceState.EXHAUSTED
    if view.collector is Collector.STRIPE:
        return InvoiceState.DUE
    if not any(m.status is MethodStatus.ACTIVE and m.usable for m in view.methods):
        return InvoiceState.NEEDS_PAYMENT_METHOD
    if any(a.state is AttemptState.DECLINED and climbs(a) for a in view.attempts):
        return InvoiceState.RETRYING
    return InvoiceState.DUE
