"""The closed union of next steps. Each makes at most one outside call."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal, TypeAlias

import msgspec

from db.states import CreditNoteOrigin, WaitsFor
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest, TakeUpRest

GivingUp: TypeAlias = Literal["mark_uncollectible", "void", "cancel_subscription"]


class CaseKind(StrEnum):
    """Why a human must look."""

    ADVANCE_FAILED = "advance_failed"
    AMOUNT_INEXPRESSIBLE = "amount_inexpressible"
    ATTEMPT_REJECTED = "attempt_rejected"
    BALANCE_NOT_RETURNED = "balance_not_returned"
    BELOW_PROCESSOR_MINIMUM = "below_processor_minimum"
    ABOVE_PROCESSOR_MAXIMUM = "above_processor_maximum"
    BOOKS_DIFFER = "books_differ"
    BREAK_TO_EXPLAIN = "break_to_explain"
    CAPTURE_REVERSED = "capture_reversed"
    CATCH_UP_FAILED = "catch_up_failed"
    COLLECTION_EXHAUSTED = "collection_exhausted"
    CONNECTION_LOCKED = "connection_locked"
    CREDIT_NOTE_DENIED = "credit_note_denied"
    CREDIT_NOTE_NOT_OURS = "credit_note_not_ours"
    CREDIT_NOTE_REFUSED = "credit_note_refused"
    CREDIT_NOTE_UNMATCHED = "credit_note_unmatched"
    CREDIT_NOTE_VOIDED = "credit_note_voided"
    CUSTOMER_DELETED = "customer_deleted"
    DECLINE_UNMAPPED = "decline_unmapped"
    DELIVERY_PARKED = "delivery_parked"
    DISPUTE_INQUIRY = "dispute_inquiry"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_RECOVERED = "dispute_recovered"
    DISPUTE_UNCLEAR = "dispute_unclear"
    ENDPOINT_DISABLED = "endpoint_disabled"
    EVENT_UNDELIVERED = "event_undelivered"
    FINALIZATION_FAILED = "finalization_failed"
    INVOICE_SENT_BY_STRIPE = "invoice_sent_by_stripe"
    NOTICE_MISMATCH = "notice_mismatch"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OVERPAID = "overpaid"
    OVERPAID_AT_STRIPE = "overpaid_at_stripe"
    OVERPAID_TO_CUSTOMER = "overpaid_to_customer"
    PAID_AT_STRIPE = "paid_at_stripe"
    PAID_BY_HAND = "paid_by_hand"
    PARTIAL_CAPTURE = "partial_capture"
    PENDING_TOO_LONG = "pending_too_long"
    RECONCILIATION_FAILED = "reconciliation_failed"
    RECORDING_FAILED = "recording_failed"
    REFUND_FAILED = "refund_failed"
    REFUND_NOT_SENT = "refund_not_sent"
    REFUND_PENDING_TOO_LONG = "refund_pending_too_long"
    REFUND_REFUSED = "refund_refused"
    REFUND_UNKNOWN = "refund_unknown"
    REFUND_WAITS = "refund_waits"
    REMAINDER_NOT_BILLED = "remainder_not_billed"
    SURPLUS_CAPTURE = "surplus_capture"


REPAIR: dict[CaseKind, str] = {
    CaseKind.ADVANCE_FAILED: "Read the error, mend its cause, then collect again.",
    CaseKind.AMOUNT_INEXPRESSIBLE: "The processor can't take this amount exactly: collect it another way.",
    CaseKind.ATTEMPT_REJECTED: "The processor refuses our request itself: check the connection's configuration.",
    CaseKind.BALANCE_NOT_RETURNED: "Stripe kept what the void invoice took of the balance: adjust that in Stripe.",
    CaseKind.BELOW_PROCESSOR_MINIMUM: "Collect it another way, or credit it in Stripe.",
    CaseKind.ABOVE_PROCESSOR_MAXIMUM: "Collect it another way, or split it in Stripe.",
    CaseKind.BOOKS_DIFFER: "Look at the breaks of the last reconciliation; each names what may mend it.",
    CaseKind.BREAK_TO_EXPLAIN: "Compare the ids on both sides; it closes by itself once the books agree.",
    CaseKind.CAPTURE_REVERSED: "The payer's bank took it back, and Stripe shows it paid: ask the payer, or credit it.",
    CaseKind.CATCH_UP_FAILED: "What webhooks lost can't be listed: see that the key or connection may read it.",
    CaseKind.COLLECTION_EXHAUSTED: "Every try is used: ask the payer, mark it uncollectible, or void it in Stripe.",
    CaseKind.CONNECTION_LOCKED: "Nothing is charged there: ask the processor. Closing this case charges there again.",
    CaseKind.CREDIT_NOTE_DENIED: "Void the credit note at Stripe, or pay the payer by hand (at the processor, say).",
    CaseKind.CREDIT_NOTE_NOT_OURS: "Stripe collected this invoice: refund it there, or void the credit note.",
    CaseKind.CREDIT_NOTE_REFUSED: "The payer has the money: make the credit note in Stripe, or retry.",
    CaseKind.CREDIT_NOTE_UNMATCHED: "Say which refund it belongs to, or have it sent: resolve the credit note.",
    CaseKind.CREDIT_NOTE_VOIDED: "The payer has the money and Stripe credits nothing: make the credit note anew.",
    CaseKind.CUSTOMER_DELETED: "Void it in Stripe, or mark it uncollectible; nothing is charged for it any more.",
    CaseKind.DECLINE_UNMAPPED: "Say what the code means: class it in the connection's `declines`. Till then it's soft.",
    CaseKind.DELIVERY_PARKED: "Read the error, mend its cause, then replay the delivery.",
    CaseKind.DISPUTE_INQUIRY: "Answer the payer's question at the processor before it becomes a dispute.",
    CaseKind.DISPUTE_LOST: "The payer took the payment back: decide whether to serve and charge them any further.",
    CaseKind.DISPUTE_OPENED: "Send the evidence at the processor in time, or accept the dispute there.",
    CaseKind.DISPUTE_RECOVERED: "The money came back and is credited: invoice it again in Stripe, or return it.",
    CaseKind.DISPUTE_UNCLEAR: "Compare the dispute's money with the processor's dashboard: nothing is credited yet.",
    CaseKind.ENDPOINT_DISABLED: "Mend the webhook endpoint and enable it, or remove it; then replay what it missed.",
    CaseKind.EVENT_UNDELIVERED: "Look at the webhook endpoint's deliveries, mend what refuses them, and replay.",
    CaseKind.FINALIZATION_FAILED: "Fill in what Stripe misses at the customer; finalizing is tried again every hour.",
    CaseKind.INVOICE_SENT_BY_STRIPE: "Turn invoice mails off in Stripe's settings: payers may pay there too.",
    CaseKind.NOTICE_MISMATCH: "Compare the notice with the processor's dashboard; it changed nothing here.",
    CaseKind.OUTCOME_UNKNOWN: "Look the reference up at the processor; nothing is charged until this is known.",
    CaseKind.OVERPAID: "Return the difference to the payer.",
    CaseKind.OVERPAID_TO_CUSTOMER: "More went back than was captured: answer the dispute with the refund.",
    CaseKind.OVERPAID_AT_STRIPE: "Stripe credits the excess to the customer: refund it there, or let it stand.",
    CaseKind.PAID_AT_STRIPE: "Nothing is owed. See how the payer came to Stripe's page: mails and portal must be off.",
    CaseKind.PAID_BY_HAND: "Somebody marked the invoice paid while we captured it: keep ours or return it.",
    CaseKind.PARTIAL_CAPTURE: "Less than the invoice was captured: credit the rest in Stripe or collect it.",
    CaseKind.PENDING_TOO_LONG: "Ask the processor; nothing is charged until this is known.",
    CaseKind.RECONCILIATION_FAILED: "Read the error and mend its cause; the next reconciliation compares it all.",
    CaseKind.RECORDING_FAILED: "The money is captured and Stripe can't be told: mend the key or the invoice.",
    CaseKind.REFUND_FAILED: "The payer does not have the money: retry the refund, or return it another way.",
    CaseKind.REFUND_NOT_SENT: "The processor turns it away: look at the connection; it is tried again every hour.",
    CaseKind.REFUND_PENDING_TOO_LONG: "Ask the processor; it counts as returned until this is known.",
    CaseKind.REFUND_REFUSED: "It was not made: mend the cause and retry, or return the money another way.",
    CaseKind.REFUND_UNKNOWN: "Look the reference up at the processor; it counts as returned until this is known.",
    CaseKind.REFUND_WAITS: "Somebody else decides: `tollbridge refunds approve` or `deny`, or by the API "
    "POST /v1/refunds/{id}/approve or /deny. Nothing goes back until then.",
    CaseKind.REMAINDER_NOT_BILLED: "The rest is credited, and nothing bills it: bill it in Stripe, or let it be.",
    CaseKind.SURPLUS_CAPTURE: "Return this capture to the payer: the invoice is settled without it.",
}


class Read(msgspec.Struct, frozen=True):
    """Read the live invoice at Stripe."""


class Finalize(msgspec.Struct, frozen=True):
    """Finalize the draft at Stripe."""


class Charge(msgspec.Struct, frozen=True):
    """Make attempt `number`: take `amount` (Stripe's minor units) with `method`."""

    method: str
    connection: str
    amount: int
    number: int
    reason: str


class FindLost(msgspec.Struct, frozen=True):
    """Ask the processor for attempt `number` and those after it: we may have made them, and have forgotten them."""

    method: str
    connection: str
    number: int


class Resolve(msgspec.Struct, frozen=True):
    """Find out how an attempt ended: by asking, or by sending the stored bytes again under the same key."""

    attempt: str
    how: Literal["lookup", "replay"]


class MarkUnknown(msgspec.Struct, frozen=True):
    """The worker that sent this attempt is gone: nobody knows what came of it. No call."""

    attempt: str


class CancelPending(msgspec.Struct, frozen=True):
    """Withdraw an attempt at the processor, since nothing should be collected any more."""

    attempt: str


class Tag(msgspec.Struct, frozen=True):
    """Write the payment's id into the invoice's metadata, before it is marked paid (law 5)."""

    attempt: str
    receipt: bool = False
    """`attempt` names a receipt."""


class Record(msgspec.Struct, frozen=True):
    """Mark the invoice paid out of band. `amount` is what it still wanted at the last look."""

    attempt: str
    amount: int
    receipt: bool = False
    """`attempt` names a receipt."""


class ConfirmRecording(msgspec.Struct, frozen=True):
    """The invoice is paid, and by us: close the recording whose answer was lost. No call."""

    recording: str


class MarkSurplus(msgspec.Struct, frozen=True):
    """The invoice is settled without this capture: it is the payer's money. No call."""

    attempt: str
    reason: str


class ReturnSurplus(msgspec.Struct, frozen=True):
    """Give `amount` of a capture back to the payer: no invoice takes it. No call; a refund is made of it."""

    attempt: str
    amount: int


class ReturnPart(msgspec.Struct, frozen=True):
    """Give back what came for `invoice`, whose rest was given up. No call; a refund is made of it."""

    invoice: str


Then: TypeAlias = Literal["bill", "carry", "waive"]
"""What becomes of an amount that is credited: another invoice bills it, the customer's balance at Stripe carries it
over to the next one, or nobody owes it any more."""


class CreditRest(msgspec.Struct, frozen=True):
    """Draw up a credit note for what a payment left open (`partial`), or took back (`reversal`), and what follows it.
    Stripe is only asked what the note would come to."""

    origin: CreditNoteOrigin
    amount: int
    number: int
    then: Then


class IssueRestNote(msgspec.Struct, frozen=True):
    """Make that credit note at Stripe."""

    note: str
    amount: int


class FindRestNote(msgspec.Struct, frozen=True):
    """List the invoice's credit notes: the answer to ours was lost."""

    note: str


class CarryOver(msgspec.Struct, frozen=True):
    """Write what was credited to the customer's balance at Stripe, as owed: the next invoice takes it up."""

    carry: str


class FindCarry(msgspec.Struct, frozen=True):
    """List the customer's balance transactions: the answer to that was lost."""

    carry: str


class CreditBalance(msgspec.Struct, frozen=True):
    """What the invoice did not take becomes the customer's credit at Stripe."""

    payment: str
    amount: int
    receipt: bool = False
    """`payment` names a receipt."""


class FindBalance(msgspec.Struct, frozen=True):
    """List the customer's balance transactions: the answer to ours was lost."""

    recording: str


class ReadBalance(msgspec.Struct, frozen=True):
    """List the customer's balance transactions: whether a void invoice gave back what it had used of the balance."""


class ReadNotes(msgspec.Struct, frozen=True):
    """List the invoice's credit notes at Stripe: it shows other credit than those that we know."""


class MatchNote(msgspec.Struct, frozen=True):
    """A credit note made in Stripe says that money went back: find its refund at the processor, or make one."""

    note: str


class WantNote(msgspec.Struct, frozen=True):
    """A refund made at the processor wants a credit note at Stripe. No call; the refund makes it."""

    refund: str


class GiveUp(msgspec.Struct, frozen=True):
    """The end of its recovery: do this step of the account's policy at Stripe."""

    step: GivingUp
    reason: str


class OpenCase(msgspec.Struct, frozen=True):
    """Put it before a human. No call."""

    kind: CaseKind
    reason: str


class WaitUntil(msgspec.Struct, frozen=True):
    """Nothing to do before `at`; with None, before the next poke."""

    at: datetime | None
    reason: str
    attempt: bool = False
    """What comes then is a try to take the money."""
    waits_for: WaitsFor | None = None


class Done(msgspec.Struct, frozen=True):
    """Nothing to do, unless something changes."""

    reason: str


Action: TypeAlias = (
    Read
    | Finalize
    | Charge
    | FindLost
    | Resolve
    | MarkUnknown
    | CancelPending
    | Tag
    | Record
    | ConfirmRecording
    | MarkSurplus
    | ReturnSurplus
    | ReturnPart
    | CreditRest
    | IssueRestNote
    | FindRestNote
    | IssueRest
    | FindRest
    | LinkRest
    | FillRest
    | EmptyRest
    | CarryOver
    | FindCarry
    | TakeUpRest
    | CreditBalance
    | FindBalance
    | ReadBalance
    | ReadNotes
    | MatchNote
    | WantNote
    | GiveUp
    | OpenCase
    | WaitUntil
    | Done
)
