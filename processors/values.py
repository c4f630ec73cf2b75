"""What the gateway hands to an adapter and gets back, apart from the outcomes of charges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from processors.breakdown import Breakdown
from processors.money import Money
from processors.outcome import ChargeOutcome, Decline, RefundOutcome


class Unprinted(msgspec.Struct, frozen=True):
    """Base of structs that hold what no log or error may show: their repr is their name."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class Secret(msgspec.Struct, frozen=True):
    """A value that must not be printed: its repr and str hide it; `reveal()` is the one way to it."""

    _value: str

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__


class Card(msgspec.Struct, frozen=True, omit_defaults=True):
    """What may be shown of a payment method: never enough to use it.

    `brand` is the scheme of a card: `visa`, `mastercard`, ... `fingerprint` names the card or bank account itself,
    alike under all of its tokens, where the processor gives one. `charge_limit` is the most that one charge may take,
    where the payer's agreement says so.
    """

    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None
    label: str = ""
    fingerprint: str = ""
    charge_limit: Money | None = None


class PaymentMethodReference(msgspec.Struct, frozen=True):
    """A token, vault id or mandate at the processor, with the payer's id there.

    `initial_payment` is the processor's id of the payment in which the payer agreed to later ones, where each of these
    must name it (a card scheme's rule for what a merchant initiates).
    """

    token: Secret
    processor_customer: Secret | None = None
    initial_payment: Secret | None = None


class SetupRequest(msgspec.Struct, frozen=True):
    """A payer is about to enter a payment method. `reference` is ours, for whoever looks it up at the processor.

    `customer` is the payer's id at Stripe, for a processor that wants an id of ours for each payer; empty where there
    is none yet.
    """

    reference: str
    idempotency_key: str
    currency: str
    return_url: str = ""
    locale: str = ""
    customer: str = ""


class SetupSession(Unprinted, frozen=True):
    """What a frontend needs to collect the method: a page to redirect to, or data for the processor's own client code.

    `processor_ref` names the set-up at the processor; it is kept by the gateway and bound to its session.
    """

    processor_ref: str
    redirect_url: str = ""
    client: Mapping[str, str] = {}
    expires_at: datetime | None = None


class SetupCompletion(Unprinted, frozen=True):
    """A payer may be done. `client` is what the processor's client code gave the browser in the end, if anything.

    Where completing makes something at the processor, it's under `idempotency_key`, the same at each look.
    """

    processor_ref: str
    idempotency_key: str
    client: Mapping[str, str] = {}


class SetupReady(msgspec.Struct, frozen=True, tag="ready"):
    """The method may be charged off-session."""

    method: PaymentMethodReference
    card: Card


class SetupPending(msgspec.Struct, frozen=True, tag="pending"):
    """The payer or the bank is not done; ask again later."""


class SetupFailed(msgspec.Struct, frozen=True, tag="failed"):
    """There will be no method from this set-up."""

    code: str
    message: str


SetupResult: TypeAlias = SetupReady | SetupPending | SetupFailed


class MethodState(StrEnum):
    """A stored payment method as the processor sees it now."""

    ACTIVE = "active"
    PENDING = "pending"
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


class Usage(StrEnum):
    """Why the merchant charges without the payer, as the card schemes tell it apart.

    RECURRING: an amount that comes with a fixed rhythm. UNSCHEDULED: when and how much depend on what was used.
    """

    RECURRING = "recurring"
    UNSCHEDULED = "unscheduled"


class ChargeRequest(msgspec.Struct, frozen=True):
    """One attempt. `reference` is unique for ever at this connection, `idempotency_key` was committed before.

    `breakdown` is in Stripe's minor units, and given only where `capabilities.takes_lines` and it adds up to `amount`.
    """

    reference: str
    idempotency_key: str
    amount: Money
    method: PaymentMethodReference
    description: str
    metadata: Mapping[str, str] = {}
    usage: Usage = Usage.RECURRING
    breakdown: Breakdown | None = None


