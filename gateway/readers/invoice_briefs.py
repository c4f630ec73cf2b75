"""Invoices in brief, for lists of what is about them: the name that people know, and what is left to pay."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from db import sql

NAMED: Final = """
    select id, number, amount_remaining, currency from tollbridge.invoice where account = $1 and id = any($2)
"""


class InvoiceBrief(msgspec.Struct, frozen=True):
    """`name`: its number, or its id while it has none. `currency` is empty before it was read."""

    name: str
    remaining: int
    currency: str


async def invoice_briefs(account: str, invoices: Iterable[str | None]) -> Mapping[str, InvoiceBrief]:
    """Those of these ids that are the account's."""
    wanted = sorted({one for one in invoices if one})
    rows = await sql.rows(NAMED, account, wanted) if wanted else []
    return {
        row["id"]: InvoiceBrief(row["number"] or row["id"], row["amount_remaining"], row["currency"]) for row in rows
    }
