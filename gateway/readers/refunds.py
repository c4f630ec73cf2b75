"""Refunds as they are shown: by the API, the CLI, and whoever else reads them."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import Approval, RefundOrigin, RefundPartState, RefundState
from gateway.accounts.errors import NotThereError
from gateway.readers.credit_notes import CreditNoteBody, shown_note
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SELECT: Final = """
    select t.*, array(select jsonb_build_object('id', p.id, 'number', p.number, 'attempt', p.attempt,
                          'connection', c.name, 'charge', p.charge_id, 'amount', p.amount, 'state', p.state,
                          'reference', p.reference, 'processor_id', p.processor_id, 'refusal', p.refusal,
                          'code', p.code, 'message', p.message, 'external', p.is_external)
                      from tollbridge.refund_part p join tollbridge.connection c on c.id = p.connection
                      where p.refund = t.id order by p.number) as parts,
        (select n from tollbridge.credit_note n where n.account = t.account and n.id = t.credit_note) as noted
    from tollbridge.refund t
"""


class PartBody(msgspec.Struct, frozen=True):
    """What is returned of one capture. `refusal`: why it was not made, in words that all processors share."""

    id: str
    number: int
    attempt: str
    connection: str
    charge: str
    amount: int
    state: RefundPartState
    reference: str
    processor_id: str | None
    refusal: str
    code: str
    message: str
    external: bool


class RefundBody(msgspec.Struct, frozen=True):
    """Money on its way back, with its parts and its credit note.

    `origin`: `request` (asked for here), `stripe` (a credit note made there), `processor` (made in its dashboard),
    `surplus` (money that no invoice takes). `failure`: why it was not made. `wants_note`: a credit note is due.
    """

    id: str
    invoice: str
    origin: RefundOrigin
    state: RefundState
    amount: int
    currency: str
    reason: str
    memo: str
    note: str
    parts: list[PartBody]
    credit_note: CreditNoteBody | None
    requested_by: str
    approval: str
    approved_by: str
    failure: str
    message: str
    created: int
    resolved: int | None
    wants_note: bool
    object: Literal["refund"] = "refund"


async def find_refunds(
    account: str,
    state: RefundState | None = None,
    *,
    invoice: str = "",
    credit_note: str = "",
    approval: Approval = Approval.NONE,
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[RefundBody]:
    """A page of an account's refunds, wherever they began; `approval`: only those of which somebody has decided so, or
    that wait for it."""
    wanted = {"state": state, "invoice": invoice, "credit_note": credit_note, "approval": approval}
    found = await page(account, SELECT, "created_at", wanted, limit=limit, starting_after=starting_after)
    return listed(*found, shown_refund)


async def find_refund(account: str, refund: str) -> RefundBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, refund)
    if row is None:
        raise NotThereError("refund", refund)
    return shown_refund(row)


async def of_invoice(account: str, invoice: str) -> list[RefundBody]:
    """All refunds of an invoice, oldest first."""
    which = "where t.account = $1 and t.invoice = $2 order by t.created_at, t.id"
    return [shown_refund(row) for row in await sql.rows(f"{SELECT} {which}", account, invoice)]


def shown_refund(row: asyncpg.Record) -> RefundBody:
    """A row of `SELECT`."""
    return RefundBody(
        id=row["id"],
        invoice=row["invoice"],
        origin=RefundOrigin(row["origin"]),
        state=RefundState(row["state"]),
        amount=row["amount"],
        currency=row["currency"],
        reason=row["reason"],
        memo=row["memo"],
        note=row["note"],
        parts=[msgspec.json.decode(part, type=PartBody) for part in row["parts"]],
        credit_note=None if row["noted"] is None else shown_note(row["noted"]),
        requested_by=row["requested_by"],
        approval=row["approval"],
        approved_by=row["approved_by"],
        failure=row["failure"],
        message=row["message"],
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
        wants_note=row["wants_note"],
    )
