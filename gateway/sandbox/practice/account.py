"""What one account at the practice processor holds: set-ups, methods, charges, refunds, disputes, answers.

Accounts are keyed by their API key and see nothing of each other. Times are Unix seconds of the sandbox.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from gateway.sandbox.kit.idempotency import Replies
from gateway.sandbox.practice.events import Endpoint, Event
from gateway.sandbox.practice.kinds import LOOKS, Refusal, Step, TokenKind
from gateway.sandbox.practice.manner import Manner

SETUP_LIFE_S = 86400


class Setup(msgspec.Struct, kw_only=True):
    """`status`: open, completed, failed or expired."""

    id: str
    client_token: str
    reference: str
    customer: str
    currency: str
    return_url: str
    created_at: int
    expires_at: int
    status: str = "open"
    method: str = ""
    failure: Refusal | None = None


class Method(msgspec.Struct, kw_only=True):
    """`declines_left` is what `soft_then_ok` still refuses; `agreement` names the page where a payer ends it.

    `fingerprint` is the card or account itself: the same one stored again has another token, and the same fingerprint.
    """

    token: str
    agreement: str
    customer: str
    kind: TokenKind
    created_at: int
    brand: str
    fingerprint: str
    status: Literal["active", "suspended", "revoked", "expired", "replaced"] = "active"
    replaced_by: str = ""
    declines_left: int = 0
    address: Mapping[str, str] | None = None
    """The payer's, as it was given with the method."""

    @property
    def revoked(self) -> bool:
        return self.status in ("revoked", "replaced")

    def shown(self) -> dict[str, Any]:
        return {
            "object": "method",
            "token": self.token,
            "customer": self.customer,
            "status": self.status,
            "card": self._card(),
            "replaced_by": self.replaced_by or None,
        }

    def _card(self) -> dict[str, Any]:
        card: dict[str, Any] = {
            "brand": self.brand,
            "last4": LOOKS[self.kind].last4,
            "fingerprint": self.fingerprint,
        }
        if self.brand in ("bank_debit", "wallet"):
            return card
        return card | {"exp_month": 12, "exp_year": 2020 if self.status == "expired" else 2040}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Money that moved, once: what the settlement files are made of. `amount` is signed, from the merchant's side."""

    id: str
    at: int
    kind: Literal[
        "capture",
        "capture_reversed",
        "capture_reinstated",
        "refund",
        "refund_failed",
        "dispute_withdrawn",
        "dispute_returned",
    ]
    object_id: str
    charge: str
    reference: str
    amount: int
    currency: str

    def shown(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "amount": self.amount, "at": self.at}


ChargeStatus = Literal["succeeded", "failed", "pending", "requires_action", "canceled", "authorized", "reversed"]


class Charge(msgspec.Struct, kw_only=True):
    """`captured` is what was really taken; a charge that was `reversed` no longer has it.

    `course` is what is still to happen, `next_at` when its first step will.
    """

    id: str
    reference: str
    amount: int
    currency: str
    method: str
    customer: str
    description: str
    metadata: dict[str, str]
    created_at: int
    collects_at: int
    lines: list[dict[str, Any]] = []
    tax: int = 0
    status: ChargeStatus = "pending"
    captured: int = 0
    decline: Refusal | None = None
    will_retry: bool = False
    action_url: str = ""
    closed_at: int | None = None
    settled_at: int | None = None
    reversal: Entry | None = None
    reversal_reason: Refusal | None = None
    reinstatement: Entry | None = None
    course: list[Step] = []
    next_at: int | None = None
    hidden_until: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.will_retry or self.status in ("pending", "requires_action", "authorized")

    def shown(self, account: str) -> dict[str, Any]:
        return {
            "object": "charge",
            "id": self.id,
            "account": account,
            "reference": self.reference,
            "amount": self.amount,
            "amount_captured": self.captured,
            "currency": self.currency,
            "method": self.method,
            "customer": self.customer,
            "description": self.description,
            "metadata": self.metadata,
            "lines": self.lines,
            "tax": self.tax,
            "status": self.status,
            "decline": self.decline,
            "will_retry": self.will_retry,
            "action_url": self.action_url,
            "created_at": self.created_at,
            "collects_at": self.collects_at,
            "closed_at": self.closed_at,
            "settled_at": self.settled_at,
            "expected_by": self.next_at if self.is_open else None,
            "reversal": self.reversal and self.reversal.shown(),
            "reversal_reason": self.reversal_reason,
            "reinstatement": self.reinstatement and self.reinstatement.shown(),
        }


