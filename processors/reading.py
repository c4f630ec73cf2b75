"""How what a processor sends is read as JSON: its answers, the bodies of its errors, and its deliveries.

msgspec's errors may quote what they could not read, so none is chained or repeated.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from processors.errors import DeliveryMalformedError

T = TypeVar("T")

UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What comes of a body that is none: also one that is nested without an end, which anybody may send to a webhook."""


def readable(body: bytes | msgspec.Raw, kind: type[T]) -> T | None:
    """The body as `kind`; None where it can't be read as that."""
    try:
        return msgspec.json.decode(body, type=kind)
    except UNREADABLE:
        return None


def delivered(body: bytes | msgspec.Raw, kind: type[T], what: str) -> T:
    """The body of a delivery or a notice as `kind`; raises DeliveryMalformedError, which says `what` can't be read."""
    read = readable(body, kind)
    if read is None:
        raise DeliveryMalformedError(f"{what} can't be read")
    return read
