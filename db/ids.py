"""Identifiers: ours are TypeIDs (a prefix and a UUIDv7, so they sort by age); Stripe's objects keep Stripe's id."""

from __future__ import annotations

from typing import Final
from uuid import NAMESPACE_URL, UUID, uuid5

from typeid import TypeID

NAMESPACE: Final = uuid5(NAMESPACE_URL, "urn:tollbridge")
"""The root of every key that must come out the same after the database was restored (law 2)."""


def new_id(prefix: str) -> str:
    """A new identifier such as `att_01h455vb4pex5vsknk084sn02q`."""
    return str(TypeID(prefix=prefix))


def named_id(prefix: str, *parts: str) -> str:
    """An identifier that comes out the same whenever it is asked for: what it names is made once."""
    return str(TypeID.from_string(f"{prefix}_{_suffix(uuid5(NAMESPACE, chr(10).join(parts)))}"))


def _suffix(uuid: UUID) -> str:
    """A UUID in TypeID's letters (Crockford's base 32, 26 of them)."""
    letters, number = "0123456789abcdefghjkmnpqrstvwxyz", uuid.int
    return "".join(letters[(number >> (5 * place)) & 31] for place in reversed(range(26)))


def attempt_key(account: str, invoice: str, number: int) -> UUID:
    """The idempotency key of attempt `number` of an invoice, the same whenever it is asked for (law 2)."""
    return uuid5(NAMESPACE, f"charge\n{account}\n{invoice}\n{number}")


def derived_key(*parts: str) -> str:
    """A deterministic idempotency key for a call that is not a charge."""
    return str(uuid5(NAMESPACE, "\n".join(parts)))
