"""Refunds as they are shown: by the API, the CLI, and whoever else reads them."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import Approval, RefundOrigin, RefundPartState, RefundState
from gateway.accounts.errors import NotThereError
from gateway.readers.credit_notes import CreditNoteBody, shown_note
from gateway.readers.customer_list import person_in
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


DECIDED: Final = """
    select reason from tollbridge.audit_log where account = $1 and object = $2
        and action in ('refund.approved', 'refund.denied')
    order by created_at desc, id desc limit 1
"""
# What a key has asked for is of whoever made it (`keys.person_behind`).
WAITING: Final = """
    with recursive behind (refund, id) as (
        select r.id, r.requested_by from tollbridge.refund r where r.account = $1 and r.approval = 'waiting'
        union all
        select b.refund, k.made_by from behind b join tollbridge.api_key k on k.id = b.id
        where k.account = $1 or k.account is null
    )
    select r.currency, count(*) as count, sum(r.amount)::bigint as amount, count(*) filter (
            where not exists (select from behind b where b.refund = r.id and b.id = $2)) as of_others
    from tollbridge.refund r where r.account = $1 and r.approval = 'waiting' group by r.currency order by r.currency
"""
INVOICE: Final = """
    select number, total, currency, customer, snapshot from tollbridge.invoice where account = $1 and id = $2
"""


class Waiting(msgspec.Struct, frozen=True):
    """Refunds that wait for approval. `of_others`: those that somebody else has asked for; `sums`: by currency."""

    count: int = 0
    of_others: int = 0
    sums: dict[str, int] = {}


class RefundedInvoice(msgspec.Struct, frozen=True):
    """Of what a refund is. `name`: its number, or its id while it has none."""

    name: str
    total: int
    currency: str
    customer: str
    customer_name: str


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


async def waiting(account: str, user: str) -> Waiting:
    """What waits for a second pair of eyes, as this user sees it."""
    rows = await sql.rows(WAITING, account, user)
    sums = {row["currency"]: row["amount"] for row in rows}
    return Waiting(sum(row["count"] for row in rows), sum(row["of_others"] for row in rows), sums)


async def decided_because(account: str, refund: str) -> str:
    """What whoever approved or denied it gave as their reason; empty for nothing."""
    return await sql.value(DECIDED, account, refund) or ""


async def refunded_invoice(account: str, invoice: str) -> RefundedInvoice:
    """The invoice of a refund that is there."""
    row = await sql.row(INVOICE, account, invoice)
    assert row is not None, "a refund names an invoice"
    person, customer = person_in(row["snapshot"]), row["customer"] or ""
    name = person.customer_name or customer
    return RefundedInvoice(row["number"] or invoice, row["total"] or 0, row["currency"] or "", customer, name)


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
