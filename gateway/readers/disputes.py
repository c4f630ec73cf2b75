"""Disputes as they are shown: by the API, the command line, and the invoice that they are about."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import DisputeState
from gateway.accounts.errors import NotThereError
from gateway.readers.credit_notes import CreditNoteBody, shown_note
from gateway.readers.pages import DEFAULT, Page, listed, page, unix
from gateway.returns.dispute_view import own_note

SELECT: Final = f"""
    select t.*, c.name as connection_name, nullif(i.customer, '') as customer,
        coalesce((select sum(case m.kind when 'dispute_withdrawn' then m.amount else -m.amount end)
                  from tollbridge.movement m
                  where m.connection = t.connection and m.processor_id = t.processor_id
                    and m.kind in ('dispute_withdrawn', 'dispute_returned')), 0)::bigint as gone,
        array(select n from tollbridge.credit_note n
              where n.account = t.account and n.invoice = t.invoice
                and {own_note("t")}
              order by n.created_at, n.id) as notes
    from tollbridge.dispute t join tollbridge.connection c on c.id = t.connection
    join tollbridge.invoice i on i.account = t.account and i.id = t.invoice
"""  # noqa: S608 (a constant of ours)


class DisputeBody(msgspec.Struct, frozen=True):
    """A payer's objection to a payment, as the processor told of it last (`told`).

    `withdrawn` is what is gone for it now, by our ledger. An `inquiry` is a question, for which no money is held.
    `evidence_due_by`: by when the processor wants an answer, at `evidence_url`. `credit_notes`: what was credited for
    what was lost.
    """

    id: str
    invoice: str
    attempt: str
    customer: str | None
    connection: str
    processor_id: str
    charge: str
    state: DisputeState
    amount: int
    withdrawn: int
    currency: str
    reason: str
    evidence_due_by: int | None
    evidence_url: str | None
    credit_notes: list[CreditNoteBody]
    told: int
    created: int
    resolved: int | None
    object: Literal["dispute"] = "dispute"


async def find_disputes(
    account: str,
    state: DisputeState | None = None,
    *,
    invoice: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[DisputeBody]:
    """A page of an account's disputes."""
    where = {"state": state, "invoice": invoice}
    return listed(*await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after), shown)


async def find_dispute(account: str, dispute: str) -> DisputeBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, dispute)
    if row is None:
        raise NotThereError("dispute", dispute)
    return shown(row)


async def disputes_of(account: str, invoice: str) -> list[DisputeBody]:
    """The disputes of an invoice, oldest first."""
    found = await sql.rows(
        f"{SELECT} where t.account = $1 and t.invoice = $2 order by t.created_at, t.id", account, invoice
    )
    return [shown(row) for row in found]


def shown(row: asyncpg.Record) -> DisputeBody:
    """A row of `SELECT`."""
    return DisputeBody(
        id=row["id"],
        invoice=row["invoice"],
        attempt=row["attempt"],
        customer=row["customer"],
        connection=row["connection_name"],
        processor_id=row["processor_id"],
        charge=row["charge_id"],
        state=DisputeState(row["state"]),
        amount=row["amount"],
        withdrawn=row["gone"],
        currency=row["currency"],
        reason=row["reason"],
        evidence_due_by=unix(row["evidence_due_by"]),
        evidence_url=row["evidence_url"] or None,
        credit_notes=[shown_note(note) for note in row["notes"]],
        told=unix(row["told_at"]),
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
    )
