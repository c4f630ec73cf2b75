"""Invoices by the names that people have for them: the number that stands on the PDF."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from db import sql

NUMBERS: Final = "select id, number from tollbridge.invoice where account = $1 and id = any($2) and number <> ''"
NAMED: Final = "select id from tollbridge.invoice where account = $1 and (id = $2 or number = $2) order by id = $2 desc"


async def numbers_of(account: str, invoices: Collection[str]) -> Mapping[str, str]:
    """The numbers of these, by their ids; without those that have none."""
    rows = await sql.rows(NUMBERS, account, sorted(set(invoices))) if invoices else []
    return {row["id"]: row["number"] for row in rows}


async def named(account: str, invoice: str) -> str | None:
    """The id of the invoice that somebody means by its id or its number."""
    found: str | None = await sql.value(NAMED, account, invoice)
    return found
