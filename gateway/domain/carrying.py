"""What is too little to be charged is owed with the customer's next invoice: by the balance at Stripe. Pure.

First the credit note, by which Stripe settles the invoice; then the balance, so that nothing is ever owed twice. Stripe
adds a balance above zero to what the next finalized invoice wants (docs: billing/customer/balance), and does the same
by itself with what is below its own minimum.
"""

from __future__ import annotations

from datetime import datetime

from db.states import CarryState
from gateway.domain.actions import Action, CarryOver, FindCarry, OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind
from gateway.domain.noting import NOTE_TRIES_TO_CASE
from gateway.domain.partial import again_at
from gateway.domain.view import CarryRow, InvoiceView

KIND = CaseKind.REMAINDER_NOT_BILLED


def owe(view: InvoiceView, now: datetime) -> Action | None:
    """The next step for what was credited of this invoice to be carried over; None where all of that is."""
    steps = (_owe(view, one, now) for one in view.carries if one.credited)
    return next((step for step in steps if step is not None), None)


def _owe(view: InvoiceView, carry: CarryRow, now: datetime) -> Action | None:
    known = KIND in view.told_cases
    match carry.state:
        case CarryState.WANTED:
            return CarryOver(carry.id)
        case CarryState.SENDING | CarryState.UNKNOWN:
            if carry.tries >= NOTE_TRIES_TO_CASE and not known:
                return OpenCase(KIND, "Stripe gives no answer about the customer's balance, which is to carry the rest")
            at = again_at(carry.sent_at or now, carry.tries)
            return WaitUntil(at, "Stripe's answer was lost") if at > now else FindCarry(carry.id)
        case CarryState.REFUSED:
            return None if known else OpenCase(KIND, f"Stripe does not write the rest to the balance: {carry.why}")
        case CarryState.CARRIED:
            return None
