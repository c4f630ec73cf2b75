"""Events of the practice processor, and the endpoints that are sent them, signed and several in one body."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import msgspec

from gateway.sandbox.kit import delivery


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


class Event(msgspec.Struct, frozen=True):
    """One event, rendered once; events about one object keep their order."""

    id: str
    type: str
    object_id: str
    content: bytes

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

    @property
    def is_open(self) -> bool:
        return True

    def seal(self, events: list[delivery.Event], at: int) -> tuple[bytes, dict[str, str]]:
        body = b'{"events":[' + b",".join(event.body() for event in events) + b"]}"
        return body, {"content-type": "application/json", **sign(self.secret, at, body)}


def sign(secret: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The signature header: HMAC-SHA256, hex, over `timestamp.body`."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return {"practice-signature": f"t={timestamp},v1={digest}"}
