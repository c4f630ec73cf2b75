"""An invoice of ours that Stripe is to pay, since its subscription was switched to Stripe. Pure.

It is asked for only where `decide` would charge: no try is unresolved and no money is held. What Stripe can't take
stays open for a human, and for the end of its recovery. Once its subscription has ended it is not asked for any more,
where that is the account's policy.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db.states import Collector, HandOverState
from gateway.domain import after_end, ending
from gateway.domain.actions import Action, FindLost, OpenCase, PayAtStripe, Read, WaitUntil
from gateway.domain.billed import BilledInvoice
from gateway.domain.case_kinds import CaseKind
from gateway.domain.forgotten import askable, next_number
from gateway.domain.switching import STRIPES
from gateway.domain.view import InvoiceView

FAILED: Final = "the payment that Stripe took up has failed"


def gives_draft(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether a draft becomes one that Stripe charges by itself. One that a pause has held up nobody but us finalizes,
    so it is paid as an open one."""
    given = view.collector is Collector.STRIPE and invoice.collection_method == "send_invoice"
    return given and not view.kept_in_pause and view.hold == "" and not after_end.is_stopped(view)


def pay(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """The next step for an open invoice that was handed over; None for every other."""
    handed = view.hand_over
    if view.collector is not Collector.STRIPE:
        return None
    if handed is None or handed.state is HandOverState.WITHDRAWN:
        return WaitUntil(None, STRIPES)
    if handed.state in (HandOverState.WANTED, HandOverState.SENDING):
        if after_end.is_stopped(view):
            return ending.exhausted(view, invoice, after_end.ENDED, now)
        if view.look_first and (methods := askable(view)):
            # A restored database may have forgotten a try that is under way.
            return FindLost(methods[0].id, methods[0].connection, next_number(view))
        return PayAtStripe(handed.id) if view.is_fresh(now) else Read()
    reason = handed.message or FAILED
    if CaseKind.HAND_OVER_DECLINED not in view.told_cases:
        return OpenCase(CaseKind.HAND_OVER_DECLINED, reason)
    return ending.end(view, invoice, f"Stripe could not take it: {reason}", now)
