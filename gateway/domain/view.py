"""What `decide` looks at: everything that is true of one invoice now, as values."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from db.states import (
    UNRESOLVED,
    AttemptState,
    CarryState,
    Collector,
    CreditNoteOrigin,
    CreditNoteState,
    HandOverState,
    MethodStatus,
    MovementKind,
    RecordingState,
    RecordingTarget,
    RefundOrigin,
    RefundState,
    RemainderState,
)
from gateway.domain.billed import BilledInvoice
from gateway.domain.downtime import Span
from gateway.domain.policy import Policy
from processors.capabilities import Capabilities
from processors.outcome import Advice, DeclineClass

Closing: TypeAlias = Literal["mark_uncollectible", "void"]
CLOSINGS: Final[tuple[Closing, ...]] = get_args(Closing)

FRESH = timedelta(seconds=2)
"""How young the last look must be when a charge goes out (law 3)."""

Hold = Literal["", "held", "released"]
"""The first draft of a checkout session is held until confirm releases it; every other draft is never held."""


class MethodView(msgspec.Struct, frozen=True):
    """One stored payment method of the invoice's customer.

    `usable`: its connection is enabled and takes the invoice's currency, and it is not `blocked`.
    `minimum` and `maximum` are the connection's bounds on one charge in that currency, in Stripe's minor units.
    `agreed_maximum` is what the payer's own agreement allows for one charge, in the same units. `usable_from`: its
    processor does not answer, and is not asked before.
    """

    id: str
    connection: str
    status: MethodStatus
    position: int
    created_at: datetime
    usable: bool = True
    minimum: int | None = None
    maximum: int | None = None
    agreed_maximum: int | None = None
    usable_from: datetime | None = None
    brand: str = ""
    """The scheme of a card, in lower case."""
    recent_tries: tuple[datetime, ...] = ()
    """The card's tries of the last 30 days over all invoices and customers, oldest first (`budget.COUNTED`)."""
    blocked: str = ""
    """Why this card is never charged again: the class of a "never" that it was answered, under whatever token."""
    locked: bool = False
    """The processor has locked the merchant's account: wait, the payer need not give another payment method."""
    own: bool = False
    """It is for the invoice's subscription, which is charged to it first, and for no other but those that share it."""
    retiring: bool = False
    """It is deleted as soon as nothing needs it."""

    def is_too_small(self, amount: int) -> bool:
        """Whether it can't be charged so much at once, by its processor or by the payer's agreement."""
        return any(bound is not None and amount > bound for bound in (self.maximum, self.agreed_maximum))


class AttemptView(msgspec.Struct, frozen=True):
    """One attempt, with what its processor promises."""

    id: str
    number: int
    connection: str
    method: str
    amount: int
    captured: int
    state: AttemptState
    sent_at: datetime
    capabilities: Capabilities
    surplus: bool = False
    decline_class: DeclineClass | None = None
    advice: Advice | None = None
    resolved_at: datetime | None = None
    resolve_at: datetime | None = None
    retry_after: datetime | None = None
    lookups: int = 0
    findable: bool = False
    """Its id at the processor is known."""
    withdrawn: bool = False
    by_hand: bool = False
    """Somebody asked for it, outside the ladder's times."""
    resent_at: datetime | None = None
    looked_at: datetime | None = None
    """The last time that the processor was asked, and showed no such charge."""
    returnable: int = 0
    """Of a surplus capture: what of it can still be returned (law 8)."""
    kept: int = 0
    """Of a surplus capture: what of its money is here, whether or not it can be returned now."""
    disputed: int = 0
    """Of a surplus capture: what disputes have taken of it."""
    settles_at: datetime | None = None
    """When its money is here for good, as its processor said or as is usual there, where Stripe is told no sooner
    (`record_on` of its connection)."""

    @property
    def unresolved(self) -> bool:
        return self.state in UNRESOLVED

    @property
    def first_sent_at(self) -> datetime:
        return self.sent_at

    @property
    def last_sent_at(self) -> datetime:
        """When its bytes were sent for the last time: from then on a look-up may lag."""
        return self.resent_at or self.sent_at


class ReceiptView(msgspec.Struct, frozen=True):
    """A payment that somebody recorded by hand: it came without any processor of ours."""

    id: str
    amount: int


class ReturnView(msgspec.Struct, frozen=True):
    """Money that went back to the payer: a refund, or what a dispute withdrew."""

    id: str
    kind: MovementKind
    amount: int
    moved_at: datetime


