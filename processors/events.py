"""What a processor tells by itself: a delivery, the notices inside, and the events that they say or that are listed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from processors.money import Money
from processors.outcome import ChargeOutcome, Decline, RefundOutcome
from processors.values import Card, PaymentMethodReference, Secret, Unprinted


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
