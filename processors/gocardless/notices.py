"""GoCardless' webhooks: their signature over the raw body, and the events of a delivery. Pure.

An event names its resource and says what happened to it; amounts, our reference and the creditor stand in the resource,
so `events` fetches it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from processors.errors import SignatureInvalidError
from processors.events import Notice
from processors.gocardless.wire import ApiEvent, Envelope
from processors.reading import delivered
from processors.values import Secret

SIGNATURE: Final = "webhook-signature"

INVALID_TOKEN: Final = 498
"""What GoCardless suggests as the answer to a delivery whose signature is wrong (docs: appendix-webhooks)."""


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256, hex, over the body."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def check_signature(header: str, secrets: Sequence[Secret], body: bytes) -> None:
    """Raises SignatureInvalidError unless one of the secrets signed these bytes; there is no time in a signature."""
    keys = [secret.reveal() for secret in secrets if secret.reveal()]
    if not keys:
        raise SignatureInvalidError("no webhook secret is configured")
    given = header.encode()
    if not any(hmac.compare_digest(signature(key, body).encode(), given) for key in keys):
        raise SignatureInvalidError(f"{SIGNATURE} does not sign this body with our secret")


def notices(body: bytes) -> tuple[Notice, ...]:
    """The events of a signed delivery, deduplicated by their own ids; raises DeliveryMalformedError."""
    raw = delivered(body, Envelope, "the batch").events
    events = [(delivered(one, ApiEvent, "an event of the batch"), one) for one in raw]
    return tuple(Notice(event.id, f"{event.resource_type}.{event.action}", bytes(one)) for event, one in events)


def told(notice: Notice) -> ApiEvent:
    """Raises DeliveryMalformedError."""
    return delivered(notice.body, ApiEvent, f"the {notice.kind} event {notice.key}")
