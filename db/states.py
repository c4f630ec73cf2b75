"""The states of everything that has one: closed unions, and which may follow which.

The same lists stand in the database as check constraints; a test holds the two together. The tables of transitions are
data, so that a test can walk every pair: each is either defined here or refused by `may_follow`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

E = TypeVar("E", bound=StrEnum)


class UnknownStateError(Exception):
    """A state that this version does not know: while a newer one is being rolled out, its rows are left to it."""


def known(union: type[E], value: str) -> E:
    """The member of a union; raises UnknownStateError."""
    try:
        return union(value)
    except ValueError:
        raise UnknownStateError(f"{union.__name__} {value!r} was written by a newer version") from None


class AttemptState(StrEnum):
    """One try to take one amount for one invoice with one payment method."""

    SENDING = "sending"
    """The intent is committed; the call is about to be made, is on the wire, or its maker died."""
    SUCCEEDED = "succeeded"
    """The processor took the money."""
    DECLINED = "declined"
    """The payer's side refused; final, no money moved."""
    REJECTED = "rejected"
    """The processor refused our request (4xx): our fault, no money moved, burns no step of the ladder."""
    PENDING = "pending"
    """Accepted; the money has not arrived yet."""
    REQUIRES_ACTION = "requires_action"
    """The payer must act first."""
    UNKNOWN = "unknown"
    """It may have happened. Never a failure."""
    NOT_SENT = "not_sent"
    """No connection was made, or we were turned away unread; nothing happened."""
    CANCELED = "canceled"
    """Withdrawn at the processor before money was taken."""
    REVERSED = "reversed"
    """Taken, and taken back by the payer's bank."""


UNRESOLVED: frozenset[AttemptState] = frozenset(
    {AttemptState.SENDING, AttemptState.PENDING, AttemptState.REQUIRES_ACTION, AttemptState.UNKNOWN}
)
"""While an attempt is in one of these, no other attempt for the invoice may exist (law 1)."""

FAILED: frozenset[AttemptState] = frozenset(
    {AttemptState.DECLINED, AttemptState.REJECTED, AttemptState.NOT_SENT, AttemptState.CANCELED}
)
"""Final without money, as far as we know: a success may still turn up late."""

_FINAL = FAILED | {AttemptState.SUCCEEDED}

ATTEMPT_TRANSITIONS: Mapping[AttemptState, frozenset[AttemptState]] = {
    AttemptState.SENDING: _FINAL | (UNRESOLVED - {AttemptState.SENDING}),
    AttemptState.PENDING: _FINAL | {AttemptState.REQUIRES_ACTION, AttemptState.UNKNOWN},
    AttemptState.REQUIRES_ACTION: _FINAL | {AttemptState.PENDING, AttemptState.UNKNOWN},
    AttemptState.UNKNOWN: _FINAL | {AttemptState.PENDING, AttemptState.REQUIRES_ACTION},
    AttemptState.DECLINED: frozenset({AttemptState.SUCCEEDED}),
    AttemptState.REJECTED: frozenset({AttemptState.SUCCEEDED}),
    AttemptState.NOT_SENT: frozenset({AttemptState.SUCCEEDED}),
    AttemptState.CANCELED: frozenset({AttemptState.SUCCEEDED}),
    AttemptState.SUCCEEDED: frozenset({AttemptState.REVERSED}),
    AttemptState.REVERSED: frozenset({AttemptState.SUCCEEDED}),
}


def may_follow(now: AttemptState, then: AttemptState) -> bool:
    """Whether an attempt in `now` may be found in `then`."""
    return then in ATTEMPT_TRANSITIONS[now]


class InvoiceState(StrEnum):
    """Where an invoice stands for us: a projection of the Stripe invoice, the attempts and the ledger."""

    DRAFT = "draft"
    DUE = "due"
    CHARGING = "charging"
    PENDING = "pending"
    UNKNOWN = "unknown"
    CAPTURED = "captured"
    PAID = "paid"
    RETRYING = "retrying"
    NEEDS_PAYMENT_METHOD = "needs_payment_method"
    EXHAUSTED = "exhausted"
    UNCOLLECTIBLE = "uncollectible"
    CLOSED = "closed"
    NOT_OURS = "not_ours"


