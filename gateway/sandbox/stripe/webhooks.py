"""Webhooks as Stripe sends them: in order per customer, in the endpoint's API version, with `Stripe-Signature`."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway.sandbox.kit.delivery import Delivery, Event
from gateway.sandbox.stripe.events import EventRow, wants
from gateway.sandbox.stripe.objects import Obj

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook endpoint, as it is when it is asked."""

    account: Account
    id: str

    @property
    def is_open(self) -> bool:
        row = self.account.webhook_endpoints.get(self.id)
        return row is not None and row["status"] == "enabled"

    @property
    def url(self) -> str:
        return str(self._row["url"])

    def seal(self, events: list[Event], at: int) -> tuple[bytes, dict[str, str]]:
        (event,) = events
        body = event.body(self._row["api_version"])
        return body, {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, self._row["_secret"], at),
        }

    @property
    def _row(self) -> Obj:
        return self.account.webhook_endpoints[self.id]


class Webhooks:
    """How events leave an account. `on_acknowledged` is told when an endpoint has accepted one."""

    def __init__(self, delivery: Delivery, on_acknowledged: Callable[[Account, EventRow], None]) -> None:
        self.delivery = delivery
        self._on_acknowledged = on_acknowledged

    def send(self, account: Account, event: EventRow, endpoint: str) -> None:
        self.delivery.put(event, Hook(account, endpoint), partial(self._answered, account, event, endpoint))

    def receivers(self, account: Account, event: EventRow) -> list[Hook]:
        """The enabled endpoints that want the type."""
        return [Hook(account, e["id"]) for e in account.webhook_endpoints.values() if wants(e, event.type)]

    def resend(self, account: Account, event: EventRow) -> int:
        """As the Dashboard's button: to every enabled endpoint that wants the type, whatever happened before."""
        hooks = self.receivers(account, event)
        for hook in hooks:
            self.send(account, event, hook.id)
        return len(hooks)

    def _answered(self, account: Account, event: EventRow, endpoint: str, accepted: bool | None) -> None:
        if accepted is not None:
            event.tried.add(endpoint)
        if accepted is not False:
            event.waiting.discard(endpoint)
        if accepted:
            self._on_acknowledged(account, event)


def signature(body: bytes, secret: str, at: int) -> str:
    """``Stripe-Signature``: HMAC-SHA256 over ``t.body`` with the whole ``whsec_…`` string (docs: webhooks)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
