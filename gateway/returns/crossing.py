"""The steps of an invoice about credit notes made in Stripe and refunds made at processors: read, match, carry out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.poke import Claim, Kind
from gateway.billing import credit_notes
from gateway.clock import business_now
from gateway.domain.actions import MatchNote, WantNote
from gateway.returns import taking
from gateway.returns.listed_notes import store_listed
from gateway.returns.note_links import NOTE, carry_out, paired
from gateway.returns.told_refund import MayBeOursError, store_told
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.errors import CallError
from processors.events import RefundState

READ: Final = "update tollbridge.invoice set notes_read_at = $3 where account = $1 and id = $2"
CAPTURES: Final = """
    select t.*, array(select m.processor_id from tollbridge.movement m
                      where m.attempt = t.id and m.kind = 'capture') as charges, c.adapter
    from tollbridge.paying($1, $2) p join tollbridge.attempt t on t.id = p.attempt
    join tollbridge.connection c on c.id = t.connection where not t.surplus order by t.number
"""
NO_LIST: Final = (
    "this processor can't be asked for refunds made in its dashboard: somebody may have made it there already"
)


async def read_notes(runtime: Runtime, claim: Claim, now: datetime) -> None:
    """List the invoice's notes: those of ours whose answer was lost stand then, the others are taken in."""
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
    at = await business_now()
    listed = await credit_notes.of_invoice(await runtime.stripe(claim.account), claim.id)
    async with DB.transaction():
        await store_listed(claim.account, listed, at, now)
        await sql.rows(READ, claim.account, claim.id, at)


async def match_note(runtime: Runtime, claim: Claim, action: MatchNote, now: datetime) -> None:
    """Find the refund that a note tells of; where there is none, make it, or ask where nobody can know."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await paired(claim.account, claim.id, action.note, now):
            return
    listable = await _list_refunds(runtime, claim, now)
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await paired(claim.account, claim.id, action.note, now):
            return
    # The last look: what somebody has voided meanwhile returns nothing.
    await read_notes(runtime, claim, now)
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await paired(claim.account, claim.id, action.note, now):
            return
        note = await sql.row(NOTE, claim.account, action.note)
        assert note is not None, "notes are never deleted"
        if listable:
            await carry_out(claim.account, note, "", now)
            return
        await taking.ask(claim.account, claim.id, action.note, NO_LIST, now)


async def _list_refunds(runtime: Runtime, claim: Claim, now: datetime) -> bool:
    """Take in what the processors of its captures show of refunds; whether all of them can be asked."""
    listable = True
    for capture in await sql.rows(CAPTURES, claim.account, claim.id):
        adapter = await runtime.connections.adapter(claim.account, capture["connection"])
        if not adapter.capabilities.lists_refunds:
            listable = False
            continue
        timeout_s = total_timeout_s(runtime, adapter)
        for charge in capture["charges"]:
            async with DB.transaction():
                await poke.hold(claim, timeout_s + CLAIM_MARGIN_S)
            await _take_in_refunds(capture, await within(adapter.list_refunds(charge), timeout_s), now)
    return listable


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


async def _take_in_refunds(capture: asyncpg.Record, listed: tuple[RefundState, ...], now: datetime) -> None:
    for told in listed:
        try:
            async with DB.transaction():
                await store_told(capture, capture["connection"], told, now)
        except MayBeOursError as error:
            raise CallError(f"a refund of ours is on the wire, and {error} may be it") from None
