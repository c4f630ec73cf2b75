"""Under which words the customer of an invoice is found, by the name that it shows."""

from __future__ import annotations

import msgspec

from gateway.domain.name_words import words_of


class _Named(msgspec.Struct, frozen=True):
    customer_name: str | None = None


def name_words(raw: bytes) -> list[str]:
    """Of Stripe's answer about an invoice; none where it names nobody."""
    return words_of(msgspec.json.decode(raw, type=_Named).customer_name or "")