SETTLED: frozenset[InvoiceState] = frozenset(
    {InvoiceState.PAID, InvoiceState.UNCOLLECTIBLE, InvoiceState.CLOSED, InvoiceState.NOT_OURS}
)
"""Nothing is expected of these, unless something about them changes."""

INVOICE_UNRESOLVED: frozenset[InvoiceState] = frozenset(
    {InvoiceState.CHARGING, InvoiceState.PENDING, InvoiceState.UNKNOWN}
)
"""A charge may still succeed."""

IN_FLIGHT: frozenset[InvoiceState] = INVOICE_UNRESOLVED | {InvoiceState.CAPTURED}
"""A processor, or Stripe, is being asked or told; nobody need do anything."""


class RecordingState(StrEnum):
    """One telling of Stripe that an invoice is paid out of band."""

    SENDING = "sending"
    """The intent is committed; Stripe may or may not have heard it."""
    RECORDED = "recorded"
    """Stripe shows the invoice as paid, by us."""
    REFUSED = "refused"
    """Stripe said no (400); the invoice was read and something else decided."""
    NOT_SENT = "not_sent"
    """Turned away unread: this call has paid nothing, and says nothing against the next."""
    UNKNOWN = "unknown"
    """No usable answer came; the invoice was read. If it is still open, another call with another key follows."""


class MovementKind(StrEnum):
    """One row of the ledger."""

    CAPTURE = "capture"
    RECEIPT = "receipt"
    CAPTURE_REVERSED = "capture_reversed"
    CAPTURE_REINSTATED = "capture_reinstated"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    DISPUTE_WITHDRAWN = "dispute_withdrawn"
    DISPUTE_RETURNED = "dispute_returned"
    SURPLUS_RETURNED = "surplus_returned"


class RefundState(StrEnum):
    """Money on its way back to the payer, with its credit note: a projection of its parts and that."""

    REQUESTED = "requested"
    DEFERRED = "deferred"
    """The money that it is to be taken from has not arrived yet."""
    SENDING = "sending"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    """The payer has it; where a credit note is wanted, that does not stand yet."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    RECORDED = "recorded"
    """The payer has it, and its credit note stands at Stripe."""


class RefundPartState(StrEnum):
    """What is returned of one capture: one call at the processor."""

    REQUESTED = "requested"
    """Not sent yet, or turned away unread: nothing happened."""
    SENDING = "sending"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """The payer has no money from it; may follow a success."""
    UNKNOWN = "unknown"
    REFUSED = "refused"
    """The processor, or we, made no such refund."""


RELEASED: frozenset[RefundPartState] = frozenset({RefundPartState.FAILED, RefundPartState.REFUSED})
"""Parts that count no more against what is refundable (law 8)."""

REFUND_UNRESOLVED: frozenset[RefundPartState] = frozenset(
    {RefundPartState.SENDING, RefundPartState.PENDING, RefundPartState.UNKNOWN}
)

REFUND_TRANSITIONS: Mapping[RefundPartState, frozenset[RefundPartState]] = {
    RefundPartState.REQUESTED: frozenset(RefundPartState) - {RefundPartState.REQUESTED},
    RefundPartState.SENDING: frozenset(RefundPartState) - {RefundPartState.SENDING},
    RefundPartState.UNKNOWN: frozenset(RefundPartState) - {RefundPartState.UNKNOWN, RefundPartState.SENDING},
    RefundPartState.PENDING: frozenset({RefundPartState.SUCCEEDED, RefundPartState.FAILED, RefundPartState.REFUSED}),
    RefundPartState.SUCCEEDED: frozenset({RefundPartState.FAILED}),
    RefundPartState.FAILED: frozenset(),
    RefundPartState.REFUSED: frozenset({RefundPartState.SUCCEEDED, RefundPartState.PENDING}),
}
"""A refusal can be found to be wrong (somebody looks, and the money is gone); a failure is a processor's last word."""


