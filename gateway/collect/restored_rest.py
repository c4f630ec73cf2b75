"""An invoice for a rest that a restored database has forgotten: its row is made again from what stands at Stripe.

Metadata are a hint (law 11): anybody can copy them. The proof is that each of the two invoices is of the same customer,
that the further one names the first, and that on the first stands the credit note of ours which took the amount off.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Claim, Kind
from db.states import CreditNoteOrigin
from gateway.billing import credit_notes, invoices
from gateway.billing.client import from_unix
from gateway.billing.credit_notes import NOTE_KEY, CreditNoteShape
from gateway.billing.shapes import billed
from gateway.collect.load import Loaded
from gateway.domain.billed import REST_OF_KEY, BilledInvoice
from gateway.domain.rest_actions import TakeUpRest
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

log = structlog.get_logger()

ORIGINS: Final = (CreditNoteOrigin.PARTIAL, CreditNoteOrigin.REVERSAL)
LOOKED: Final = "update tollbridge.invoice set rest_looked_for_at = $3 where account = $1 and id = $2"
KNOWN: Final = "select subscription from tollbridge.invoice where account = $1 and id = $2"
# What is listed before it is known to be ours is kept as somebody's.
NOTE_OF_OURS: Final = """
    update tollbridge.credit_note set origin = $3, subject = $4 where account = $1 and stripe_id = $2
        and not exists (select 1 from tollbridge.credit_note where account = $1 and origin = $3 and subject = $4)
    returning id
"""
NOTE: Final = """
    insert into tollbridge.credit_note as n (id, account, invoice, origin, subject, stripe_id, number, state, amount,
        out_of_band, pre_payment, post_payment, currency, created_at, issued_at, read_at)
    values ($1, $2, $3, $4, $5, $6, $7, 'issued', $8, $9, $10, $11, $12, $13, $14, $13)
    on conflict (account, origin, subject) do update set state = 'issued', stripe_id = excluded.stripe_id,
        number = excluded.number, amount = excluded.amount, out_of_band = excluded.out_of_band,
        pre_payment = excluded.pre_payment, post_payment = excluded.post_payment, issued_at = excluded.issued_at,
        read_at = excluded.read_at, error = ''
    returning id
"""
ROW: Final = """
    insert into tollbridge.remainder as r (id, account, invoice, credit_note, amount, currency, days_until_due, lines,
        state, issued_as, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, '[]', 'issued', $8, $9)
    on conflict (account, credit_note) do update set state = 'issued', issued_as = excluded.issued_as, error = '',
        tries = 0 where r.state <> 'issued'
"""
ITS_SUBSCRIPTION: Final = """
    update tollbridge.invoice set subscription = $3 where account = $1 and id = $2 and subscription = ''
"""


async def take_up(runtime: Runtime, claim: Claim, loaded: Loaded, action: TakeUpRest, now: datetime) -> None:
    """Look for the proof at Stripe, once; with it the row stands again, and access waits for it (law 13)."""
    own = loaded.view.invoice
    assert own is not None, "it was read"
    async with DB.transaction():
        await poke.hold(claim, 2 * runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    stripe = await runtime.stripe(claim.account)
    is_rest = claim.id == action.issued_as
    other = billed((await invoices.read(stripe, action.invoice if is_rest else action.issued_as)).shape)
    of, rest = (other, own) if is_rest else (own, other)
    note = None
    if rest.metadata.get(REST_OF_KEY) == of.id and rest.customer == of.customer:
        note = _note_of(await credit_notes.of_invoice(stripe, of.id), rest)
    async with DB.transaction():
        if note is not None:
            log.warning("lost_rest_found", invoice=of.id, issued_as=rest.id)
            await _stand(claim.account, of, rest, note, loaded.view.policy.days_until_due, now)
        await sql.rows(LOOKED, claim.account, claim.id, now)


def _note_of(listed: Sequence[CreditNoteShape], rest: BilledInvoice) -> CreditNoteShape | None:
    """The note of ours that took off what this bills."""
    for note in listed:
        told = note.metadata or {}
        if note.status == "issued" and NOTE_KEY in told and _origin(told, rest) is not None:
            return note
    return None


def _origin(told: dict[str, str], rest: BilledInvoice) -> CreditNoteOrigin | None:
    """Under which both name the same subject."""
    for origin in ORIGINS:
        subject = told.get(f"tollbridge_{origin}")
        if subject and rest.metadata.get(f"tollbridge_{origin}") == subject:
            return origin
    return None


async def _stand(
    account: str, of: BilledInvoice, rest: BilledInvoice, note: CreditNoteShape, days_until_due: int, now: datetime
) -> None:
    """The rows as they would stand there; in the caller's transaction. Subscriptions are locked before invoices."""
    row = await sql.row(KNOWN, account, of.id)
    subscription = of.subscription or (row["subscription"] if row is not None else "")
    await poke.poke(Kind.SUBSCRIPTION, account, [subscription] if subscription else [], now)
    await poke.poke(Kind.INVOICE, account, [of.id, rest.id], now, stale=True)
    await sql.rows(ITS_SUBSCRIPTION, account, rest.id, subscription)
    origin = _origin(note.metadata or {}, rest)
    assert origin is not None, "it was found by that"
    subject = rest.metadata[f"tollbridge_{origin}"]
    found = await _note_row(account, of.id, origin, subject, note, now)
    amounts = (note.total, note.currency or of.currency, days_until_due)
    await sql.rows(ROW, new_id("rem"), account, of.id, found, *amounts, rest.id, now)


async def _note_row(
    account: str, invoice: str, origin: CreditNoteOrigin, subject: str, note: CreditNoteShape, now: datetime
) -> str:
    if (taken := await sql.value(NOTE_OF_OURS, account, note.id, origin, subject)) is not None:
        return str(taken)
    place = (new_id("crn"), account, invoice, origin, subject, note.id, note.number)
    amounts = (note.total, note.out_of_band_amount or 0, note.pre_payment_amount, note.post_payment_amount)
    return str(await sql.value(NOTE, *place, *amounts, note.currency, now, from_unix(note.created) or now))
