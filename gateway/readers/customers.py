"""Customers: how they are treated."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from db import sql
from gateway.accounts.known import refuse_unknown
from gateway.readers.invoices import PauseBody, pause_in

CUSTOMER: Final = """
    select coalesce(c.opted_out, false) as opted_out, p.object as pause_of, p.reason as pause_reason, p.paused_by,
        p.paused_at, p.until_at as paused_until
    from (select 1) one left join tollbridge.customer c on c.account = $1 and c.id = $2
    left join tollbridge.collection_pause p on p.account = $1 and p.object = $2
        and (p.until_at is null or p.until_at > tollbridge.business_now())
"""


class CustomerBody(msgspec.Struct, frozen=True):
    """What we keep of a Stripe customer."""

    id: str
    opted_out: bool
    pause: PauseBody | None
    object: Literal["customer"] = "customer"


async def find_customer(account: str, customer: str) -> CustomerBody:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    row = await sql.row(CUSTOMER, account, customer)
    assert row is not None, "it joins to one row"
    return CustomerBody(customer, row["opted_out"], pause_in(row))
