"""Webhooks that a receiver must refuse: signed by somebody else, long ago, or changed on their way."""

from __future__ import annotations

import hashlib
import hmac
import re
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.sandbox.kit.delivery import Endpoint, Event

STALE_S = 3600
"""Older than any tolerance: Stripe's libraries allow 300 s."""
DIGEST = re.compile(r"\b[0-9a-fA-F]{64}\b")


class Forgery(StrEnum):
    """`signature`: made with another secret; `stale`: right, but an hour old; `unsigned`; `body`: the same JSON in
    other bytes than those that were signed; `event`: another event's id than the one that was signed."""

    SIGNATURE = "signature"
    STALE = "stale"
    UNSIGNED = "unsigned"
    BODY = "body"
    EVENT = "event"


def forged(endpoint: Endpoint, events: list[Event], at: int, how: Forgery | None) -> tuple[bytes, dict[str, str]]:
    """Body and headers of these events, as they are, or forged."""
    body, headers = endpoint.seal(events, at - STALE_S if how is Forgery.STALE else at)
    if how is Forgery.BODY:
        # Still the same JSON, so that only a check of the raw bytes notices.
        return body + b"\n", headers
    if how is Forgery.EVENT:
        id = events[0].id
        return body.replace(id.encode(), id.swapcase().encode()), headers
    if how is Forgery.UNSIGNED:
        return body, {name: value for name, value in headers.items() if not DIGEST.search(value)}
    if how is Forgery.SIGNATURE:
        other = hmac.new(b"not the secret", body, hashlib.sha256).hexdigest()
        return body, {name: DIGEST.sub(other, value) for name, value in headers.items()}
    return body, headers
