"""The steps of an invoice about credit notes made in Stripe and refunds made at processors: read, match, carry out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Claim, Kind
from db.states import RefundOrigin
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.billing import credit_notes
from gateway.billing.client import from_unix
from gateway.billing.credit_notes import NOTE_KEY, CreditNoteShape
from gateway.clock import business_now
from gateway.collect.cases import open_case
from gateway.collect.load import Loaded
from gateway.collect.turn import CLAIM_MARGIN_S
from gateway.domain.actions import CaseKind, MatchNote, ReturnPart, ReturnSurplus, WantNote
from gateway.returns import notes
from gateway.returns.errors import RefundStateError
from gateway.returns.request import RefundAsked, insert_refund
from gateway.returns.spreading import spread_over_captures
from gateway.returns.told import MayBeOursError, store_told
from gateway.runtime import Runtime
from processors.errors import CallError
from processors.values import RefundState

OURS: Final = "select id, state from tollbridge.credit_note where account = $1 and invoice = $2 and id = any($3)"
UPSERT: Final = """
    insert into tollbridge.credit_note as n (id, account, invoice, origin, subject, stripe_id, number, state, amount,
        out_of_band, pre_payment, post_payment, currency, reason, memo, created_at, issued_at)
    values ($1, $2, $3, 'stripe', $4, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    on conflict (account, stripe_id) do update set state = excluded.state
"""
READ: Final = "update tollbridge.invoice set notes_read_at = $3 where account = $1 and id = $2"
CAPTURES: Final = """
    select t.*, array(select m.processor_id from tollbridge.movement m
                      where m.attempt = t.id and m.kind = 'capture') as charges, c.adapter
    from tollbridge.attempt t join tollbridge.connection c on c.id = t.connection
    where t.account = $1 and t.invoice = $2 and t.amount_captured > 0 and not t.surplus order by t.number
"""
NOTE: Final = "select * from tollbridge.credit_note where account = $1 and id = $2 for no key update"
ALONE: Final = """
    select id from tollbridge.refund
    where account = $1 and invoice = $2 and origin = 'processor' and credit_note is null and amount = $3
        and not wants_note and state not in ('failed', 'refused') order by created_at, id for no key update
"""
LINK: Final = """
    update tollbridge.refund set credit_note = $3, wants_note = true
    where account = $1 and id = $2 and credit_note is null returning id
"""
LINKED: Final = "select 1 from tollbridge.refund where account = $1 and credit_note = $2"
ASKED: Final = "update tollbridge.credit_note set error = $3 where account = $1 and id = $2"
SEVERAL: Final = "several refunds at the processor fit it"
NO_LIST: Final = (
    "this processor can't be asked for refunds made in its dashboard: somebody may have made it there already"
)
CAPTURED: Final = (
    "select id, surplus from tollbridge.attempt where account = $1 and invoice = $2 order by id for update"
)
LEFT: Final = "select greatest(tollbridge.refundable($1), 0)"
SURPLUS_NUMBER: Final = """
    select count(*) + 1 from tollbridge.refund where account = $1 and attempt = $2 and origin = 'surplus'
"""


async def return_surplus(claim: Claim, loaded: Loaded, action: ReturnSurplus, now: datetime) -> None:
    """Make a refund of money that no invoice takes. Its name follows from the capture's, and so do its keys."""
    invoice = loaded.view.invoice
    assert invoice is not None
    async with DB.transaction():
        attempt = await sql.row(
            "select reference from tollbridge.attempt where account = $1 and id = $2 for update",
            claim.account,
            action.attempt,
        )
        assert attempt is not None
        await poke.hold(claim, CLAIM_MARGIN_S)
        number = await sql.value(SURPLUS_NUMBER, claim.account, action.attempt)
        base, asked = f"{attempt['reference']}.r{number}", RefundAsked(claim.id, attempt=action.attempt)
        row = await insert_refund(
            claim.account,
            new_id("rfd"),
            base,
            asked,
            RefundOrigin.SURPLUS,
            action.amount,
            invoice.currency,
            now,
            wants_note=False,
            requested_by="tollbridge",
        )
        # Its parts at once: the money is spoken for from here on.
        await spread_over_captures(claim.account, row, now)
        await poke.poke(Kind.REFUND, claim.account, [row["id"]], now)


async def return_part(claim: Claim, loaded: Loaded, action: ReturnPart, now: datetime) -> None:
    """Make a refund, with a credit note, of all that came for an invoice whose rest was given up; once."""
    billed = loaded.view.invoice
    assert billed is not None
    async with DB.transaction():
        captures = await sql.rows(CAPTURED, claim.account, action.invoice)
        left = sum([int(await sql.value(LEFT, capture["id"])) for capture in captures if not capture["surplus"]])
        await poke.hold(claim, CLAIM_MARGIN_S)
        if left <= 0:
            return
        asked = RefundAsked(action.invoice, note="its rest was given up")
        made = (RefundOrigin.REQUEST, left, billed.currency, now)
        base = f"{action.invoice}.rest_given_up"
        row = await insert_refund(
            claim.account, new_id("rfd"), base, asked, *made, wants_note=True, requested_by="tollbridge"
        )
        await spread_over_captures(claim.account, row, now)
        await poke.poke(Kind.REFUND, claim.account, [row["id"]], now)


async def read_notes(runtime: Runtime, claim: Claim, now: datetime) -> None:
    """List the invoice's notes: those of ours whose answer was lost stand then, the others are taken in."""
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    at = await business_now()
    listed = await credit_notes.of_invoice(await runtime.stripe(claim.account), claim.id)
    async with DB.transaction():
        named = [key for shape in listed if (key := (shape.metadata or {}).get(NOTE_KEY))]
        ours = {row["id"]: row["state"] for row in await sql.rows(OURS, claim.account, claim.id, named)}
        for shape in reversed(listed):
            key = (shape.metadata or {}).get(NOTE_KEY, "")
            if key in ours and ours[key] not in ("issued", "void") and shape.status == "issued":
                await notes.stands(claim.account, key, shape, now)
            else:
                await _take_in(claim, shape, now)
        await sql.rows(READ, claim.account, claim.id, at)
        refunds = await sql.rows(
            "select id from tollbridge.refund where account = $1 and invoice = $2", claim.account, claim.id
        )
        await poke.poke(Kind.REFUND, claim.account, [row["id"] for row in refunds], now)


async def _take_in(claim: Claim, shape: CreditNoteShape, now: datetime) -> None:
    created = from_unix(shape.created) or now
    state = "void" if shape.status == "void" else "issued"
    amounts = (shape.total, shape.out_of_band_amount or 0, shape.pre_payment_amount, shape.post_payment_amount)
    texts = (shape.currency, shape.reason or "", sql.storable(shape.memo or "", 2000))
    await sql.rows(
        UPSERT, new_id("crn"), claim.account, claim.id, shape.id, shape.number, state, *amounts, *texts, now, created
    )


async def match_note(runtime: Runtime, claim: Claim, action: MatchNote, now: datetime) -> None:
    """Find the refund that a note of somebody's tells of; where there is none, make it; in doubt, ask."""
    captures = await sql.rows(CAPTURES, claim.account, claim.id)
    listable = True
    for capture in captures:
        adapter = await runtime.connections.adapter(claim.account, capture["connection"])
        if not adapter.capabilities.lists_refunds:
            listable = False
            continue
        async with DB.transaction():
            await poke.hold(claim, runtime.settings.processor_timeout_s + CLAIM_MARGIN_S)
        for charge in capture["charges"]:
            await _take_in_refunds(capture, await adapter.list_refunds(charge), now)
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        note = await sql.row(NOTE, claim.account, action.note)
        assert note is not None
        if note["state"] != "issued" or await sql.row(LINKED, claim.account, action.note) is not None:
            return
        found = await sql.rows(ALONE, claim.account, claim.id, note["out_of_band"])
        if len(found) == 1:
            await _link(claim.account, found[0]["id"], action.note, now)
        elif found or not listable:
            reason = SEVERAL if found else NO_LIST
            await sql.rows(ASKED, claim.account, action.note, reason)
            await open_case(claim.account, CaseKind.CREDIT_NOTE_UNMATCHED, action.note, reason, now, invoice=claim.id)
        else:
            await _carry_out(claim.account, note, "", now)


async def want_note(claim: Claim, action: WantNote, now: datetime) -> None:
    """Nobody has made a note for it: the refund makes its own."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(
            "update tollbridge.refund set wants_note = true where account = $1 and id = $2 and credit_note is null",
            claim.account,
            action.refund,
        )
        await poke.poke(Kind.REFUND, claim.account, [action.refund], now)


async def resolve_note(by: Author, account: str, note: str, refund: str | None) -> None:
    """A human says which refund a note belongs to, or, with None, has the refund made.

    Raises NotThereError, FieldError, RefundStateError.
    """
    now = await business_now()
    async with DB.transaction():
        row = await sql.row(NOTE, account, note)
        if row is None:
            raise NotThereError("credit note", note)
        if row["origin"] != "stripe" or row["out_of_band"] <= 0 or row["state"] != "issued":
            raise RefundStateError("no money goes back for this credit note")
        if await sql.row(LINKED, account, note) is not None:
            raise RefundStateError("a refund belongs to it already")
        if refund is None:
            await _carry_out(account, row, by.name, now)
        else:
            alone = {r["id"] for r in await sql.rows(ALONE, account, row["invoice"], row["out_of_band"])}
            if refund not in alone:
                raise FieldError("refund", "is no refund of this invoice and amount that was made at the processor")
            await _link(account, refund, note, now)
        await by.note(account, "credit_note.resolved", note, after={"refund": refund or "made"})
        await poke.poke(Kind.INVOICE, account, [row["invoice"]], now)


async def _take_in_refunds(capture: asyncpg.Record, listed: tuple[RefundState, ...], now: datetime) -> None:
    for told in listed:
        try:
            async with DB.transaction():
                await store_told(capture, capture["connection"], told, now)
        except MayBeOursError as error:
            raise CallError(f"a refund of ours is on the wire, and {error} may be it") from None


async def _link(account: str, refund: str, note: str, now: datetime) -> None:
    await sql.rows(LINK, account, refund, note)
    await poke.poke(Kind.REFUND, account, [refund], now)


async def _carry_out(account: str, note: asyncpg.Record, by: str, now: datetime) -> None:
    """A refund of the captures, for a credit note that stands already; keys follow from the note's id at Stripe."""
    asked = RefundAsked(note["invoice"], reason=note["reason"], memo=note["memo"], note="credited in Stripe")
    row = await insert_refund(
        account,
        new_id("rfd"),
        note["stripe_id"],
        asked,
        RefundOrigin.STRIPE,
        note["out_of_band"],
        note["currency"],
        now,
        wants_note=True,
        credit_note=note["id"],
        requested_by=by,
    )
    await poke.poke(Kind.REFUND, account, [row["id"]], now)
