"""Where a stored reply's ciphertext belongs."""

from __future__ import annotations

import hashlib


def place(whose: tuple[str, str, str]) -> dict[str, str]:
    """The place of the reply to this account, principal and key."""
    # Hashed, since the caller's key may hold any letter.
    row = hashlib.sha256("\n".join(whose).encode()).hexdigest()
    return {"table": "idempotent_reply", "column": "body", "row": row}
