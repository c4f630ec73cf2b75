"""What `decide_refund` looks at: everything that is true of one refund now. Amounts in Stripe's minor units."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from db.states import RELEASED, Approval, CreditNoteState, RefundOrigin, RefundPartState, RefundState
from gateway.domain.billed import InvoiceStatus
from gateway.domain.noting import NoteView
from processors.capabilities import Capabilities


class PartView(msgspec.Struct, frozen=True):
    """What is returned of one capture, with what its processor promises.

    `room`: what its capture still allows after every reservation, this one's included; below zero it's used up twice.
    """

    id: str
    number: int
    amount: int
    state: RefundPartState
    capabilities: Capabilities
    room: int = 0
    disputed: bool = False
    """A dispute about its capture is open."""
    lost: bool = False
    """One was lost, wholly or in part."""
    sent_at: datetime | None = None
    resent_at: datetime | None = None
    looked_at: datetime | None = None
    resolve_at: datetime | None = None
    retry_after: datetime | None = None
    lookups: int = 0
    named: bool = False
    """Its id at the processor is known."""
    external: bool = False
    turned_down: bool = False
    """Its processor refuses it because of a dispute, of which we may not have heard."""
    resolved_at: datetime | None = None
    dispute_ended_at: datetime | None = None
    """When a dispute about its capture ended last."""
    why: str = ""
    """Of one that was refused or failed: the reason, in words."""

    @property
    def findable(self) -> bool:
        return self.named or self.capabilities.lists_refunds

    @property
    def released(self) -> bool:
        """It counts no more against what is refundable."""
        return self.state in RELEASED

    @property
    def first_sent_at(self) -> datetime:
        assert self.sent_at is not None, "asked of parts that were sent"
        return self.sent_at

    @property
    def last_sent_at(self) -> datetime:
        return self.resent_at or self.first_sent_at


class StrayNote(msgspec.Struct, frozen=True):
    """A credit note that somebody made in Stripe, and to which nothing belongs. `asked`: a human decides of it."""

    id: str
    out_of_band: int
    asked: bool = False


class RefundView(msgspec.Struct, frozen=True):
    """One refund.

    `awaits_capture`: an attempt for its invoice is under way, whose money it may be taken from. `refundable`: what its
    captures allow beside what is reserved; `refundable_if_won`: the same once every open dispute is won. `dispute`: one
    that is open, or else lost, and stands in the way. `queues`: the account's policy has it wait for a dispute's end.
    """

    id: str
    origin: RefundOrigin
    amount: int
    wants_note: bool
    created_at: datetime
    state: RefundState = RefundState.REQUESTED
    """As it is stored; `project_refund` says what it should be."""
    failure: str = ""
    approval: Approval = Approval.NONE
    parts: tuple[PartView, ...] = ()
    note: NoteView | None = None
    invoice_status: InvoiceStatus = "paid"
    awaits_capture: bool = False
    refundable: int = 0
    refundable_if_won: int = 0
    dispute: str = ""
    queues: bool = False
    strays: tuple[StrayNote, ...] = ()
    """Of its invoice."""
    open_cases: AbstractSet[str] = frozenset()
    answered_cases: AbstractSet[str] = frozenset()

    @property
    def told_cases(self) -> AbstractSet[str]:
        """A human has these, or has answered them."""
        return self.open_cases | self.answered_cases

    @property
    def returned(self) -> int:
        """What the payer has back."""
        return sum(part.amount for part in self.parts if part.state is RefundPartState.SUCCEEDED)

    @property
    def denied_note(self) -> NoteView | None:
        """Its credit note, where that stands at Stripe, and somebody has denied to return the money."""
        denied = self.approval is Approval.DENIED and self.failure == "denied"
        return self.note if denied and self.note is not None and self.note.state is CreditNoteState.ISSUED else None

    @property
    def missing(self) -> int:
        """What no part stands for any more."""
        return self.amount - sum(part.amount for part in self.parts if not part.released)

    @property
    def turned_down(self) -> PartView | None:
        """The last part of what is missing, where its processor refuses it because of a dispute and the policy has it
        wait for that one's end. What has come to an end stays so."""
        if not self.queues or self.failure or self.state in (RefundState.REFUSED, RefundState.FAILED):
            return None
        last = next((part for part in reversed(self.parts) if part.released), None)
        return last if last is not None and last.turned_down and self.missing > 0 else None

    @property
    def is_queued(self) -> bool:
        """It waits for a dispute to be won: nothing of it was sent, and nothing is in its way but that."""
        if not self.queues:
            return False
        if not self.parts or self.turned_down is not None:
            return self.refundable < self.missing <= self.refundable_if_won
        return any(p.state is RefundPartState.REQUESTED and p.room < 0 and p.disputed for p in self.parts)
