"""What the gateway hands to an adapter and gets back, apart from the outcomes of charges."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from processors.money import Money
from processors.outcome import ChargeOutcome, Decline


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
    """What may be shown of a payment method: never enough to use it."""

    brand: str = ""
    last4: str = ""
    exp_month: int | None = None
    exp_year: int | None = None
    label: str = ""


class PaymentMethodReference(msgspec.Struct, frozen=True):
    """A token, vault id or mandate at the processor, with the payer's id there."""

    token: Secret
    processor_customer: Secret | None = None


class SetupRequest(msgspec.Struct, frozen=True):
    """A payer is about to enter a payment method. `reference` is ours, for whoever looks it up at the processor."""

    reference: str
    idempotency_key: str
    currency: str
    return_url: str = ""
    locale: str = ""


class SetupSession(Unprinted, frozen=True):
    """What a frontend needs to collect the method: a page to redirect to, or data for the processor's own client code.

    `processor_ref` names the set-up at the processor; it is kept by the gateway and bound to its session.
    """

    processor_ref: str
    redirect_url: str = ""
    client: Mapping[str, str] = {}
    expires_at: datetime | None = None


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


class ChargeRequest(msgspec.Struct, frozen=True):
    """One attempt. `reference` is unique for ever at this connection, `idempotency_key` was committed before."""

    reference: str
    idempotency_key: str
    amount: Money
    method: PaymentMethodReference
    description: str
    metadata: Mapping[str, str] = {}


class PreparedCall(Unprinted, frozen=True):
    """The exact bytes of a call, without credentials: stored before it is made, and sent again unchanged."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class ChargeQuery(msgspec.Struct, frozen=True):
    """How to ask for a charge again: by our reference, and by the processor's id where one is known."""

    reference: str
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


class Notice(Unprinted, frozen=True):
    """One notification inside a verified delivery. `key` dedupes it within the connection; None means never."""

    key: str | None
    kind: str
    body: bytes


class EventKind(StrEnum):
    """What a processor tells us."""

    CHARGE_SUCCEEDED = "charge.succeeded"
    CHARGE_FAILED = "charge.failed"
    CHARGE_PENDING = "charge.pending"
    CHARGE_REVERSED = "charge.reversed"
    CHARGE_REINSTATED = "charge.reinstated"
    METHOD_REVOKED = "method.revoked"
    IGNORED = "ignored"


class MoneyMoved(msgspec.Struct, frozen=True):
    """Money that moved once more for a charge: signed, from the merchant's side.

    `occurrence` is the processor's own id of this move, so that the ledger holds it once however often it's told.
    """

    amount: Money
    occurrence: str
    occurred_at: datetime


class ProcessorEvent(msgspec.Struct, frozen=True):
    """One event. A charge event names the charge by our reference or by the processor's id.

    `outcome` is what the event itself proves of the charge; None where it must be fetched instead.
    `account_ref` is the receiver that the event names, to be compared with the connection's own.
    `moved` is the money of a reversal or a reinstatement, `decline` why a charge was reversed.
    """

    kind: EventKind
    occurred_at: datetime
    reference: str = ""
    processor_id: str = ""
    outcome: ChargeOutcome | None = None
    token: Secret | None = None
    account_ref: str = ""
    detail: str = ""
    moved: MoneyMoved | None = None
    decline: Decline | None = None