class RefundRow(msgspec.Struct, frozen=True):
    """A refund of the invoice's money. `linked`: it has its credit note. `asked`: a human decides about that."""

    id: str
    origin: RefundOrigin
    state: RefundState
    amount: int
    created_at: datetime
    attempt: str = ""
    wants_note: bool = False
    linked: bool = False
    of_surplus: bool = False
    asked: bool = False
    fallen: bool = False
    """None of its parts stands; its state may not say so yet."""


class NoteRow(msgspec.Struct, frozen=True):
    """A credit note on the invoice. `linked`: a refund or dispute belongs to it. `asked`: a human decides of it.
    `deserted`: nothing of the refund that belongs to it stands.
    """

    id: str
    origin: CreditNoteOrigin
    state: CreditNoteState
    out_of_band: int
    post_payment: int
    created_at: datetime
    linked: bool = False
    asked: bool = False
    deserted: bool = False
    amount: int = 0
    tries: int = 0
    sent_at: datetime | None = None
    why: str = ""
    """Of one that was refused: Stripe's words."""


class RemainderRow(msgspec.Struct, frozen=True):
    """What a credit note took off an invoice, and another one bills: `issued_as`, once that is there.

    `credited`: the credit note stands. `one_line`: with one line, since the proper ones don't come to the amount.
    """

    id: str
    invoice: str
    amount: int
    state: RemainderState
    credited: bool = False
    issued_as: str = ""
    one_line: bool = False
    tries: int = 0
    sent_at: datetime | None = None
    why: str = ""


class CarryRow(msgspec.Struct, frozen=True):
    """What a credit note took off the invoice, and the customer owes by the balance at Stripe.

    `credited`: the credit note stands.
    """

    id: str
    amount: int
    state: CarryState
    credited: bool = False
    tries: int = 0
    sent_at: datetime | None = None
    why: str = ""


class LentView(msgspec.Struct, frozen=True):
    """Money of another invoice's attempt (`id`) that no invoice has."""

    id: str
    amount: int


class RecordingView(msgspec.Struct, frozen=True):
    """One telling of Stripe that the invoice is paid, by an attempt or a receipt; or that the customer has credit."""

    id: str
    attempt: str
    amount: int
    state: RecordingState
    resolved_at: datetime | None = None
    target: RecordingTarget = RecordingTarget.INVOICE


class HandOverView(msgspec.Struct, frozen=True):
    """That Stripe is to pay the invoice. `message`: why it could not."""

    id: str
    state: HandOverState
    message: str = ""


class AccessSeen(msgspec.Struct, frozen=True):
    """Access to the invoice's subscription, as it was worked out last: whether money opens it, the invoice that
    decides, and what the clock does to it."""

    open: bool = False
    invoice: str = ""
    closes_at: datetime | None = None
    closing: str = ""


class SubscriptionView(msgspec.Struct, frozen=True):
    """The invoice's subscription, as Stripe last showed it."""

    status: str
    ended_at: datetime | None = None
    paused_since: datetime | None = None
    """When a pause of its collection was first seen; None while there is none."""
    access: AccessSeen = AccessSeen()
    at_stripe: bool = False
    """Stripe collects its invoices to come by itself."""

    @property
    def ended(self) -> bool:
        return self.ended_at is not None


class Pause(msgspec.Struct, frozen=True):
    """Somebody has paused the collection of the invoice, or of its customer: nothing is charged `until` then."""

    reason: str
    since: datetime
    until: datetime | None = None
    """It ends by itself then; with None when somebody resumes."""


