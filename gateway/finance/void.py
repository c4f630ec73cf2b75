"""Void an invoice by hand: nobody owes it any more. The wish is stored, and `advance` carries it out at Stripe.

There is no way back (docs: invoicing/overview). So it is refused while money may still come for it, or has.
"""

from __future__ import annotations

from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Collector, CreditNoteState
from gateway.accounts.audit import Author, required
from gateway.clock import business_now
from gateway.domain.billed import StripePayment
from gateway.domain.decide import not_ours
from gateway.domain.obstacles import PAID_AT_STRIPE
from gateway.domain.view import InvoiceView
from gateway.finance.errors import AlreadyRunningError, NotNowError
from gateway.finance.invoice import hold_invoice

ASK: Final = "update tollbridge.invoice set void_asked_at = $3 where account = $1 and id = $2"
MADE: Final = frozenset({CreditNoteState.WANTED, CreditNoteState.SENDING, CreditNoteState.UNKNOWN})


async def void_invoice(by: Author, account: str, invoice: str) -> None:
    """Ask for it. `by` names who, and its reason why.

    Raises NotThereError, FieldError without a reason, AlreadyRunningError, NotNowError.
    """
    required(by.reason)
    now = await business_now()
    async with DB.transaction():
        view = await hold_invoice(account, invoice)
        refuse(view)
        assert view.invoice is not None
        await sql.rows(ASK, account, invoice, now)
        await poke.poke(Kind.INVOICE, account, [invoice], now, stale=True)
        before = {"status": view.invoice.status, "amount_remaining": view.invoice.amount_remaining}
        await by.note(account, "invoice.void", invoice, before=before, after={"status": "void"})


def refuse(view: InvoiceView) -> None:
    """Raise what stands in the way. Pure."""
    invoice = view.invoice
    if view.void_asked and view.held_money <= 0:
        raise AlreadyRunningError("it is about to be voided")
    if invoice is None or view.stale:
        raise AlreadyRunningError("Stripe is about to be asked what the invoice is; ask again")
    if view.unresolved is not None:
        # Law 7.
        raise NotNowError(
            f"attempt {view.unresolved.number} is {view.unresolved.state}: how it ends must be known first"
        )
    if view.held_money != 0:
        raise NotNowError("money for it is held, or was taken back: a refund, or its case, settles that first")
    if invoice.status not in ("open", "uncollectible"):
        raise NotNowError(f"the invoice is {invoice.status} in Stripe")
    if reason := not_ours(view):
        raise NotNowError(f"it is not collected here: {reason}")
    if view.collector is Collector.STRIPE:
        raise NotNowError("Stripe is to pay it: void it in Stripe, or switch its subscription back to us first")
    if invoice.stripe_payment is not StripePayment.NONE:
        raise NotNowError(PAID_AT_STRIPE)
    if view.hold == "held":
        raise NotNowError("it belongs to a checkout that is not confirmed")
    if any(note.state in MADE for note in view.notes):
        raise NotNowError("a credit note for it is being made")