class RefundOrigin(StrEnum):
    """Who began a refund."""

    REQUEST = "request"
    """Our API or CLI."""
    STRIPE = "stripe"
    """A credit note with an out-of-band amount, made in Stripe."""
    PROCESSOR = "processor"
    """Somebody in the processor's dashboard, or the processor itself."""
    SURPLUS = "surplus"
    """Money that no invoice takes: by itself, or by whoever returned it by hand."""


class Approval(StrEnum):
    """A second pair of eyes, where the amount wants one."""

    NONE = ""
    WAITING = "waiting"
    GIVEN = "given"
    DENIED = "denied"


class CreditNoteState(StrEnum):
    """A credit note at Stripe."""

    WANTED = "wanted"
    """Drawn up, and found acceptable by Stripe's preview; not made yet."""
    SENDING = "sending"
    UNKNOWN = "unknown"
    """No usable answer came: the invoice's notes are listed before another try."""
    ISSUED = "issued"
    REFUSED = "refused"
    VOID = "void"


class CreditNoteOrigin(StrEnum):
    """What a credit note is for; `stripe`: made there by somebody else."""

    STRIPE = "stripe"
    REFUND = "refund"
    DISPUTE = "dispute"
    PARTIAL = "partial"
    REVERSAL = "reversal"


class RemainderState(StrEnum):
    """The invoice that bills anew what a credit note took off another one."""

    WANTED = "wanted"
    """Drawn up; made once its credit note stands."""
    SENDING = "sending"
    UNKNOWN = "unknown"
    """No usable answer came: the customer's invoices are listed before another try."""
    ISSUED = "issued"
    """It is there at Stripe: from here on it is an invoice like any other."""
    REFUSED = "refused"


class CarryState(StrEnum):
    """What a credit note took off an invoice, owed by the customer's balance at Stripe from then on."""

    WANTED = "wanted"
    """Drawn up; made once its credit note stands."""
    SENDING = "sending"
    UNKNOWN = "unknown"
    """No usable answer came: the customer's balance transactions are listed before another try."""
    CARRIED = "carried"
    REFUSED = "refused"


class RecordingTarget(StrEnum):
    """What Stripe was told of a payment."""

    INVOICE = "invoice"
    """That it pays the invoice, out of band."""
    BALANCE = "balance"
    """That what the invoice did not take is the customer's credit."""


class DisputeState(StrEnum):
    """A payer's objection."""

    INQUIRY = "inquiry"
    """A question; no money is held."""
    OPENED = "opened"
    FUNDS_WITHDRAWN = "funds_withdrawn"
    WON = "won"
    LOST = "lost"
    PARTLY_LOST = "partly_lost"
    """The payer keeps a part: it is not treated as lost."""
    CLOSED = "closed"
    """It ended without a word about who has won: its moves of money say."""


DISPUTE_OPEN: frozenset[DisputeState] = frozenset({DisputeState.OPENED, DisputeState.FUNDS_WITHDRAWN})
"""Money is held, or may be at any moment. What it is about can't be refunded (law 8); an inquiry holds none."""

DISPUTE_LIVING: frozenset[DisputeState] = DISPUTE_OPEN | {DisputeState.INQUIRY}
"""It has not ended."""


class MethodStatus(StrEnum):
    """A stored payment method."""

    ACTIVE = "active"
    STOPPED = "stopped"
    """A hard decline: kept, shown, and not charged again."""
    REVOKED = "revoked"
    """Gone at the processor; its reference is erased here."""


class SessionState(StrEnum):
    """A checkout session."""

    CREATING = "creating"
    """Its customer, subscription and draft are being made at Stripe."""
    OPEN = "open"
    PROCESSING = "processing"
    COMPLETE = "complete"
    FAILED = "failed"
    EXPIRED = "expired"


SESSION_LIVE: frozenset[SessionState] = frozenset(
    {SessionState.CREATING, SessionState.OPEN, SessionState.PROCESSING, SessionState.COMPLETE}
)
"""The states in which a `client_reference` gives back this session instead of a new one."""


class Ends(StrEnum):
    """When a subscription is to end."""

    NOW = "now"
    PERIOD_END = "period_end"
    NEVER = "never"
    """It was to end with its period, and lives on."""


