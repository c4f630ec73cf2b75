"""Credit notes of ours at Stripe: the intent stands before the call, and a lost answer is looked for, not repeated.

Law 11: what we create names our row in its metadata. A call whose answer never came may have made the note, and its
key is dead after a day, or answers a stored error for ever: so the invoice's notes are listed before another try.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import derived_key, new_id
from db.poke import Claim
from db.states import CreditNoteOrigin, CreditNoteState
from gateway.billing import credit_notes
from gateway.billing.client import StripeClient
from gateway.billing.credit_notes import NOTE_KEY, CreditNoteShape
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError, StripeUnknownError
from gateway.clock import business_now
from gateway.returns.drawing import Drawn, Wanted, draw_up
from gateway.returns.listed_notes import store_listed
from gateway.returns.standing import stands
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S

INSERT: Final = """
    insert into tollbridge.credit_note (id, account, invoice, origin, subject, state, amount, out_of_band, currency,
        reason, memo, params, created_at)
    values ($1, $2, $3, $4, $5, 'wanted', $6, $7, $8, $9, $10, $11, $12)
    on conflict (account, origin, subject) do update set amount = excluded.amount, out_of_band = excluded.out_of_band,
        reason = excluded.reason, memo = excluded.memo, params = excluded.params, state = 'wanted', error = '',
        -- Other parameters want another key.
        tries = credit_note.tries + credit_note.tries % 2
        where credit_note.state in ('wanted', 'refused')
    returning id
"""
NOTE: Final = "select * from tollbridge.credit_note where account = $1 and id = $2"
SENDING: Final = """
    update tollbridge.credit_note set state = 'sending', tries = tries + 1, sent_at = $3
    where account = $1 and id = $2 and state in ('wanted', 'unknown', 'sending') returning tries
"""
# Who was refused looks at the invoice before anything follows from that: somebody may have been quicker (law 6).
END: Final = """
    with ended as (
        update tollbridge.credit_note set state = $3, error = $4 where account = $1 and id = $2 and state = 'sending'
        returning account, invoice, state)
    update tollbridge.invoice i set stale = true from ended e
    where i.account = e.account and i.id = e.invoice and e.state = 'refused'
"""
BACK: Final = """
    update tollbridge.credit_note set state = 'wanted', sent_at = null
    where account = $1 and id = $2 and state in ('sending', 'unknown')
"""

# Made in Stripe, of this amount, and no refund or dispute belongs to it.
STRAYS: Final = """
    select count(*) from tollbridge.credit_note n
    where n.account = $1 and n.invoice = $2 and n.out_of_band = $3 and n.origin = 'stripe' and n.state = 'issued'
      and not exists (select 1 from tollbridge.refund f where f.account = n.account and f.credit_note = n.id)
      and not exists (select 1 from tollbridge.dispute d where d.account = n.account and d.credit_note = n.id)
