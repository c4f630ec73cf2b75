"""What people ask of accepted webhooks: one once more."""

from __future__ import annotations

from db.engine import DB
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.clock import business_now
from gateway.inbox import deliveries


async def replay(by: Author, account: str, delivery: str) -> None:
    """Route a delivery again, with a row in the audit log; raises NotThereError."""
    async with DB.transaction():
        if not await deliveries.replay(account, delivery, by=by.name, now=await business_now()):
            raise NotThereError("delivery", delivery)
        await by.note(account, "delivery.replayed", delivery)