class PreparedCall(Unprinted, frozen=True):
    """The exact bytes of a call, without credentials: stored before it is made, and sent again unchanged."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ChargeQuery(msgspec.Struct, frozen=True):
    """How to ask for a charge again: by our reference, and by the processor's id where one is known.

    `method` and `since` (when it was first sent) narrow the list where a processor can only be scanned.
    """

    reference: str
    processor_id: str = ""
    method: PaymentMethodReference | None = None
    since: datetime | None = None


class RefundRequest(msgspec.Struct, frozen=True):
    """Money back from one capture, `charge_id` at the processor. `reference` is unique for ever at this connection.

    `returned_before` is the sum of its other refunds that the processor was asked for or told of, and that did not come
    to nothing: some want it confirmed. None means nothing.
    """

    reference: str
    idempotency_key: str
    charge_id: str
    amount: Money
    reason: str = ""
    returned_before: Money | None = None


class RefundQuery(msgspec.Struct, frozen=True):
    """How to ask for a refund again: by our reference, and by the refund's own id where it is known."""

    reference: str
    charge_id: str
    processor_id: str = ""


class RawDelivery(Unprinted, frozen=True):
    """A webhook as it came: nothing parsed, every header in order, names in lower case."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The one value of `name`; empty where it is absent or stands there more than once."""
        values = [value for key, value in self.headers if key == name]
        return values[0] if len(values) == 1 else ""


class Acknowledgement(StrEnum):
    """What became of a delivery, for the answer that its processor wants."""

    STORED = "stored"
    REFUSED = "refused"


class Reply(msgspec.Struct, frozen=True):
    """The answer to a delivery. A processor that gets another status than it wants sends again, or gives up.

    An empty body means that any will do.
    """

    status: int = 200
    body: str = "ok"


class Notice(Unprinted, frozen=True):
    """One notification inside a verified delivery. `key` dedupes it within the connection; None means never."""

    key: str | None
    kind: str
    body: bytes


class EventKind(StrEnum):
    """What a processor tells us. Each names what happened; how much money moved stands in the event."""

    CHARGE_SUCCEEDED = "charge.succeeded"
    CHARGE_FAILED = "charge.failed"
    CHARGE_PENDING = "charge.pending"
    CHARGE_SETTLED = "charge.settled"
    """The money of a success is the merchant's now; where it can still be taken back, that is rare."""
    CHARGE_REVERSED = "charge.reversed"
    CHARGE_REINSTATED = "charge.reinstated"
    REFUND_CREATED = "refund.created"
    REFUND_SUCCEEDED = "refund.succeeded"
    REFUND_FAILED = "refund.failed"
    REFUND_REVERSED = "refund.reversed"
    DISPUTE_INQUIRY = "dispute.inquiry"
    DISPUTE_OPENED = "dispute.opened"
    DISPUTE_FUNDS_WITHDRAWN = "dispute.funds_withdrawn"
    DISPUTE_WON = "dispute.won"
    DISPUTE_LOST = "dispute.lost"
    DISPUTE_PARTLY_LOST = "dispute.partly_lost"
    DISPUTE_CLOSED = "dispute.closed"
    METHOD_ACTIVATED = "method.activated"
    METHOD_REPLACED = "method.replaced"
    METHOD_REVOKED = "method.revoked"
    METHOD_EXPIRED = "method.expired"
    METHOD_SUSPENDED = "method.suspended"
    ACCOUNT_LOCKED = "account.locked"
    ACCOUNT_UNLOCKED = "account.unlocked"
    IGNORED = "ignored"


class MoneyMoved(msgspec.Struct, frozen=True):
    """Money that moved once more for a charge: signed, from the merchant's side.

    `occurrence` is the processor's own id of this move, so that the ledger holds it once however often it's told.
    """

    amount: Money
    occurrence: str
    occurred_at: datetime


