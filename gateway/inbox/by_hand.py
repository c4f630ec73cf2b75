"""What people ask of accepted webhooks: one once more, and what one said."""

from __future__ import annotations

from typing import Final

from db import sql
from db.encryption import EncryptionError, Keyring
from db.engine import DB
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.clock import business_now
from gateway.domain.redaction import redacted
from gateway.inbox import deliveries

BODY: Final = "select body from tollbridge.delivery where account = $1 and id = $2"
ERASED: Final = "What it said was erased with its customer."
LOCKED: Final = "It can't be decrypted: its key is no longer in TOLLBRIDGE_ENCRYPTION_KEYS."


async def replay(by: Author, account: str, delivery: str) -> None:
    """Route a delivery again, with a row in the audit log; raises NotThereError."""
    async with DB.transaction():
        stood = await deliveries.replay(account, delivery, by=by.name, now=await business_now())
        if stood is None:
            raise NotThereError("delivery", delivery)
        await by.note(account, "delivery.replayed", delivery, before={"state": stood}, after={"state": "stored"})


async def see(keyring: Keyring, by: Author, account: str, delivery: str) -> str:
    """What a delivery said, without its secrets and persons. That somebody looked goes into the audit log first.

    Raises NotThereError.
    """
    async with DB.transaction():
        sealed = await sql.value(BODY, account, delivery)
        if sealed is None:
            raise NotThereError("delivery", delivery)
        await by.note(account, "delivery.seen", delivery)
    if not sealed:
        return ERASED
    try:
        return redacted(keyring.decrypt(sealed, table="delivery", column="body", row=delivery))
    except EncryptionError:
        return LOCKED