class Refund(msgspec.Struct, kw_only=True):
    """Money on its way back. `has_succeeded` stays true of one that failed afterwards."""

    id: str
    charge: str
    charge_reference: str
    reference: str
    amount: int
    currency: str
    reason: str
    origin: Literal["api", "dashboard"]
    created_at: int
    updated_at: int
    status: Literal["pending", "succeeded", "failed"] = "pending"
    has_succeeded: bool = False
    failure: Refusal | None = None
    ends_as: str = "succeeded"

    def shown(self, account: str) -> dict[str, Any]:
        hidden = ("ends_as",)
        return {"object": "refund", "account": account} | {
            name: value for name, value in msgspec.structs.asdict(self).items() if name not in hidden
        }


DisputeStatus = Literal["inquiry", "opened", "funds_withdrawn", "won", "lost", "partly_lost", "closed"]


class Dispute(msgspec.Struct, kw_only=True):
    """A payer's objection. `withdrawn` is what is gone for it now; `moves` is the money, each with its own id."""

    id: str
    charge: str
    charge_reference: str
    amount: int
    currency: str
    reason: str
    created_at: int
    updated_at: int
    evidence_due_at: int
    evidence_url: str
    status: DisputeStatus = "opened"
    withdrawn: int = 0
    moves: list[Entry] = []
    evidence: str = ""

    @property
    def is_open(self) -> bool:
        """Whether money is or may be taken for it; an inquiry only asks."""
        return self.status in ("opened", "funds_withdrawn")

    def shown(self, account: str) -> dict[str, Any]:
        fields = msgspec.structs.asdict(self) | {"moves": [one.shown() for one in self.moves]}
        return {"object": "dispute", "account": account} | fields


class Scripted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the next charge shall come to, whatever its method. `percent` of it is taken; `after_s` holds it up."""

    kind: TokenKind = TokenKind.OK
    percent: int = 100
    after_s: float | None = None


class Account(msgspec.Struct):
    """One account; things by id in the order of their making. `outages` are spans of sandbox time.

    While it is `locked` by the processor's risk department nothing can be charged in it.
    """

    id: str
    api_key: str
    manner: Manner = Manner()
    replies: Replies = msgspec.field(default_factory=lambda: Replies(Manner().key_window_s))
    endpoints: list[Endpoint] = []
    setups: dict[str, Setup] = {}
    methods: dict[str, Method] = {}
    charges: dict[str, Charge] = {}
    by_reference: dict[str, list[Charge]] = {}
    refunds: dict[str, Refund] = {}
    disputes: dict[str, Dispute] = {}
    entries: list[Entry] = []
    events: dict[str, Event] = {}
    script: deque[Scripted] = msgspec.field(default_factory=deque)
    refund_script: deque[str] = msgspec.field(default_factory=deque)
    outages: list[tuple[int, int]] = []
    locked: bool = False
    calls_at: deque[float] = msgspec.field(default_factory=deque)

    def captures(self) -> list[Charge]:
        """The charges that took money."""
        return [charge for charge in self.charges.values() if charge.captured > 0]

    def refunds_of(self, charge: Charge) -> list[Refund]:
        return [one for one in self.refunds.values() if one.charge == charge.id]

    def disputes_of(self, charge: Charge) -> list[Dispute]:
        return [one for one in self.disputes.values() if one.charge == charge.id]

    def refundable(self, charge: Charge) -> int:
        """What was captured, less what went back, is on its way back or is disputed."""
        if charge.status != "succeeded":
            return 0
        back = sum(one.amount for one in self.refunds_of(charge) if one.status != "failed")
        return max(0, charge.captured - back - sum(one.withdrawn for one in self.disputes_of(charge)))

    def clear(self) -> None:
        """Forget everything but the key, the manner and the webhook endpoints."""
        for held in (self.setups, self.methods, self.charges, self.by_reference, self.refunds, self.disputes):
            held.clear()
        for kept in (self.entries, self.events, self.replies, self.script, self.refund_script, self.outages):
            kept.clear()


def account_id(api_key: str) -> str:
    """The receiver's id: the same for the same key, so that a configuration can name it beforehand."""
    return "pa_" + hashlib.sha256(api_key.encode()).hexdigest()[:16]
