"""Invoices by the names that people have for them: the number that stands on the PDF, who pays, and what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import asyncpg

from db import sql
from gateway.readers.customer_list import person_in
from gateway.readers.remaining import REMAINING
from processors.values import Unprinted

BRIEFS: Final = f"""
    select t.id, t.number, {REMAINING} as remaining, t.currency, t.customer, t.snapshot from tollbridge.invoice t
    where t.account = $1 and t.id = any($2)
"""  # noqa: S608 (a constant of ours)
NAMED: Final = "select id from tollbridge.invoice where account = $1 and (id = $2 or number = $2) order by id = $2 desc"


class InvoiceBrief(Unprinted, frozen=True):
    """`name`: its number, or its id while it has none. `currency` is empty before it was read. `payer`: the customer's
    name as it stands on this invoice, or the customer's id, where it is not empty too."""

    name: str
    remaining: int
    currency: str
    customer: str
    payer: str


async def invoice_briefs(account: str, invoices: Iterable[str | None]) -> Mapping[str, InvoiceBrief]:
    """Those of these ids that are the account's."""
    wanted = sorted({one for one in invoices if one})
    rows = await sql.rows(BRIEFS, account, wanted) if wanted else []
    return {row["id"]: _brief(row) for row in rows}


async def numbers_of(account: str, invoices: Iterable[str | None]) -> Mapping[str, str]:
    """What these are called, by their ids."""
    return {invoice: one.name for invoice, one in (await invoice_briefs(account, invoices)).items()}


async def id_of(account: str, typed: str) -> str | None:
    """The id of the invoice that somebody means by its id or its number; many have no number yet."""
    name = typed.strip()
    found: str | None = await sql.value(NAMED, account, name) if name else None
    return found


def _brief(row: asyncpg.Record) -> InvoiceBrief:
    payer = person_in(row["snapshot"]).customer_name or row["customer"]
    name = row["number"] or row["id"]
    return InvoiceBrief(name, row["remaining"], row["currency"], row["customer"], payer)
