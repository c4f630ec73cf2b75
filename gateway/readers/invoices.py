"""Invoices: where each stands and why, what was tried, what was taken, what Stripe was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import (
    CarryState,
    Collector,
    InvoiceState,
    MovementKind,
    RecordingState,
    RecordingTarget,
    RemainderState,
)
from gateway.accounts.errors import NotThereError
from gateway.billing.invoice_detail import InvoiceDetailShape, page_of
from gateway.readers import attempts, cases, credit_notes, refunds
from gateway.readers.attempts import AttemptBody
from gateway.readers.cases import CaseBody
from gateway.readers.credit_notes import CreditNoteBody
from gateway.readers.dashboard import dashboard
from gateway.readers.disputes import DisputeBody, disputes_of
from gateway.readers.due import DUE
from gateway.readers.pages import unix
from gateway.readers.plans import PlanBody, plan_of
from gateway.readers.refunds import RefundBody
from gateway.readers.remaining import REMAINING

SELECT: Final = f"""
    select t.*, {DUE} as due, {REMAINING} as remaining, a.livemode, a.stripe_account,
        p.object as pause_of, p.reason as pause_reason, p.paused_by, p.paused_at, p.until_at as paused_until,
        (select r.invoice from tollbridge.remainder r
         where r.account = t.account and r.issued_as = t.id) as remainder_of
    from tollbridge.invoice t join tollbridge.account a on a.id = t.account
    left join lateral (select * from tollbridge.collection_pause p
                       where p.account = t.account and p.object in (t.id, nullif(t.customer, ''))
                         and (p.until_at is null or p.until_at > tollbridge.business_now())
                       order by p.until_at desc nulls first limit 1) p on true
"""  # noqa: S608 (a constant of ours)
MOVEMENTS: Final = """
    select m.*, c.name as connection_name from tollbridge.movement m
        left join tollbridge.connection c on c.id = m.connection
    where m.account = $1 and m.invoice = $2 order by m.occurred_at, m.id
"""
ATTEMPTS: Final = f"{attempts.SELECT} where t.account = $1 and t.invoice = $2 order by t.number"
RECORDINGS: Final = "select * from tollbridge.recording where account = $1 and invoice = $2 order by created_at, id"
CARRIES: Final = "select * from tollbridge.carry where account = $1 and invoice = $2 order by created_at, id"
REMAINDERS: Final = "select * from tollbridge.remainder where account = $1 and invoice = $2 order by created_at, id"
PAUSES: Final = """
    select p.object as pause_of, p.reason as pause_reason, p.paused_by, p.paused_at, p.until_at as paused_until
    from tollbridge.collection_pause p
    where p.account = $1 and p.object = any($2) and (p.until_at is null or p.until_at > tollbridge.business_now())
    order by p.until_at desc nulls first
"""
CASES: Final = f"{cases.SELECT} where t.account = $1 and t.invoice = $2 order by t.opened_at, t.id"


class PauseBody(msgspec.Struct, frozen=True):
    """Collection that somebody has paused, `until` then or until it is resumed. `of`: the invoice, or its customer."""

    of: str
    reason: str
    by: str
    since: int
    until: int | None
    object: Literal["collection_pause"] = "collection_pause"


class InvoiceBody(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice. `state` is ours, `status` and the amounts are Stripe's as of `read`; `reason` says why nothing
    happens now, and `next_attempt` when something will; `pause` is the one that lasts longest. `collected_by`: who
    collects it, or would: we, Stripe by itself, or (`hosted`) its payer, on Stripe's page; null: nobody.
    `balance_returned`: what its voiding gave back of the customer's balance that it had used, as Stripe's transactions
    show it; null where there was none, or before that was seen."""

    id: str
    object: Literal["invoice"] = "invoice"
    state: InvoiceState
    reason: str
    collected_by: Collector | None
    collected_because: str
    next_attempt: int | None
    pause: PauseBody | None
    status: str | None
    number: str | None
    customer: str | None
    subscription: str | None
    billing_reason: str | None
    currency: str | None
    amount_due: int
    amount_remaining: int
    total: int
    balance_returned: int | None
    livemode: bool
    due_date: int | None
    paid_at: int | None
    read: int | None
    created: int


