"""Credit notes as they are shown: by the API, the command line, and beside refunds, disputes and invoices."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import CreditNoteState
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

NOTES: Final = "select t.* from tollbridge.credit_note t"


class CreditNoteBody(msgspec.Struct, frozen=True):
    """A credit note at Stripe, or one that is about to be made there. `out_of_band`: what the payer has back outside
    Stripe; without any, nothing was returned to the payer."""

    id: str
    invoice: str
    stripe_id: str | None
    number: str
    origin: str
    state: CreditNoteState
    amount: int
    out_of_band: int
    currency: str
    reason: str
    memo: str
    message: str
    issued: int | None
    object: Literal["credit_note"] = "credit_note"


async def find_notes(
    account: str, *, invoice: str = "", limit: int = DEFAULT, starting_after: str = ""
) -> Page[CreditNoteBody]:
    """A page of the credit notes on invoices that are collected here: ours, and those made in Stripe."""
    wanted = {"invoice": invoice}
    found = await page(account, NOTES, "created_at", wanted, limit=limit, starting_after=starting_after)
    return listed(*found, shown_note)


async def of_invoice(account: str, invoice: str) -> list[CreditNoteBody]:
    """All credit notes of an invoice, oldest first."""
    which = "where t.account = $1 and t.invoice = $2 order by t.created_at, t.id"
    return [shown_note(row) for row in await sql.rows(f"{NOTES} {which}", account, invoice)]


def shown_note(row: asyncpg.Record) -> CreditNoteBody:
    """A row of `credit_note`."""
    return CreditNoteBody(
        id=row["id"],
        invoice=row["invoice"],
        stripe_id=row["stripe_id"],
        number=row["number"],
        origin=row["origin"],
        state=CreditNoteState(row["state"]),
        amount=row["amount"],
        out_of_band=row["out_of_band"],
        currency=row["currency"],
        reason=row["reason"],
        memo=row["memo"],
        message=row["error"],
        issued=unix(row["issued_at"]),
    )
