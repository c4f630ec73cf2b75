"""What proves Adyen's webhooks, in its two ways. Pure.

A standard webhook signs eight fields of each item; nothing else of it is proven. They make its key, with the little
beside them that decides what it means. All others (tokens' lives) sign the raw body in a header. Keys are hexadecimal
in the Customer Area; while one is being changed both are in use.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

import msgspec

from processors.adyen.wire import Entry, Item, TokenEvent, entry
from processors.errors import SignatureInvalidError

HEADER: Final = "hmacsignature"
"""unverified: the header's name, and that `protocol: HmacSHA256` beside it says nothing more (see one from a test)."""


def signed_fields(item: Item) -> tuple[str, ...]:
    """The eight fields as they are signed (docs: verify-hmac-signatures); what is absent is empty."""
    value, currency = ("", "") if item.amount is None else (str(item.amount.value), item.amount.currency)
    return (
        item.psp_reference,
        item.original_reference or "",
        item.merchant_account_code,
        item.merchant_reference or "",
        value,
        currency,
        item.event_code,
        item.success,
    )


def sign(key: bytes, message: bytes) -> str:
    return base64.b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def check_item(item: Item, keys: Sequence[bytes]) -> None:
    """Raises SignatureInvalidError unless one of the keys has signed this item.

    Fields are joined by colons and none is escaped. Only our own reference may hold one: a second field that may would
    let letters wander from one to the other under the same signature.
    """
    fields = signed_fields(item)
    if any(":" in field for place, field in enumerate(fields) if place != 3):
        raise SignatureInvalidError("a signed field holds a colon, so that the signature does not say where it ends")
    _check(entry(item.additional_data, Entry.SIGNATURE), ":".join(fields).encode(), keys)


def check_body(header: str, body: bytes, keys: Sequence[bytes]) -> None:
    """Raises SignatureInvalidError unless one of the keys has signed these bytes."""
    _check(header, body, keys)


def _check(given: str, message: bytes, keys: Sequence[bytes]) -> None:
    if not given:
        raise SignatureInvalidError("the notification is not signed")
    # Every key is tried, so that the time taken does not tell which one held.
    held = [hmac.compare_digest(sign(key, message).encode(), given.encode()) for key in keys if key]
    if not any(held):
        raise SignatureInvalidError("the signature does not hold under any of our keys")


def item_key(item: Item) -> str:
    """What tells a notification from others (law 9): what is signed of it, and what of the rest decides its meaning.

    A repeat may differ in its time and in most of what is not signed (docs: handle-webhook-events): one that was
    changed there on the way is the same one, and has been dealt with.
    """
    return _hash("standard", *signed_fields(item), *deciding(item))


def deciding(item: Item) -> tuple[str, ...]:
    """What `notices` goes by that is not signed, and that tells two notifications of one thing apart.

    A capture and the same capture made again differ in their reason alone (docs: online-payments/capture,
    failure-reasons). Whoever rewrites it is believed no money: that is given again only after it was taken back.
    """
    reason = (item.reason or "") if item.event_code == "CAPTURE" else ""
    return reason, entry(item.additional_data, Entry.DISPUTE_STATUS)


def token_key(event: TokenEvent) -> str:
    """As `item_key`; one cause may concern several tokens."""
    data = event.data
    return _hash(event.type, event.event_id, event.created_at, data.merchant_account, data.stored_payment_method_id)


def body_key(body: bytes) -> str:
    """For a webhook of which nothing is known but that all of it is signed."""
    return hashlib.sha256(body).hexdigest()


def _hash(*fields: str) -> str:
    """Hashed, since some fields are tokens and a key is no secret."""
    return hashlib.sha256(msgspec.json.encode(fields)).hexdigest()
