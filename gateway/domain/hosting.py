"""An invoice whose payer pays it on Stripe's own page. Pure.

It is sent, so Stripe charges nothing by itself, and neither do we. There is no ladder: the payer has until the due
date, and then comes the account's `at_end`, like the end of any other recovery. Downtime of ours postpones nothing, as
nobody waited for us. A payment at Stripe is its normal end (docs: invoicing/hosted-invoice-page).

Who collects it stands on the invoice and is changed in its own turn alone, so that no charge goes out beside a page on
which somebody pays: the turn finds no try unresolved and no money held, and a charge still takes its last look (law 3).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db.states import Collector, WaitsFor
from gateway.domain import ending
from gateway.domain.actions import Action, FindLost, WaitUntil
from gateway.domain.billed import BilledInvoice
from gateway.domain.forgotten import askable, next_number
from gateway.domain.obstacles import PAYS_THERE
from gateway.domain.recovery import ends_at
from gateway.domain.view import InvoiceView

NOT_PAID: Final = "it was not paid on Stripe's page by its due date"


def changes(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether another is to collect it than did so far. What Stripe charges, or was handed over to it, stays there."""
    living = invoice.status in ("draft", "open") and invoice.collection_method == "send_invoice"
    if not living or view.collector is Collector.STRIPE:
        return False
    return view.hosted is not (view.collector is Collector.HOSTED)


def lost(view: InvoiceView) -> FindLost | None:
    """How to find a try of ours from before its payer went to that page, which a restored database has forgotten."""
    methods = askable(view)
    if view.collector is not Collector.HOSTED or not view.look_first or not methods:
        return None
    method = min(methods, key=lambda m: (m.position, m.created_at, m.id))
    return FindLost(method.id, method.connection, next_number(view))


def wait(view: InvoiceView, invoice: BilledInvoice, now: datetime) -> Action | None:
    """The next step for an open invoice that is paid on Stripe's page; None for every other."""
    if view.collector is not Collector.HOSTED:
        return None
    at = ends_at(view, now)
    if at is None or now < at:
        return WaitUntil(at, PAYS_THERE, waits_for=WaitsFor.PAYER)
    return ending.end(view, invoice, NOT_PAID, now)
