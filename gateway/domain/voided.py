"""A void invoice that had used the customer's balance: whether that came back is asked, and told. Pure."""

from __future__ import annotations

from gateway.domain.actions import Action, Done, OpenCase, ReadBalance
from gateway.domain.billed import BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.view import InvoiceView
from processors.money import to_text


def void(view: InvoiceView, invoice: BilledInvoice) -> Action:
    """What a void invoice wants. Of a customer who was deleted Stripe tells no balance, and nobody could use it."""
    used, back = invoice.balance_used, view.balance_back
    if not used or view.customer_deleted:
        return Done("void in Stripe")
    if back is None:
        return ReadBalance()
    told = f"{to_text(back, invoice.currency)} of the {to_text(used, invoice.currency)} of the customer's balance that"
    kind = CaseKind.BALANCE_NOT_RETURNED
    if back != used and kind not in view.told_cases:
        return OpenCase(kind, f"{told} the void invoice had used came back")
    return Done(f"void in Stripe; {told} it had used came back")
