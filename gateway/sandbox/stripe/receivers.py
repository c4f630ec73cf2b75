"""Where events go: v1 webhook endpoints and v2 event destinations, seen as one thing."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.sandbox.kit.delivery import Event
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

MAX_RECEIVERS = 16


@dataclass(frozen=True, slots=True)
class Receiver:
    """One of them, as it is when it is asked."""

    account: Account
    id: str

    @property
    def is_open(self) -> bool:
        row = self._found
        return row is not None and row["status"] == "enabled"

    @property
    def url(self) -> str:
        return str(self._row["_url"] if "_url" in self._row else self._row["url"])

    @property
    def secret(self) -> str:
        return str(self._row["_secret"])

    @property
    def secrets(self) -> list[str]:
        """The secret, and while it is being rolled the one before (docs: webhooks, up to 24 hours)."""
        old, until = self._row.get("_old_secret", ("", 0))
        return [self.secret, old] if until > self.account.sandbox_clock.now() else [self.secret]

    def roll_secret(self, expires_in_s: int) -> str:
        """A new secret; the one before goes on signing for so many sandbox seconds."""
        self._row["_old_secret"] = (self.secret, self.account.sandbox_clock.now() + expires_in_s)
        self._row["_secret"] = new_id("whsec")
        return self.secret

    @property
    def is_thin(self) -> bool:
        return self._row.get("event_payload") == "thin"

    @property
    def version(self) -> str:
        """The API version that snapshots are rendered in."""
        row = self._row
        return row.get("api_version") or row.get("snapshot_api_version") or self.account.api_version

    def wants(self, type: str) -> bool:
        return self.is_open and not {"*", type}.isdisjoint(self._row["enabled_events"])

    def seal(self, events: list[Event], at: int) -> tuple[bytes, dict[str, str]]:
        (event,) = events
        body = event.body(self.version)
        return body, {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, at, *self.secrets),
        }

    @property
    def _found(self) -> Obj | None:
        return self.account.webhook_endpoints.get(self.id) or self.account.event_destinations.get(self.id)

    @property
    def _row(self) -> Obj:
        found = self._found
        if found is None:
            raise LookupError(f"{self.id} is gone")
        return found


def receivers(account: Account) -> list[Receiver]:
    """Those that are enabled."""
    ids = [*account.webhook_endpoints, *account.event_destinations]
    return [receiver for receiver in (Receiver(account, id) for id in ids) if receiver.is_open]


def signature(body: bytes, at: int, *secrets: str) -> str:
    """``Stripe-Signature``: HMAC-SHA256 over ``t.body`` with each whole ``whsec_…`` string (docs: webhooks)."""
    signed = f"{at}.".encode() + body
    digests = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets]
    return ",".join([f"t={at}", *(f"v1={digest}" for digest in digests)])
