"""Cases that close themselves: their ground is gone, and nobody needs to look any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.states import RefundOrigin, RefundState
from gateway.domain.case_kinds import CaseKind
from gateway.domain.view import InvoiceView

_UNTIL_RESOLVED = frozenset({CaseKind.OUTCOME_UNKNOWN, CaseKind.PENDING_TOO_LONG})
_UNTIL_SETTLED = frozenset(
    {
        CaseKind.ABOVE_AGREED_MAXIMUM,
        CaseKind.ABOVE_PROCESSOR_MAXIMUM,
        CaseKind.AMOUNT_INEXPRESSIBLE,
        CaseKind.ATTEMPT_REJECTED,
        CaseKind.BELOW_PROCESSOR_MINIMUM,
        CaseKind.COLLECTION_EXHAUSTED,
        CaseKind.CUSTOMER_DELETED,
        CaseKind.HAND_OVER_DECLINED,
        CaseKind.NOBODY_COLLECTS,
        CaseKind.PARTIAL_CAPTURE,
        CaseKind.RECORDING_FAILED,
    }
)
_ENDED = frozenset({RefundState.SUCCEEDED, RefundState.RECORDED, RefundState.FAILED, RefundState.REFUSED})

BY_ITSELF: Final = "settled by itself"


def outdated(view: InvoiceView) -> Mapping[str, str]:
    """The open cases of an invoice that has come to rest whose ground is gone, and why it is.

    Money that is out of place (paid by hand, a notice that does not fit) is never among them; surplus only once it has
    gone back, or a dispute has taken it; what came too much only once none of it is held, nor on its way back.
    """
    gone = {CaseKind.ADVANCE_FAILED}
    if view.unresolved is None:
        gone |= _UNTIL_RESOLVED
    if view.invoice is not None and view.invoice.status != "draft":
        gone.add(CaseKind.FINALIZATION_FAILED)
        if view.invoice.status != "open" and view.held_money <= 0:
            gone |= _UNTIL_SETTLED
    if view.taken or (view.invoice is not None and view.invoice.auto_advance):
        gone.add(CaseKind.NOBODY_COLLECTS)
    if view.held_money >= 0:
        gone.add(CaseKind.CAPTURE_REVERSED)
    going_back = any(one.origin is RefundOrigin.SURPLUS and one.state not in _ENDED for one in view.refunds)
    surplus = [attempt for attempt in view.attempts if attempt.surplus]
    if surplus and not any(attempt.returnable or attempt.kept for attempt in surplus):
        gone.add(CaseKind.SURPLUS_CAPTURE)
    if view.held_money <= 0 and not going_back:
        gone.add(CaseKind.OVERPAID)
    taken = any(attempt.disputed for attempt in surplus)
    reasons = {CaseKind.SURPLUS_CAPTURE: "a dispute has taken the money"} if taken else {}
    return {kind: reasons.get(CaseKind(kind), BY_ITSELF) for kind in view.open_cases & gone}
