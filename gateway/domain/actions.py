"""The closed union of next steps. Each makes at most one outside call."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from db.states import CreditNoteOrigin, WaitsFor
from gateway.domain.case_kinds import CaseKind
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest, TakeUpRest

GivingUp: TypeAlias = Literal["mark_uncollectible", "void", "cancel_subscription"]


class Read(msgspec.Struct, frozen=True):
    """Read the live invoice at Stripe."""


class TakeInvoice(msgspec.Struct, frozen=True):
    """Have Stripe leave the invoice to us: a draft is sent, an open one is not advanced any more."""


class ChangeCollector(msgspec.Struct, frozen=True):
    """From now on the payer pays it on Stripe's page (`hosted`), or we charge it. No call."""

    hosted: bool


class GiveDraft(msgspec.Struct, frozen=True):
    """Have Stripe charge a draft by itself once it is final."""


class PayAtStripe(msgspec.Struct, frozen=True):
    """Have Stripe pay an open invoice with the payment method that it has."""

    hand_over: str


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


class Void(msgspec.Struct, frozen=True):
    """Somebody wants it void: void it at Stripe."""


class EndVoiding(msgspec.Struct, frozen=True):
    """What somebody wanted void is void, or can't be (any more): note that. No call."""

    refused: str
    """Why it can't be; empty once it is."""


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
    | TakeInvoice
    | ChangeCollector
    | GiveDraft
    | PayAtStripe
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
    | Void
    | EndVoiding
    | OpenCase
    | WaitUntil
    | Done
)
