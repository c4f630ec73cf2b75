"""Whether an account has ever heard of a customer: by an invoice, a subscription, or something that we keep of it."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.accounts.errors import NotThereError

KNOWN: Final = """
    select exists (select 1 from tollbridge.customer where account = $1 and id = $2)
        or exists (select 1 from tollbridge.invoice where account = $1 and customer = $2)
        or exists (select 1 from tollbridge.subscription where account = $1 and customer = $2)
"""


async def refuse_unknown(account: str, customer: str) -> None:
    """Raises NotThereError for a customer of whom this account knows nothing."""
    if not await sql.value(KNOWN, account, customer):
        raise NotThereError("customer", customer)