"""


class Subject(msgspec.Struct, frozen=True):
    """What a note of ours is for. The same one again is the same note."""

    origin: CreditNoteOrigin
    name: str
    currency: str


async def draw_and_want(
    runtime: Runtime,
    claim: Claim,
    wanted: Wanted,
    subject: Subject,
    now: datetime,
    link: Callable[[str, Drawn], Awaitable[object]],
) -> StripeRefusedError | None:
    """Draw a note up and store it; why not, where Stripe's preview takes none.

    `link` ties the note's id to what it is for, in the transaction that stores it.
    """
    try:
        drawn = await draw_up(await runtime.stripe(claim.account), wanted)
    except StripeRefusedError as error:
        return error
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await link(await _want(claim.account, wanted.invoice, subject, drawn, now), drawn)
    return None


async def _want(account: str, invoice: str, subject: Subject, drawn: Drawn, now: datetime) -> str:
    params, note = drawn.params, new_id("crn")
    found = await sql.value(
        INSERT,
        note,
        account,
        invoice,
        subject.origin,
        subject.name,
        drawn.preview.total,
        params.get("out_of_band_amount", 0),
        subject.currency,
        params.get("reason", ""),
        params.get("memo", ""),
        msgspec.json.encode(params).decode(),
        now,
    )
    if found is None:
        found = await sql.value(
            "select id from tollbridge.credit_note where account = $1 and origin = $2 and subject = $3",
            account,
            subject.origin,
            subject.name,
        )
    return str(found)


async def issue(runtime: Runtime, claim: Claim, note: str, amount: int, now: datetime) -> None:
    """Make a note that is drawn up for this amount; of another one it makes none.

    Two calls share a key, then a new one is taken: a stored error answers for ever.
    """
    row = await _note(claim, note)
    if row["amount"] != amount:
        return
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        tries = await sql.value(SENDING, claim.account, note, now)
    if tries is None:
        return
    params = msgspec.json.decode(row["params"])
    params["metadata"] = {NOTE_KEY: note, f"tollbridge_{row['origin']}": row["subject"]}
    key = derived_key("credit_note", claim.account, note, str((tries + 1) // 2))
    stripe = await runtime.stripe(claim.account)
    try:
        made, made_there = await _look_first(stripe, claim, row, tries, now)
        if made_there:
            # Of whom it is, is decided in the next round.
            await sql.rows(BACK, claim.account, note)
            return
        made = made or await credit_notes.create(stripe, params, key)
    except StripeRefusedError as error:
        # A repeat may be refused because the first try has made it: it is looked for then.
        await _end(claim, note, CreditNoteState.REFUSED if tries % 2 else CreditNoteState.UNKNOWN, str(error))
    except StripeTurnedAwayError:
        await _end(claim, note, CreditNoteState.WANTED if tries % 2 else CreditNoteState.UNKNOWN, "")
        raise
    except StripeUnknownError as error:
        await _end(claim, note, CreditNoteState.UNKNOWN, str(error))
    else:
        async with DB.transaction():
            await stands(claim.account, note, made, now)


async def _look_first(
    stripe: StripeClient, claim: Claim, row: asyncpg.Record, tries: int, now: datetime
) -> tuple[CreditNoteShape | None, bool]:
    """The note itself, where it stands already, and whether one stands that somebody has made in Stripe for the same.

    A database that was restored has forgotten what it made: it stands under the same subject. And people may credit
    what they see returned, while our note is on its way.
    """
    of_refund = row["origin"] == CreditNoteOrigin.REFUND
    if tries > 1 and not of_refund:
        return None, False
    read_at = await business_now()
    listed = await credit_notes.of_invoice(stripe, row["invoice"])
    if (made := ours(listed, row)) is not None or not of_refund:
        return made, False
    if all(one.status == "void" or one.out_of_band_amount != row["out_of_band"] for one in listed):
        return None, False
    async with DB.transaction():
        await store_listed(claim.account, listed, read_at, now)
    return None, bool(await sql.value(STRAYS, claim.account, row["invoice"], row["out_of_band"]))


async def find(runtime: Runtime, claim: Claim, note: str, now: datetime) -> None:
    """Look whether a note whose answer was lost stands at Stripe; where it does not, it may be tried again."""
    row = await _note(claim, note)
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    listed = await credit_notes.of_invoice(await runtime.stripe(claim.account), row["invoice"])
    found = ours(listed, row)
    async with DB.transaction():
        if found is not None:
            await stands(claim.account, note, found, now)
        else:
            await sql.rows(BACK, claim.account, note)


def ours(listed: Sequence[CreditNoteShape], row: asyncpg.Record) -> CreditNoteShape | None:
    """The note at Stripe that is this row's: named by it, or for the same subject, which a restored database knows."""
    subject = f"tollbridge_{row['origin']}"
    for one in listed:
        told = one.metadata or {}
        if told.get(NOTE_KEY) == row["id"] or (one.status == "issued" and told.get(subject) == row["subject"]):
            return one
    return None


async def _end(claim: Claim, note: str, state: CreditNoteState, error: str) -> None:
    await sql.rows(END, claim.account, note, state, sql.storable(error, 500))


async def _note(claim: Claim, note: str) -> asyncpg.Record:
    row = await sql.row(NOTE, claim.account, note)
    assert row is not None, "notes are never deleted"
    return row
