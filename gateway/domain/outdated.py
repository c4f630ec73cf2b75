"""Cases that close themselves: their ground is gone, and nobody needs to look any more."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from db.states import RefundOrigin, RefundState
from gateway.domain.actions import CaseKind
from gateway.domain.view import InvoiceView

_UNTIL_RESOLVED = frozenset({CaseKind.OUTCOME_UNKNOWN, CaseKind.PENDING_TOO_LONG})
_UNTIL_SETTLED = frozenset(
    {
        CaseKind.ABOVE_PROCESSOR_MAXIMUM,
        CaseKind.AMOUNT_INEXPRESSIBLE,
        CaseKind.ATTEMPT_REJECTED,
        CaseKind.BELOW_PROCESSOR_MINIMUM,
        CaseKind.COLLECTION_EXHAUSTED,
        CaseKind.CUSTOMER_DELETED,
        CaseKind.PARTIAL_CAPTURE,
        CaseKind.RECORDING_FAILED,
    }
)


def outdated(view: InvoiceView) -> AbstractSet[str]:
    """The open cases of an invoice that has come to rest whose ground is gone.

    Money that is out of place (paid by hand, a notice that does not fit) is never among them; surplus only once it has
    gone back.
    """
    gone = {CaseKind.ADVANCE_FAILED}
    if view.unresolved is None:
        gone |= _UNTIL_RESOLVED
    if view.invoice is not None and view.invoice.status != "draft":
        gone.add(CaseKind.FINALIZATION_FAILED)
        if view.invoice.status != "open" and view.held_money <= 0:
            gone |= _UNTIL_SETTLED
    if view.held_money >= 0:
        gone.add(CaseKind.CAPTURE_REVERSED)
    back = all(
        refund.state is RefundState.SUCCEEDED for refund in view.refunds if refund.origin is RefundOrigin.SURPLUS
    )
    if view.refunds and back and not any(attempt.returnable for attempt in view.attempts):
        gone.add(CaseKind.SURPLUS_CAPTURE)
        if view.held_money <= 0:
            gone.add(CaseKind.OVERPAID)
    return view.open_cases & gone
