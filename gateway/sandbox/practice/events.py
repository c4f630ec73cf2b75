"""Events of the practice processor, and the endpoints that are sent them.

An account's endpoint is `signed`: JSON with the events whole, several in one body. Or it gets a `ping`: a form with
nothing but the id of a charge or a method, unsigned, so that whoever wants to know must ask.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Literal
from urllib.parse import urlencode

import msgspec

from gateway.sandbox.kit import delivery


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class Event(msgspec.Struct, frozen=True):
    """One event, rendered once; events about one object keep their order. `fetch` is the id that a ping carries."""

    id: str
    type: str
    object_id: str
    content: bytes
    fetch: str = ""

    @property
    def lane(self) -> str:
        return self.object_id

    def body(self, version: str | None = None) -> bytes:
        """There is one version."""
        return self.content


class Endpoint(msgspec.Struct, frozen=True):
    id: str
    url: str
    secret: str
    webhook: Literal["signed", "ping"] = "signed"

    @property
    def is_open(self) -> bool:
        return True

    def seal(self, events: list[delivery.Event], at: int) -> tuple[bytes, dict[str, str]]:
        if self.webhook == "ping":
            pairs = [("id", event.fetch) for event in events if isinstance(event, Event)]
            return urlencode(pairs).encode(), {"content-type": "application/x-www-form-urlencoded"}
        body = b'{"events":[' + b",".join(event.body() for event in events) + b"]}"
        return body, {"content-type": "application/json", **sign(self.secret, at, body)}


def sign(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The signature header: HMAC-SHA256, hex, over `timestamp.body`."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return {"practice-signature": f"t={timestamp},v1={digest}"}
