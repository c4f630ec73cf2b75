"""Deliveries that no receiver may believe: of a true event, but signed wrongly or not at all.

They are posted at once and once, beside the delivery's queue, as whoever forges them would.
"""

from __future__ import annotations

import time
from enum import StrEnum

import httpx
import msgspec

from gateway.sandbox.stripe.events import EventRow
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.receivers import Receiver, headers, signature
from gateway.sandbox.stripe.thin_events import ThinEvent

TIMEOUT_S = 10.0
STALE_S = 3600


class Forgery(StrEnum):
    MISSIGNED = "wrong_secret"
    STALE = "stale"
    """Rightly signed an hour ago: a replay."""
    UNSIGNED = "unsigned"
    RESERIALISED = "reserialised"
    """The same JSON in other bytes than those that were signed."""
    CHANGED = "changed"
    """Another event id than the one that was signed."""


def forged(receiver: Receiver, event: EventRow | ThinEvent, how: Forgery) -> tuple[bytes, dict[str, str]]:
    """The body and its headers."""
    body, now = event.body(receiver.version), int(time.time())
    if how is Forgery.UNSIGNED:
        return body, headers(None)
    if how is Forgery.MISSIGNED:
        return body, headers(signature(body, now, new_id("whsec")))
    if how is Forgery.STALE:
        return body, headers(signature(body, now - STALE_S, receiver.secret))
    right = headers(signature(body, now, receiver.secret))
    if how is Forgery.CHANGED:
        return body.replace(event.id.encode(), new_id("evt").encode()), right
    return msgspec.json.format(body, indent=2), right


async def forge(receiver: Receiver, event: EventRow | ThinEvent, how: Forgery) -> int:
    """Post it; the status that the receiver answers. Raises ValueError where it answers nothing."""
    body, sent = forged(receiver, event, how)
    async with httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=False) as http:
        try:
            return (await http.post(receiver.url, content=body, headers=sent)).status_code
        except httpx.HTTPError as error:
            raise ValueError(f"{receiver.url} does not answer: {type(error).__name__}") from None
