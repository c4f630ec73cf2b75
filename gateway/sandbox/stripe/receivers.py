"""Where events go: v1 webhook endpoints and v2 event destinations, seen as one thing."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.sandbox.kit.delivery import Event
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
    def is_thin(self) -> bool:
        return self._row.get("event_payload") == "thin"

    @property
    def version(self) -> str:
        """The API version that snapshots are rendered in."""
        row = self._row
        return row.get("api_version") or row.get("snapshot_api_version") or self.account.api_version

    def wants(self, type: str) -> bool:
        return self.is_open and not {"*", type}.isdisjoint(self._row["enabled_events"])

    def seal(self, events: list[Event]) -> tuple[bytes, dict[str, str]]:
        (event,) = events
        body = event.body(self.version)
        return body, headers(signature(body, self.secret, int(time.time())))

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


def headers(stripe_signature: str | None) -> dict[str, str]:
    sent = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    return sent if stripe_signature is None else sent | {"Stripe-Signature": stripe_signature}


def signature(body: bytes, secret: str, at: int) -> str:
    """``Stripe-Signature``: HMAC-SHA256 over ``t.body`` with the whole ``whsec_…`` string (docs: webhooks)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
