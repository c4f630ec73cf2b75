"""What the gateway hands to an adapter: secrets, stored methods, set-ups, and what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

import msgspec

from processors.breakdown import Breakdown
from processors.money import Money


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

    @property
    def shown(self) -> str:
        """What a payer recognises it by: `visa 4242 03/2030`."""
        expires = f" {self.exp_month:02}/{self.exp_year}" if self.exp_month and self.exp_year else ""
        return (self.label or f"{self.brand} {self.last4}".strip()) + expires


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