class AccessState(StrEnum):
    """What a subscription opens."""

    GRANTED = "granted"
    PENDING_FIRST_PAYMENT = "pending_first_payment"
    """It may be asked for; what it begins with is not paid in full, or not done."""
    SUSPENDED = "suspended"
    """Something has closed what was open; money opens it again."""
    ENDED = "ended"
    """The subscription is over, which is final."""


class CancellationState(StrEnum):
    """One wish that a subscription end, or live on."""

    WANTED = "wanted"
    """Stripe is told of it in the subscription's next turn."""
    DONE = "done"
    REFUSED = "refused"
    """Stripe said no (400), or the subscription had ended by then and can't live on."""
    WITHDRAWN = "withdrawn"
    """Another wish took its place before Stripe was told, or what had brought it about holds no more."""


class CancellationOrigin(StrEnum):
    """Whose wish it was."""

    ASKED = "asked"
    """A server's or a person's."""
    AGREEMENT = "agreement"
    """The payer cancelled the agreement at the processor."""


class Collector(StrEnum):
    """Who collects a subscription, or an invoice."""

    GATEWAY = "gateway"
    STRIPE = "stripe"
    """Stripe charges it by itself."""
    HOSTED = "hosted"
    """It is sent, and its payer pays it on Stripe's own page."""


class Collection(StrEnum):
    """How the invoices that are sent are collected: of an account, of a customer, of one subscription."""

    PROCESSOR = "processor"
    """We charge a stored payment method at a processor."""
    HOSTED = "hosted"
    """The payer pays on Stripe's own page of the invoice; nobody charges anything."""


class OpenInvoices(StrEnum):
    """What becomes of the invoices that are open when Stripe takes a subscription over."""

    FINISH = "finish"
    """We collect them to their end."""
    HAND_OVER = "hand_over"
    """Stripe pays them, with the payment method that it has."""


class SwitchState(StrEnum):
    """One wish that a subscription be collected by another, or with another payment method."""

    WANTED = "wanted"
    """It is done in the subscription's next turns."""
    DONE = "done"
    """Later invoices go by it; those that were open by then take their turns."""
    REFUSED = "refused"
    """Stripe said no, or it can't be, such as of one that has ended: nothing has changed."""
    WITHDRAWN = "withdrawn"
    """Another wish took its place."""


class HandOverState(StrEnum):
    """One open invoice that Stripe is to pay."""

    WANTED = "wanted"
    SENDING = "sending"
    """Stripe is being asked, or was by a worker that died: asked again under the same key."""
    DONE = "done"
    """Stripe has taken it up."""
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    """Its subscription was switched back before."""


class WaitsFor(StrEnum):
    """What an invoice that rests waits for, where somebody acts on that. The words for people stand beside it."""

    PAUSE = "pause"
    """The end of a pause of its subscription in Stripe."""
    PROCESSOR = "processor"
    """An answer of its processor, which was silent."""
    PAYER = "payer"
    """Its payer, on Stripe's own page."""


class MethodSessionState(StrEnum):
    """A session in which a payer gives another payment method."""

    OPEN = "open"
    PROCESSING = "processing"
    """The payer has come back; the processor is being asked."""
    COMPLETE = "complete"
    EXPIRED = "expired"


class SetupState(StrEnum):
    """One set-up at a processor."""

    OPEN = "open"
    """A method may still come of it."""
    STORED = "stored"
    """Its method is the one that the session has kept."""
    FAILED = "failed"
    """No method came of it, and none will."""
    DROPPED = "dropped"
    """Its method was not wanted any more, and was deleted at the processor."""


class DeliveryState(StrEnum):
    """A webhook that was accepted. Every one ends done, ignored with a reason, or parked with a case."""

    STORED = "stored"
    DONE = "done"
    IGNORED = "ignored"
    PARKED = "parked"


ECHO = "it tells what is known here already"
"""Why a delivery is ignored that tells nothing that we had not read: most often of what we did ourselves."""


