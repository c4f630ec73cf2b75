"""Invoices are locked by id, before whatever hangs on them, by whoever changes more than one row."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from db import sql

INVOICES: Final = "select id from tollbridge.invoice where account = $1 and id = any($2) order by id for no key update"


async def lock_invoices(account: str, invoices: Collection[str]) -> set[str]:
    """Lock those of these invoices that there are, in the caller's transaction; their ids."""
    return {row["id"] for row in await sql.rows(INVOICES, account, sorted(invoices))}
