"""What one account at the practice processor holds: set-ups, payment methods, charges and remembered answers.

Accounts are keyed by their API key and see nothing of each other. Times are Unix seconds of the sandbox.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from gateway.sandbox.kit.idempotency import Replies
from gateway.sandbox.practice.events import Endpoint, Event
from gateway.sandbox.practice.kinds import LOOKS, Refusal, TokenKind

KEYS_KEPT_S = 7 * 86400


class Setup(msgspec.Struct, kw_only=True):
    """`status`: open, completed, failed or expired."""

    id: str
    client_token: str
    reference: str
    currency: str
    return_url: str
    created_at: int
    expires_at: int
    status: str = "open"
    method: str = ""
    failure: Refusal | None = None


class Method(msgspec.Struct, kw_only=True):
    """`declines_left` is what `soft_then_ok` still refuses."""

    token: str
    kind: TokenKind
    created_at: int
    revoked: bool = False
    declines_left: int = 0

    @property
    def status(self) -> str:
        if self.revoked:
            return "revoked"
        return "expired" if self.kind is TokenKind.DECLINE_EXPIRED else "active"

    def shown(self) -> dict[str, Any]:
        look = LOOKS[self.kind]
        card = {"brand": look.brand, "last4": look.last4, "exp_month": 12, "exp_year": 2040}
        if self.kind is TokenKind.DECLINE_EXPIRED:
            card["exp_year"] = 2020
        if look.brand == "bank_debit":
            card = {"brand": look.brand, "last4": look.last4}
        return {"object": "method", "token": self.token, "status": self.status, "card": card}


class Charge(msgspec.Struct, kw_only=True):
    """`status`: succeeded, failed, pending, requires_action or canceled. `captured` is what was really taken."""

    id: str
    reference: str
    amount: int
    currency: str
    method: str
    description: str
    metadata: dict[str, str]
    created_at: int
    status: str = "pending"
    captured: int = 0
    decline: Refusal | None = None
    action_url: str = ""
    closed_at: int | None = None
    settles_at: float | None = None
    settles_as: str = "succeeded"
    hidden_until: float = 0.0

    @property
    def is_open(self) -> bool:
        return self.status in ("pending", "requires_action")

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
            "description": self.description,
            "metadata": self.metadata,
            "status": self.status,
            "decline": self.decline,
            "action_url": self.action_url,
            "created_at": self.created_at,
            "closed_at": self.closed_at,
            "expected_by": None if self.settles_at is None else int(self.settles_at),
        }


class Account(msgspec.Struct):
    """One account; `charges` by id in the order of their making, `events` by id."""

    id: str
    api_key: str
    endpoints: list[Endpoint] = []
    setups: dict[str, Setup] = {}
    methods: dict[str, Method] = {}
    charges: dict[str, Charge] = {}
    by_reference: dict[str, Charge] = {}
    events: dict[str, Event] = {}
    replies: Replies = msgspec.field(default_factory=lambda: Replies(KEYS_KEPT_S))

    def captures(self) -> list[Charge]:
        """The charges that took money."""
        return [charge for charge in self.charges.values() if charge.captured > 0]

    def clear(self) -> None:
        """Forget everything but the key and the webhook endpoints."""
        for held in (self.setups, self.methods, self.charges, self.by_reference, self.events, self.replies):
            held.clear()


def account_id(api_key: str) -> str:
    """The receiver's id: the same for the same key, so that a configuration can name it beforehand."""
    return "pa_" + hashlib.sha256(api_key.encode()).hexdigest()[:16]