class MovementBody(msgspec.Struct, frozen=True):
    """One row of the ledger; never changed."""

    id: str
    kind: MovementKind
    amount: int
    currency: str
    connection: str | None
    attempt: str | None
    processor_id: str
    occurrence: str
    evidence: str
    occurred: int
    object: Literal["movement"] = "movement"


class RecordingBody(msgspec.Struct, frozen=True):
    """One telling of Stripe of a payment: that the invoice is paid out of band, or, with the target `balance`, that
    what the invoice did not take is the customer's credit."""

    id: str
    attempt: str | None
    receipt: str | None
    amount: int
    currency: str
    state: RecordingState
    target: RecordingTarget
    how: str
    created: int
    resolved: int | None
    object: Literal["recording"] = "recording"


class RemainderBody(msgspec.Struct, frozen=True):
    """What was credited of an invoice, and another one bills: `invoice`, once that is there."""

    id: str
    invoice: str | None
    credit_note: str
    amount: int
    currency: str
    state: RemainderState
    message: str
    created: int
    object: Literal["remainder"] = "remainder"


class CarryBody(msgspec.Struct, frozen=True):
    """What was credited, since it was too little to be charged, and the customer owes with the next invoice: the
    balance transaction at Stripe says so."""

    id: str
    balance_transaction: str | None
    credit_note: str
    amount: int
    currency: str
    state: CarryState
    message: str
    created: int
    object: Literal["carry"] = "carry"


class Links(msgspec.Struct, frozen=True):
    """Stripe's pages of the invoice."""

    dashboard: str
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None


class InvoiceDetail(InvoiceBody, frozen=True, kw_only=True):
    """An invoice with everything that happened to it. `remainder_of`: it bills what was credited of that invoice;
    `pauses`: its own and its customer's."""

    remainder_of: str | None
    pauses: list[PauseBody]
    plan: PlanBody | None
    attempts: list[AttemptBody]
    movements: list[MovementBody]
    recordings: list[RecordingBody]
    refunds: list[RefundBody]
    credit_notes: list[CreditNoteBody]
    disputes: list[DisputeBody]
    remainders: list[RemainderBody]
    carried: list[CarryBody]
    cases: list[CaseBody]
    links: Links


async def find_invoice(account: str, invoice: str) -> InvoiceDetail:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, invoice)
    if row is None:
        raise NotThereError("invoice", invoice)
    back, notes = await refunds.of_invoice(account, invoice), await credit_notes.of_invoice(account, invoice)
    return InvoiceDetail(
        **fields_of(row),
        remainder_of=row["remainder_of"],
        pauses=[_pause(one) for one in await sql.rows(PAUSES, account, [invoice, row["customer"]])],
        plan=await plan_of(account, invoice),
        attempts=[attempts.shown(one) for one in await sql.rows(ATTEMPTS, account, invoice)],
        movements=[_movement(one) for one in await sql.rows(MOVEMENTS, account, invoice)],
        recordings=[_recording(one) for one in await sql.rows(RECORDINGS, account, invoice)],
        refunds=back,
        credit_notes=notes,
        disputes=await disputes_of(account, invoice),
        remainders=[_remainder(one) for one in await sql.rows(REMAINDERS, account, invoice)],
        carried=[_carry(one) for one in await sql.rows(CARRIES, account, invoice)],
        cases=[cases.shown(one) for one in await sql.rows(CASES, account, invoice)],
        links=_links(row),
    )


def shown(row: asyncpg.Record) -> InvoiceBody:
    """A row as it stands in a list."""
    return InvoiceBody(**fields_of(row))


def pause_in(row: asyncpg.Record) -> PauseBody | None:
    """The pause in the columns of such a row, if there is one."""
    return None if row["pause_of"] is None else _pause(row)


def _pause(row: asyncpg.Record) -> PauseBody:
    until = unix(row["paused_until"])
    return PauseBody(row["pause_of"], row["pause_reason"], row["paused_by"], unix(row["paused_at"]), until)


