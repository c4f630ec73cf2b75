"""How Braintree signs: HMAC-SHA1, keyed with the SHA-1 of an API key's private half, in hex (facts: 3.3 Webhooks).

A delivery is a form. `bt_signature` holds a pair of public key and signature for each API key, joined by `&`; one with
a key of ours is enough. `bt_payload` is base64, and signed as it stands there, or with a line feed after it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from processors.braintree.config import KeyPair
from processors.errors import DeliveryMalformedError, SignatureInvalidError, WebhookError
from processors.events import RawDelivery

MAX_PAIRS: Final = 50


def sign(key: KeyPair, message: bytes) -> str:
    private = hashlib.sha1(key.private.reveal().encode()).digest()  # noqa: S324 (the processor's choice)
    return hmac.new(private, message, hashlib.sha1).hexdigest()


def payload(body: bytes, keys: Sequence[KeyPair]) -> bytes:
    """The signed content of a delivery; raises WebhookError."""
    form = _form(body)
    signed = form["bt_payload"].encode()
    check(form["bt_signature"], signed, keys)
    if not re.fullmatch(rb"[A-Za-z0-9+/=\n]+", signed):
        raise DeliveryMalformedError("bt_payload has letters that base64 has not")
    try:
        return base64.b64decode(signed.replace(b"\n", b""), validate=True)
    except binascii.Error:
        raise DeliveryMalformedError("bt_payload is not base64") from None


def check(signature: str, signed: bytes, keys: Sequence[KeyPair]) -> None:
    """Raises SignatureInvalidError unless a key of ours has signed these bytes."""
    given = [pair.partition("|")[::2] for pair in signature.split("&")]
    if len(given) > MAX_PAIRS:
        raise SignatureInvalidError("bt_signature holds too many signatures")
    holds = False
    for key in keys:
        expected = [sign(key, message).encode() for message in (signed, signed + b"\n")]
        for public, told in given:
            if public == key.public:
                holds |= any(hmac.compare_digest(one, told.encode()) for one in expected)
    if not holds:
        raise SignatureInvalidError("bt_signature does not sign this payload with a key of ours")


def answer(delivery: RawDelivery, key: KeyPair) -> str | None:
    """What an address that is being tried answers to its challenge; None where none was put.

    unverified: how long a challenge may be (the official packages take 20 to 32 hexadecimal digits).
    """
    challenges = [value for name, value in delivery.query if name == "bt_challenge"]
    if delivery.method != "GET" or len(challenges) != 1 or not re.fullmatch(r"[a-f0-9]{20,32}", challenges[0]):
        return None
    return f"{key.public}|{sign(key, challenges[0].encode())}"


def _form(body: bytes) -> dict[str, str]:
    """Raises WebhookError. Each of the two stands there once."""
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=10)
    except (UnicodeDecodeError, ValueError):
        raise DeliveryMalformedError("the body is no form") from None
    form: dict[str, str] = {}
    for name in ("bt_signature", "bt_payload"):
        values = [value for key, value in fields if key == name]
        if len(values) != 1:
            error: type[WebhookError] = SignatureInvalidError if name == "bt_signature" else DeliveryMalformedError
            raise error(f"{name} is missing, or stands there more than once")
        form[name] = values[0]
    return form
