"""The invoice that bills what was credited of another one: made, filled, and collected like any other. Pure.

It follows the credit note, since that took the debt away, whatever became of the payment. Its lines carry the tax that
the note took off. What they come to is read on the draft, where nothing is lost: only what is exact is finalized.
"""

from __future__ import annotations

from datetime import datetime

from db.states import RemainderState
from gateway.domain.actions import Action, Finalize, OpenCase, Read, ReturnPart, WaitUntil
from gateway.domain.billed import REMAINDER_KEY, BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.cases import ask_human
from gateway.domain.noting import NOTE_TRIES_TO_CASE
from gateway.domain.obstacles import CUSTOMER_DELETED
from gateway.domain.partial import again_at, lost_note
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest
from gateway.domain.view import InvoiceView, RemainderRow
from processors.money import to_text


def bill(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """The next step for what was credited of this invoice; None where all of that is billed."""
    if (looked_for := lost_note(view, now)) is not None:
        return looked_for
    for rest in view.remainders:
        if rest.credited and (step := _bill(view, rest, now)) is not None:
            return step
    last = next((rest.issued_as for rest in reversed(view.remainders) if rest.issued_as), "")
    return LinkRest(last) if last and invoice.metadata.get(REMAINDER_KEY) != last else None


def _bill(view: InvoiceView, rest: RemainderRow, now: datetime) -> Action | None:
    kind = CaseKind.REMAINDER_NOT_BILLED
    match rest.state:
        case RemainderState.WANTED:
            return IssueRest(rest.id)
        case RemainderState.SENDING | RemainderState.UNKNOWN:
            if rest.tries >= NOTE_TRIES_TO_CASE and kind not in view.told_cases:
                return OpenCase(kind, "Stripe gives no answer about the invoice for the rest")
            at = again_at(rest.sent_at or now, rest.tries)
            return WaitUntil(at, "Stripe's answer was lost") if at > now else FindRest(rest.id)
        case RemainderState.REFUSED:
            known = kind in view.told_cases
            return None if known else OpenCase(kind, f"Stripe makes no invoice for the rest: {rest.why}")
        case RemainderState.ISSUED:
            return None


def fill(view: InvoiceView, invoice: BilledInvoice, rest: RemainderRow, now: datetime) -> Action:
    """The next step for the draft that bills a rest."""
    if view.customer_deleted:
        return ask_human(view, CaseKind.REMAINDER_NOT_BILLED, CUSTOMER_DELETED)
    if view.not_before is not None and view.not_before > now:
        return WaitUntil(view.not_before, "Stripe could not finalize it")
    if not view.is_fresh(now):
        return Read()
    if invoice.total == rest.amount:
        return Finalize()
    if invoice.total == 0:
        return FillRest(rest.id)
    if not rest.one_line:
        return EmptyRest(rest.id)
    comes_to, wanted = (to_text(amount, invoice.currency) for amount in (invoice.total, rest.amount))
    return ask_human(view, CaseKind.REMAINDER_NOT_BILLED, f"its draft comes to {comes_to}, and the rest is {wanted}")


def return_part(view: InvoiceView) -> Action | None:
    """The rest was given up: whether what came before goes back too. None where it is kept, or has gone back."""
    wanted = view.policy.partial_at_end == "return" and view.parts_to_return
    return ReturnPart(view.parts_to_return[0]) if wanted else None