class EventDeliveryState(StrEnum):
    """One event on its way to one endpoint of the merchant's."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"
    """Refused or unanswered for as long as we try; it can be asked for again."""


class Walk(StrEnum):
    """What is listed at Stripe, and at processors, from time to time, for what webhooks did not bring."""

    EVENTS = "events"
    THIN_EVENTS = "thin_events"
    """Those that no other events tell, of accounts that report usage."""
    OPEN_INVOICES = "open_invoices"
    DRAFT_INVOICES = "draft_invoices"
    NEW_INVOICES = "new_invoices"
    """Made since the last walk, whatever has become of them."""
    CREDIT_NOTES = "credit_notes"
    """Made since the last walk."""
    SUBSCRIPTIONS = "subscriptions"
    NOTICES = "notices"
    """What a processor tells to whoever asks: a walk of each connection whose adapter can."""


class CaseState(StrEnum):
    """Something that a human must look at."""

    OPEN = "open"
    CLOSED = "closed"


class ReconciliationState(StrEnum):
    """One comparison of the books."""

    QUEUED = "queued"
    """Somebody asked for it; a worker takes it up."""
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    """It came to nothing, and says why; the next one compares what this one did not."""


class BreakKind(StrEnum):
    """In what the ledger differs from the processor, or from Stripe. Timing differences are none."""

    MISSING_IN_LEDGER = "missing_in_ledger"
    """The processor settled a move of money that we don't know of."""
    MISSING_AT_PROCESSOR = "missing_at_processor"
    """We hold a move that no settlement file shows, though it should by now."""
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    """Of what was charged: in what the processor pays out is no matter."""
    DUPLICATE_AT_PROCESSOR = "duplicate_at_processor"
    """The processor settled the same move once more."""
    WRONG_INVOICE = "wrong_invoice"
    """The processor's row, or Stripe's metadata, names a payment of another invoice."""
    SETTLEMENT_LATE = "settlement_late"
    """Money should be settled by now, and no settlement file came that tells of its days."""
    SETTLEMENT_REFUSED = "settlement_refused"
    """A settlement file can't be taken in: unreadable, or at odds with itself or with one before."""
    PAID_AT_STRIPE_WITHOUT_MONEY = "paid_at_stripe_without_money"
    MONEY_WITHOUT_STRIPE_RECORD = "money_without_stripe_record"
    """We hold money for an invoice that Stripe does not show as paid by it."""
    SURPLUS_NOT_RETURNED = "surplus_not_returned"
    """We hold more than the invoice wanted, and it has not gone back."""
    CREDIT_NOTE_WITHOUT_REFUND = "credit_note_without_refund"
    REFUND_WITHOUT_CREDIT_NOTE = "refund_without_credit_note"
    RETURNED_TOO_MUCH = "returned_too_much"
    """Refunds and disputes together took more than ever came in."""
    MIRROR_OUTDATED = "mirror_outdated"
    """Our copies of the invoice and of its credit notes don't fit each other: nothing can be said of its refunds."""


class Repair(StrEnum):
    """What may mend a break. None moves money: each asks, or pokes what then decides by itself."""

    LOOK_UP_CHARGE = "look_up_charge"
    """Ask the processor for the charge, and store what it says."""
    POKE_INVOICE = "poke_invoice"
    """Have the live invoice read again; what is owed to Stripe then follows."""
    READ_CREDIT_NOTES = "read_credit_notes"
    """Read the invoice's credit notes at Stripe again, and poke the invoice."""
    FETCH_SETTLEMENTS = "fetch_settlements"
    """Ask the processor for its settlement files once more."""
    ASK_HUMAN = "ask_human"
    """Open a case that names the break."""


class UsageState(StrEnum):
    """What a customer has used, on its way to Stripe's meter."""

    ACCEPTED = "accepted"
    """It is stored here, and Stripe has not heard of it."""
    SENDING = "sending"
    """It is about to be sent, is on the wire, or was sent and no answer came: Stripe may have heard it."""
    SENT = "sent"
    """Stripe has it. It checks it later, and may still refuse it."""
    REFUSED = "refused"
    """Stripe does not count it."""
    UNCONFIRMED = "unconfirmed"
    """Whether Stripe has it is not known, and it would not know a second one for the same any more: a case."""
