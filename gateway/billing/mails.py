"""The mail address that an invoice shows, as a hash: enough to find the invoices of an address that somebody knows.

The address itself stands in the snapshot alone. The account goes into the hash, so that two accounts' rows don't tell
that they have a customer in common.
"""

from __future__ import annotations

from hashlib import sha256

import msgspec


class _Mailed(msgspec.Struct, frozen=True):
    customer_email: str | None = None


def mail_hash(account: str, mail: str) -> bytes:
    """Of one address; letters' case makes none of them another."""
    return sha256(f"{account}\0{mail.strip().lower()}".encode()).digest()


def hash_of(account: str, raw: bytes) -> bytes | None:
    """Of the address in Stripe's answer about an invoice, where it has one."""
    mail = msgspec.json.decode(raw, type=_Mailed).customer_email
    return mail_hash(account, mail) if mail else None