def _next_attempt(row: asyncpg.Record) -> int | None:
    """When it is tried next; before a worker has heard of a pause, its row may still name a day in it."""
    at, until = row["next_attempt_at"], row["paused_until"]
    held = row["pause_of"] is not None and at is not None and (until is None or at < until)
    found: datetime | None = until if held else at
    return unix(found)


def fields_of(row: asyncpg.Record) -> dict[str, Any]:
    """What every invoice shows, of a row of `SELECT`."""
    collector, why = whose(row)
    return {
        "id": row["id"],
        "state": InvoiceState(row["state"]),
        "reason": row["reason"],
        "collected_by": collector,
        "collected_because": why,
        "next_attempt": _next_attempt(row),
        "pause": pause_in(row),
        "status": row["status"] or None,
        "number": row["number"] or None,
        "customer": row["customer"] or None,
        "subscription": row["subscription"] or None,
        "billing_reason": row["billing_reason"] or None,
        "currency": row["currency"] or None,
        "amount_due": row["amount_due"],
        "amount_remaining": row["amount_remaining"],
        "total": row["total"],
        "balance_returned": row["balance_back"],
        "livemode": row["livemode"],
        "due_date": unix(row["due"]),
        "paid_at": unix(row["paid_at"]),
        "read": unix(row["read_at"]),
        "created": unix(row["stripe_created_at"] or row["created_at"]),
    }


def whose(row: asyncpg.Record) -> tuple[Collector | None, str]:
    """Who collects an invoice, and why that one."""
    if row["collector"] == Collector.STRIPE:
        return Collector.STRIPE, "it was handed over when its subscription was switched to Stripe"
    if row["collector"] == Collector.HOSTED and row["state"] != InvoiceState.NOT_OURS:
        return Collector.HOSTED, "its payer pays it on Stripe's page (`links.hosted_invoice_url`)"
    if row["state"] != InvoiceState.NOT_OURS:
        switched = row["collector"] == Collector.GATEWAY
        why = (
            "its subscription was switched to us, and Stripe has let go of it"
            if switched
            else "Stripe sends it, and charges nobody"
        )
        return Collector.GATEWAY, why
    if row["collection_method"] == "charge_automatically":
        return Collector.STRIPE, "Stripe charges it automatically"
    return None, row["reason"]


def _movement(row: asyncpg.Record) -> MovementBody:
    return MovementBody(
        id=row["id"],
        kind=MovementKind(row["kind"]),
        amount=row["amount"],
        currency=row["currency"],
        connection=row["connection_name"],
        attempt=row["attempt"],
        processor_id=row["processor_id"],
        occurrence=row["occurrence"],
        evidence=row["evidence"],
        occurred=unix(row["occurred_at"]),
    )


def _recording(row: asyncpg.Record) -> RecordingBody:
    return RecordingBody(
        id=row["id"],
        attempt=row["attempt"],
        receipt=row["receipt"],
        amount=row["amount"],
        currency=row["currency"],
        state=RecordingState(row["state"]),
        target=RecordingTarget(row["target"]),
        how=row["how"],
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
    )


def _remainder(row: asyncpg.Record) -> RemainderBody:
    return RemainderBody(
        id=row["id"],
        invoice=row["issued_as"],
        credit_note=row["credit_note"],
        amount=row["amount"],
        currency=row["currency"],
        state=RemainderState(row["state"]),
        message=row["error"],
        created=unix(row["created_at"]),
    )


def _carry(row: asyncpg.Record) -> CarryBody:
    return CarryBody(
        id=row["id"],
        balance_transaction=row["transaction"],
        credit_note=row["credit_note"],
        amount=row["amount"],
        currency=row["currency"],
        state=CarryState(row["state"]),
        message=row["error"],
        created=unix(row["created_at"]),
    )


def _links(row: asyncpg.Record) -> Links:
    page = pdf = None
    if row["snapshot"] is not None:
        shape = msgspec.json.decode(row["snapshot"], type=InvoiceDetailShape)
        page, pdf = page_of(shape.hosted_invoice_url), page_of(shape.invoice_pdf)
    return Links(f"{dashboard(row)}/invoices/{row['id']}", page, pdf)
