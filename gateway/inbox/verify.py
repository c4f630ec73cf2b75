"""Stripe's signature over the raw bytes, and a processor's by its adapter.

Stripe's scheme (docs: webhooks): `Stripe-Signature: t=<unix>,v1=<hex>[,v1=…][,v0=…]`, HMAC-SHA256 with the whole
`whsec_…` string as the key over `t.body`. The official package checks old times only and builds the whole event; here a
time in the future is refused too, and the body is not even read (a hundredth of the cost). Tolerance is machine time.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

TOLERANCE_S: Final = 300
"""How far the time of a signature may be from ours, in seconds, either way (Stripe's own default)."""
LONGEST_HEADER: Final = 4096
MOST_SIGNATURES: Final = 16
"""During a roll of the secret Stripe signs with both; more than a few are no delivery of Stripe's."""


class Refusal(StrEnum):
    """Why a delivery was refused: the label of the counter, and the answer's text, which Stripe's dashboard shows."""

    MISSING = "signature_missing"
    MALFORMED = "signature_malformed"
    OLD = "signature_old"
    FUTURE = "signature_in_the_future"
    WRONG = "signature_wrong"
    NO_SECRET = "no_secret"  # noqa: S105 (a label)
    """The account has no signing secret yet."""
    PROCESSOR = "notice_refused"
    """The adapter refused it."""
    LIVEMODE = "livemode"
    """A test event for a live account, or the reverse."""
    HEADERS = "headers_too_large"
    BODY = "body_too_large"
    NOT_FOUND = "not_found"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    CONFIGURATION = "configuration"


class SignatureError(Exception):
    """The delivery is not Stripe's, or not meant for now."""

    def __init__(self, reason: Refusal) -> None:
        super().__init__(reason)
        self.reason = reason


def check_stripe_signature(header: str, body: bytes, secrets: Sequence[bytes], at_s: float) -> None:
    """Raise SignatureError unless one `v1` signs these bytes with one of `secrets` within the tolerance of `at_s`.

    `at_s` is machine time in Unix seconds. An empty secret is no secret: anybody could sign with it.
    """
    if not header:
        raise SignatureError(Refusal.MISSING)
    stamp, given = _parse(header)
    usable = [secret for secret in secrets if secret]
    if not usable:
        raise SignatureError(Refusal.NO_SECRET)
    signed = stamp.encode() + b"." + body
    expected = [hmac.new(secret, signed, hashlib.sha256).hexdigest().encode() for secret in usable]
    if not any(hmac.compare_digest(one, other) for one in expected for other in given):
        raise SignatureError(Refusal.WRONG)
    age_s = at_s - int(stamp)
    if age_s > TOLERANCE_S:
        raise SignatureError(Refusal.OLD)
    if age_s < -TOLERANCE_S:
        raise SignatureError(Refusal.FUTURE)


def _parse(header: str) -> tuple[str, list[bytes]]:
    """The one time and every `v1`. Other schemes (`v0`) are ignored, as Stripe asks."""
    if len(header) > LONGEST_HEADER:
        raise SignatureError(Refusal.MALFORMED)
    fields = [part.strip().partition("=") for part in header.split(",")]
    stamps = [value for name, _, value in fields if name == "t"]
    given = [value.encode("utf-8", "replace") for name, _, value in fields if name == "v1" and value]
    if len(stamps) != 1 or not (stamps[0].isascii() and stamps[0].isdigit()) or len(stamps[0]) > 12:
        raise SignatureError(Refusal.MALFORMED)
    if not given or len(given) > MOST_SIGNATURES:
        raise SignatureError(Refusal.MALFORMED)
    return stamps[0], given