class InvoiceView(msgspec.Struct, frozen=True):
    """One invoice.

    `held_money` is the ledger's net captures and receipts for it, surplus, what is being returned as such, and recorded
    amounts aside: money that we hold and that Stripe does not know of. `connections` is whether any enabled connection
    takes its currency. `older_first`: an older open invoice of the subscription is about to be charged. `abandoned`:
    its checkout has ended, so nothing of it should be collected.
    """

    id: str
    policy: Policy
    invoice: BilledInvoice | None = None
    read_at: datetime | None = None
    stale: bool = True
    hold: Hold = ""
    attempts: tuple[AttemptView, ...] = ()
    receipts: tuple[ReceiptView, ...] = ()
    returns: tuple[ReturnView, ...] = ()
    recordings: tuple[RecordingView, ...] = ()
    refunds: tuple[RefundRow, ...] = ()
    notes: tuple[NoteRow, ...] = ()
    notes_read_at: datetime | None = None
    balance_back: int | None = None
    """Of a void one: what came back of the balance that it had used; None before anybody looked."""
    remainders: tuple[RemainderRow, ...] = ()
    """What was credited of it, and other invoices bill."""
    carries: tuple[CarryRow, ...] = ()
    """What was credited of it, and is carried over to the customer's next invoice."""
    rest_of: RemainderRow | None = None
    """It bills what was credited of another invoice."""
    rest_looked_for: bool = False
    """What its metadata at Stripe say of a rest was looked for."""
    parts_to_return: tuple[str, ...] = ()
    """The invoices whose rest it bills, as far as what came for them was not returned because of that."""
    reopened: bool = False
    """What was taken back of its payment is billed by another invoice, which is not settled yet."""
    lent: LentView | None = None
    """It bills what was taken back of another invoice's payment, and that money is here again: it pays this one."""
    held_money: int = 0
    methods: tuple[MethodView, ...] = ()
    subscription: SubscriptionView | None = None
    connections: bool = True
    opted_out: bool = False
    customer_deleted: bool = False
    older_first: bool = False
    abandoned: bool = False
    asked: bool = False
    """Somebody asked to collect it now."""
    void_asked: bool = False
    """Somebody wants it void."""
    preferred_method: str = ""
    """The payment method that the payer confirmed this very invoice with."""
    not_before: datetime | None = None
    known_since: datetime | None = None
    """When we first heard of it."""
    collector: Collector | None = None
    """Who collects it since its subscription was switched, or since its payers pay on Stripe's page; None: whoever its
    collection method says."""
    hosted: bool = False
    """What its customer is sent is to be paid on Stripe's page now. The invoice follows in its own turn."""
    taken: bool = False
    """Stripe has confirmed that it does not collect it any more."""
    hand_over: HandOverView | None = None
    giving_up: str = ""
    """The end has come, and this step of what the account wants then was begun last; it may be done."""
    method_coming: bool = False
    """The payer is back from a processor with another payment method, which is being stored."""
    unresolved_beside: bool = False
    """An attempt on another invoice of its subscription is unresolved."""
    kept_in_pause: bool = False
    """A draft that a pause of the subscription's collection held up: Stripe leaves it one afterwards."""
    pause: Pause | None = None
    """The pause that lasts longest, whether or not it is over."""
    downtime: tuple[Span, ...] = ()
    """Since it was finalized: when nobody here worked, or the processor of a method of the customer's did not answer;
    merged."""
    look_first: bool = False
    """Nobody worked for a while after it was made, and nothing was tried since. A database that was restored from a
    backup looks the same: tries of that while may be known to the processor alone."""
    open_cases: AbstractSet[str] = frozenset()
    answered_cases: AbstractSet[str] = frozenset()
    """Kinds that a human has closed since any money of it last moved or a try last ended: they are not asked again."""

    announced: AbstractSet[str] = frozenset()
    """What the merchant was told of it: "type step"."""

    @property
    def given_up(self) -> bool:
        """Whether what the account wants at the end was begun."""
        return bool(self.giving_up)

    @property
    def closing(self) -> Closing | None:
        """How Stripe was to close it, where that was begun: a call that failed, or whose answer was lost, is made
        again."""
        return next((step for step in CLOSINGS if step == self.giving_up), None)

    @property
    def told_cases(self) -> AbstractSet[str]:
        """A human has these, or has answered them."""
        return self.open_cases | self.answered_cases

    @property
    def unresolved(self) -> AttemptView | None:
        """The one attempt whose end is not known (law 1 allows no second)."""
        return next((attempt for attempt in self.attempts if attempt.unresolved), None)

    @property
    def recording(self) -> RecordingView | None:
        """The recording that Stripe accepted as its payment, if any."""
        return next((r for r in self.told if r.state is RecordingState.RECORDED), None)

    @property
    def told(self) -> tuple[RecordingView, ...]:
        """What Stripe was told of its payment."""
        return tuple(r for r in self.recordings if r.target is RecordingTarget.INVOICE)

    @property
    def may_charge(self) -> bool:
        """Whether it is ours to take money for: not where Stripe is to pay it, or its payer on Stripe's page."""
        return not self.hosted and self.collector in (None, Collector.GATEWAY)

    def is_fresh(self, now: datetime) -> bool:
        return self.read_at is not None and timedelta(0) <= now - self.read_at <= FRESH

    @property
    def wanted(self) -> int:
        """What a charge should take now: what Stripe still wants, less what we hold already (law 3)."""
        # More taken back than held lies in what was recorded: it is never asked for again by itself.
        return 0 if self.invoice is None else self.invoice.amount_remaining - max(self.held_money, 0)
