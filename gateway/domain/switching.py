"""Who collects an invoice whose subscription was switched between Stripe and us. Pure.

The subscription's collection method holds for invoices to come (docs: billing/collection-method). One that is open
keeps its own: what Stripe charges automatically becomes ours only once Stripe has confirmed that it does not advance it
any more, and stays ours only as long as it shows that.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db.states import Collector
from gateway.domain.actions import OpenCase
from gateway.domain.billed import BilledInvoice, StripePayment
from gateway.domain.case_kinds import CaseKind
from gateway.domain.view import InvoiceView

STRIPES: Final = "Stripe collects it itself"
TURNED_ON: Final = "Stripe collects it itself: somebody has turned that on again since it was switched to us"


def seen_as_ours(invoice: BilledInvoice, collect_by: datetime) -> BilledInvoice:
    """An invoice that Stripe has let go of, as the rules see one that is sent: with a due date, which Stripe sets none.

    Only while Stripe shows that it does not advance it: anybody may turn that on again.
    """
    if invoice.status != "open" or invoice.auto_advance or invoice.collection_method == "send_invoice":
        return invoice
    return msgspec.structs.replace(invoice, collection_method="send_invoice", due_date=collect_by)


def to_take(view: InvoiceView, invoice: BilledInvoice) -> bool:
    """Whether Stripe must still be told to leave it to us. Not what we would leave alone: nobody would collect it."""
    wanted = view.collector is Collector.GATEWAY and not view.taken and not view.opted_out and view.connections
    return wanted and invoice.collection_method != "send_invoice" and invoice.status in ("draft", "open")


def why_stripes(view: InvoiceView) -> str:
    """Why an invoice that is not sent is not ours."""
    return TURNED_ON if view.taken and view.invoice is not None and view.invoice.status == "open" else STRIPES


def let_go_and_forgotten(view: InvoiceView, invoice: BilledInvoice) -> OpenCase | None:
    """After a gap: Stripe was told to leave it to us, as it seems, and no row of ours knows (a restored database).

    Anybody may have told Stripe so, and then it is not ours to charge: a human decides.
    """
    left = invoice.status == "open" and invoice.collection_method != "send_invoice" and not invoice.auto_advance
    alone = view.collector is None and invoice.stripe_payment is StripePayment.NONE
    sent = view.subscription is not None and not view.subscription.at_stripe and not view.subscription.ended
    watched = view.look_first and view.pause is None and not view.opted_out
    if left and alone and sent and watched and CaseKind.NOBODY_COLLECTS not in view.told_cases:
        return OpenCase(CaseKind.NOBODY_COLLECTS, "Stripe does not advance it, and it was not taken here")
    return None
