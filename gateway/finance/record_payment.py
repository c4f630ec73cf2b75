"""A payment that came without a processor: credits inside the merchant's app, a bank transfer.

It is noted with its evidence, and Stripe is told that the invoice is paid out of band. Never a charge.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Final

import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Kind
from db.states import Collector, CreditNoteOrigin, CreditNoteState, HandOverState, MovementKind
from gateway import ledger
from gateway.accounts.audit import Author, required
from gateway.accounts.errors import FieldError
from gateway.clock import business_now
from gateway.collect.view import view_of
from gateway.domain.billed import StripePayment
from gateway.domain.receipt_words import Following, following
from gateway.domain.times import day
from gateway.domain.view import InvoiceView
from gateway.finance.errors import AlreadyRunningError, NotNowError
from gateway.finance.invoice import hold_invoice
from processors.money import MAX_AMOUNT_MINOR, Money, to_text

SOURCE: Final = "^[a-z][a-z0-9_]{0,39}$"
REFERENCE: Final = "^[^\\x00-\\x1f]+$"
LONGEST_REFERENCE: Final = 255

SAME: Final = """
    select amount, currency, occurred_at from tollbridge.movement
    where account = $1 and invoice = $2 and kind = 'receipt' and processor_id = $3
        and evidence::jsonb ->> 'source' = $4
