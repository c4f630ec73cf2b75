"""What `decide_dispute` looks at: everything that is true of one dispute now. Amounts in Stripe's minor units."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from db.states import DISPUTE_LIVING, DISPUTE_OPEN, DisputeState
from gateway.domain.billed import InvoiceStatus
from gateway.domain.noting import NoteView


class DisputeView(msgspec.Struct, frozen=True):
    """One dispute.

    `gone`: what its moves in the ledger come to; `withdrawn`: what the processor says is gone. `withdrawals`: how often
    money was withdrawn. `room`: what of the invoice can be credited for it at all, beside its refunds and other notes;
    `credited`: what of that is. `note`: one that is being made, or was refused. `over`: what more went out of its
    capture than ever came in.
    """

    id: str
    processor_id: str
    state: DisputeState
    amount: int
    currency: str
    told_at: datetime
    gone: int = 0
    withdrawn: int = 0
    withdrawals: int = 0
    reason: str = ""
    evidence_due_by: datetime | None = None
    evidence_url: str = ""
    invoice_status: InvoiceStatus | None = "paid"
    of_surplus: bool = False
    """Its capture paid no invoice: nothing is credited for it."""
    room: int = 0
    credited: int = 0
    voided: bool = False
    """A note of it was voided in Stripe since: none is made in its place."""
    note: NoteView | None = None
    failure: str = ""
    """Stripe's preview takes no note, until somebody has it tried again."""
    refund_open: bool = False
    """A refund of the invoice is under way: how it ends decides what is left to credit."""
    refunded: tuple[str, ...] = ()
    """The refunds of its capture that the payer has, or may have."""
    returned: int = 0
    """What they come to."""
    over: int = 0
    open_cases: AbstractSet[str] = frozenset()
    answered_cases: AbstractSet[str] = frozenset()
    """Kinds that a human has closed since any money of it last moved."""
    announced: AbstractSet[str] = frozenset()
    """What the merchant was told of it: "type step"."""

    @property
    def told_cases(self) -> AbstractSet[str]:
        """A human has these, or has answered them."""
        return self.open_cases | self.answered_cases

    @property
    def is_open(self) -> bool:
        return self.state in DISPUTE_OPEN

    @property
    def has_ended(self) -> bool:
        return self.state not in DISPUTE_LIVING

    @property
    def is_lost(self) -> bool:
        """Without a word about who has won, the money says."""
        closed_without = self.state is DisputeState.CLOSED and self.gone >= self.amount
        return self.state is DisputeState.LOST or closed_without

    @property
    def is_clear(self) -> bool:
        """The ledger has every move of which the processor has told."""
        return self.gone == self.withdrawn

    @property
    def to_credit(self) -> int:
        """What is gone for good and no credit note stands for yet."""
        if not self.has_ended or self.state is DisputeState.WON or self.of_surplus:
            return 0
        return max(min(self.gone, self.room) - self.credited, 0)