class RefundState(msgspec.Struct, frozen=True):
    """A refund as the processor tells of it; `external` where our own staff or the processor began it there."""

    processor_id: str
    charge_id: str
    outcome: RefundOutcome
    amount: Money
    reference: str = ""
    external: bool = False


class DisputeStage(StrEnum):
    """How a dispute stands; `event` is what tells that it came to stand so."""

    INQUIRY = "inquiry"
    OPENED = "opened"
    FUNDS_WITHDRAWN = "funds_withdrawn"
    WON = "won"
    LOST = "lost"
    PARTLY_LOST = "partly_lost"
    CLOSED = "closed"

    @property
    def event(self) -> EventKind:
        return EventKind(f"dispute.{self}")


class DisputeState(msgspec.Struct, frozen=True):
    """A payer's objection as the processor tells of it. `withdrawn` is what is gone for it now.

    `moves` is every move of money so far, oldest first, each with its own occurrence.
    """

    processor_id: str
    charge_id: str
    stage: DisputeStage
    amount: Money
    withdrawn: Money
    moves: tuple[MoneyMoved, ...] = ()
    reason: str = ""
    evidence_due_by: datetime | None = None
    evidence_url: str = ""


class Replacement(msgspec.Struct, frozen=True):
    """What a payment method became: the old token is charged no more."""

    method: PaymentMethodReference
    card: Card


class ProcessorEvent(msgspec.Struct, frozen=True):
    """One event. A charge event names the charge by our reference or by the processor's id.

    `outcome` is what the event itself proves of the charge; None where it must be fetched instead.
    `account_ref` is the receiver that the event names, to be compared with the connection's own.
    `moved` is the money of a reversal or a reinstatement, `decline` why a charge was reversed or will be tried again
    by the processor itself; refunds, disputes and replaced methods stand in their own fields, and so does the method
    itself where one that had ended lives again (`METHOD_ACTIVATED`) and the processor shows it whole. An account event
    is about the merchant's own account: while it's locked nothing can be charged there.
    """

    kind: EventKind
    occurred_at: datetime
    reference: str = ""
    processor_id: str = ""
    outcome: ChargeOutcome | None = None
    token: Secret | None = None
    account_ref: str = ""
    detail: str = ""
    event_id: str = ""
    moved: MoneyMoved | None = None
    decline: Decline | None = None
    refund: RefundState | None = None
    dispute: DisputeState | None = None
    replacement: Replacement | None = None


class Polled(msgspec.Struct, frozen=True):
    """A page of events that were asked for; an empty `cursor` means that there are no more for now."""

    events: tuple[ProcessorEvent, ...]
    cursor: str = ""


class SettlementKind(StrEnum):
    """What one row of a settlement file is about; PAYOUT is what went to the merchant's bank."""

    CAPTURE = "capture"
    CAPTURE_REVERSED = "capture_reversed"
    CAPTURE_REINSTATED = "capture_reinstated"
    REFUND = "refund"
    REFUND_FAILED = "refund_failed"
    DISPUTE_WITHDRAWN = "dispute_withdrawn"
    DISPUTE_RETURNED = "dispute_returned"
    FEE = "fee"
    ADJUSTMENT = "adjustment"
    PAYOUT = "payout"


class SettlementRow(msgspec.Struct, frozen=True):
    """One row, signed from the merchant's side: `amount` as it was charged, the rest in the currency paid out.

    `processor_id` is the charge, refund or dispute that it is about; `net` is `settled` less `fee`.
    """

    row_id: str
    kind: SettlementKind
    amount: Money
    settled: Money
    fee: Money
    net: Money
    occurred_at: datetime
    processor_id: str = ""
    charge_id: str = ""
    reference: str = ""


class Settlement(msgspec.Struct, frozen=True):
    """One settlement file. Its rows balance: with the payout, `net` sums to zero in each currency."""

    processor_id: str
    day: date
    rows: tuple[SettlementRow, ...]