"""


ASKING: Final = frozenset({HandOverState.WANTED, HandOverState.SENDING})


class Receipt(msgspec.Struct, frozen=True):
    """A payment as somebody tells of it. `amount`: what came, in minor units; None for all that is due. `due`: what was
    due when they looked, if they did: where it is another amount now, what they were told would not follow. `more`: it
    may be more than is due.
    """

    source: str
    reference: str
    received_at: datetime
    reason: str
    amount: int | None = None
    due: int | None = None
    more: bool = True

    def validate(self) -> None:
        """Raises FieldError. What its invoice says to it is another question (`refuse`)."""
        if not re.fullmatch(SOURCE, self.source):
            raise FieldError("source", "must be a word of small letters, digits and underscores, as bank_transfer")
        named = self.reference.strip() and re.fullmatch(REFERENCE, self.reference)
        if not named or len(self.reference) > LONGEST_REFERENCE:
            raise FieldError("reference", f"must name the payment, in {LONGEST_REFERENCE} letters at most")
        required(self.reason)
        if self.amount is not None and not 0 < self.amount <= MAX_AMOUNT_MINOR:
            raise FieldError("amount", f"must be between 1 and {MAX_AMOUNT_MINOR}, in minor units")


class Evidence(msgspec.Struct, frozen=True):
    """What the ledger keeps beside the amount."""

    source: str
    recorded_by: str
    reason: str


async def foresee(account: str, invoice: str, receipt: Receipt) -> Following:
    """What would follow; raises what `record_payment` would, and FieldError for what is recorded already."""
    receipt.validate()
    view = await view_of(account, invoice)
    if (same := await sql.row(SAME, account, invoice, receipt.reference, receipt.source)) is not None:
        # Recorded, it would say what is due now.
        noted = Money(same["amount"], same["currency"])
        refuse_another(msgspec.structs.replace(receipt, due=view.wanted or None), noted, same["occurred_at"])
        raise FieldError("reference", f"is that of {_told(noted, same['occurred_at'])}, which is recorded already")
    _refuse(view, receipt, await business_now())
    return following(view, receipt.amount or view.wanted)


async def record_payment(by: Author, account: str, invoice: str, receipt: Receipt) -> None:
    """Note the payment, and poke; the same receipt again changes nothing. What is less or more than what is due goes
    the ways of a capture that is.

    `by` names who, and its reason why. Raises NotThereError, FieldError, AlreadyRunningError, NotNowError.
    """
    receipt.validate()
    now = await business_now()
    async with DB.transaction():
        view = await hold_invoice(account, invoice)
        if (same := await sql.row(SAME, account, invoice, receipt.reference, receipt.source)) is not None:
            refuse_another(receipt, Money(same["amount"], same["currency"]), same["occurred_at"])
            return
        _refuse(view, receipt, now)
        assert view.invoice is not None
        if receipt.due is not None and receipt.due != view.wanted:
            raise NotNowError(f"what is due has changed meanwhile: {to_text(view.wanted, view.invoice.currency)} now")
        if not receipt.more and (receipt.amount or 0) > view.wanted:
            raise FieldError("more", "more came than is due: say that it is meant so")
        amount, currency = receipt.amount or view.wanted, view.invoice.currency
        evidence = msgspec.json.encode(Evidence(receipt.source, by.name, receipt.reason)).decode()
        movement = await ledger.move(
            ledger.Place(account, invoice),
            MovementKind.RECEIPT,
            receipt.reference,
            Money(amount, currency),
            receipt.received_at,
            now,
            occurrence=invoice,
            evidence=evidence,
        )
        if movement is None:
            raise FieldError("reference", "is that of a payment from another source, recorded for this invoice")
        after = {"movement": movement, "amount": amount, "currency": currency, "source": receipt.source}
        await by.note(account, "invoice.payment_recorded", invoice, after=after | {"reference": receipt.reference})
        await poke.poke(Kind.INVOICE, account, [invoice], now, stale=True)


def _refuse(view: InvoiceView, receipt: Receipt, now: datetime) -> None:
    refuse(view)
    if receipt.received_at > now:
        raise FieldError("received_at", "must not be in the future")


def refuse(view: InvoiceView) -> None:
    """Raise what stands in the way. Pure."""
    invoice = view.invoice
    if invoice is None or view.stale:
        raise AlreadyRunningError("Stripe is about to be asked what the invoice is; ask again")
    if view.void_asked and view.held_money <= 0:
        # What is held already keeps it from being voided.
        raise AlreadyRunningError("it is about to be voided")
    if view.unresolved is not None:
        raise NotNowError(
            f"attempt {view.unresolved.number} is {view.unresolved.state}: how it ends must be known first"
        )
    if view.held_money != 0 and not _wants_more(view):
        raise NotNowError("a payment for it is held already, and Stripe is told of it, or a case says why not")
    if invoice.status != "open":
        raise NotNowError(f"the invoice is {invoice.status} in Stripe")
    if invoice.collection_method != "send_invoice" or invoice.stripe_payment is not StripePayment.NONE:
        raise NotNowError("Stripe collects it itself")
    if view.collector is Collector.STRIPE and view.hand_over is not None and view.hand_over.state in ASKING:
        raise NotNowError("Stripe is being asked to charge it: how that ends must be known first")
    if view.abandoned or view.hold == "held":
        raise NotNowError("it belongs to a checkout that is not confirmed")
    if invoice.amount_remaining <= 0:
        raise NotNowError("nothing remains to be paid")


def refuse_another(receipt: Receipt, noted: Money, at: datetime) -> None:
    """Raise where a payment under the same reference was another one. Of what tells no amount, nor what was due, the
    amount is no sign of that. Pure."""
    amount = receipt.amount or receipt.due
    if amount in (None, noted.amount) and receipt.received_at.date() == at.date():
        return
    raise FieldError("reference", f"is that of {_told(noted, at)}, which is recorded: give this one its own")


def _told(noted: Money, at: datetime) -> str:
    return f"the payment of {to_text(noted.amount, noted.currency)} of {day(at)}"


def _wants_more(view: InvoiceView) -> bool:
    """A part is held, and what is missing is not credited yet, nor about to be."""
    begun = (CreditNoteState.WANTED, CreditNoteState.SENDING, CreditNoteState.UNKNOWN)
    credited = any(note.origin is CreditNoteOrigin.PARTIAL and note.state in begun for note in view.notes)
    return view.held_money > 0 and view.wanted > 0 and not credited
