"""Credit notes as Stripe lists them: the one place that keeps them, whoever has asked.

Invoices are locked before their notes, as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from db.states import CreditNoteState
from gateway.billing.client import from_unix
from gateway.billing.credit_notes import NOTE_KEY, CreditNoteShape
from gateway.returns.beside import poke_disputes
from gateway.returns.standing import stands
from gateway.turns.locks import lock_invoices

OURS: Final = "select id, state from tollbridge.credit_note where account = $1 and id = any($2)"
# One look may be slower than another that began later. An issued note can only be voided.
UPSERT: Final = """
    insert into tollbridge.credit_note as n (id, account, invoice, origin, subject, stripe_id, number, state, amount,
        out_of_band, pre_payment, post_payment, currency, reason, memo, created_at, issued_at, read_at)
    values ($1, $2, $3, 'stripe', $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    on conflict (account, stripe_id) do update set state = excluded.state, read_at = excluded.read_at
        where n.read_at is null or n.read_at <= excluded.read_at
"""
SUBJECTS: Final = {"tollbridge_refund": "refund", "tollbridge_dispute": "dispute"}
UNNOTED: Final = """
    select 1 from tollbridge.{} s left join tollbridge.credit_note n on n.account = s.account and n.id = s.credit_note
    where s.account = $1 and s.id = $2 and (n.id is null or n.stripe_id is null)
"""
REFUNDS: Final = "select id from tollbridge.refund where account = $1 and invoice = any($2) order by id"


async def store_listed(account: str, listed: Sequence[CreditNoteShape], read_at: datetime, now: datetime) -> None:
    """Keep what was shown at `read_at` of these notes, and look at the refunds and disputes beside them again.

    In the caller's transaction. Those of ours whose answer was lost stand then; the others are Stripe's own. A note of
    an invoice that we do not know is left out.
    """
    DB.current("keeping credit notes")
    known = await lock_invoices(account, {shape.invoice_id for shape in listed} - {""})
    named = [key for shape in listed if (key := (shape.metadata or {}).get(NOTE_KEY))]
    ours = {row["id"]: row["state"] for row in await sql.rows(OURS, account, named)}
    for shape in sorted(listed, key=lambda shape: (shape.created, shape.id)):
        key = (shape.metadata or {}).get(NOTE_KEY, "")
        if key in ours and ours[key] not in (CreditNoteState.ISSUED, CreditNoteState.VOID):
            await stands(account, key, shape, now)
        elif shape.invoice_id in known and not (key not in ours and await _is_forgotten(account, shape)):
            await _keep(account, shape, read_at, now)
    refunds = [row["id"] for row in await sql.rows(REFUNDS, account, sorted(known))]
    await poke.poke(Kind.REFUND, account, refunds, now)
    for invoice in sorted(known):
        await poke_disputes(account, invoice, now)


async def _is_forgotten(account: str, shape: CreditNoteShape) -> bool:
    """Whether a refund or dispute of ours made it, and a restored database does not know that: it finds its note by
    itself, and nobody else must take it for somebody's."""
    told = shape.metadata or {}
    for key, table in SUBJECTS.items():
        if told.get(key) and await sql.row(UNNOTED.format(table), account, told[key]) is not None:
            return True
    return False


async def _keep(account: str, shape: CreditNoteShape, read_at: datetime, now: datetime) -> None:
    created = from_unix(shape.created) or now
    state = CreditNoteState.VOID if shape.status == "void" else CreditNoteState.ISSUED
    amounts = (shape.total, shape.out_of_band_amount or 0, shape.pre_payment_amount, shape.post_payment_amount)
    texts = (shape.currency, shape.reason or "", sql.storable(shape.memo or "", 2000))
    place = (new_id("crn"), account, shape.invoice_id, shape.id, shape.number, state)
    await sql.rows(UPSERT, *place, *amounts, *texts, now, created, read_at)
