"""A credit note that somebody made in Stripe is that of a refund of ours, whose own does not stand: they are linked.

Who carried it out instead would return the same money twice. Notes are locked before their refunds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from db import cases, poke, sql
from db.engine import DB
from db.poke import Claim, Kind
from gateway.domain.case_kinds import CaseKind
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S

LOCK_NOTE: Final = """
    select * from tollbridge.credit_note where account = $1 and id = $2 and state = 'issued' for no key update
"""
TAKEN: Final = """
    select exists (select 1 from tollbridge.refund where account = $1 and credit_note = $2)
        or exists (select 1 from tollbridge.dispute where account = $1 and credit_note = $2)
"""
LOCK: Final = """
    select id from tollbridge.refund where account = $1 and invoice = $2 and amount = $3 order by id for no key update
"""
# On their way or returned, and without a note that stands or may stand.
WITHOUT: Final = """
    select f.id from tollbridge.refund f
        left join tollbridge.credit_note n on n.account = f.account and n.id = f.credit_note
    where f.account = $1 and f.invoice = $2 and f.amount = $3 and f.origin in ('request', 'processor') and f.wants_note
      and f.state not in ('failed', 'refused') and f.failure = '' and f.approval not in ('waiting', 'denied')
      and (n.id is null or n.state in ('wanted', 'refused'))
    order by f.created_at, f.id
"""
NOT_MADE: Final = """
    update tollbridge.credit_note n set state = 'refused', error = 'one that was made in Stripe stands in its place'
    from tollbridge.refund f
    where f.account = $1 and f.id = $2 and n.account = f.account and n.id = f.credit_note and n.origin = 'refund'
      and n.state = 'wanted'
"""
LINK: Final = "update tollbridge.refund set credit_note = $3, wants_note = true where account = $1 and id = $2"
LINK_DISPUTE: Final = "update tollbridge.dispute set credit_note = $3 where account = $1 and id = $2"
# Neither look has shown the other's: what is made within the same second may be either.
CROSSED: Final = """
    select f.id from tollbridge.refund f
        join tollbridge.credit_note n on n.account = f.account and n.id = f.credit_note and n.origin = 'refund'
    where f.account = $1 and f.invoice = $2 and n.out_of_band = $3
      and (n.state in ('sending', 'unknown') or n.state = 'issued' and n.issued_at >= $4)
    order by f.created_at, f.id limit 1
"""
ASKED: Final = "update tollbridge.credit_note set error = $3 where account = $1 and id = $2"
SEVERAL: Final = "it may be that of a refund of ours, and so may another: say which one is"


async def take_note(claim: Claim, note: str, now: datetime) -> None:
    """The refund under this claim takes it; where it belongs to another meanwhile, the next round sees that."""
    async with DB.transaction():
        row = await sql.row(LOCK_NOTE, claim.account, note)
        await poke.hold(claim, CLAIM_MARGIN_S)
        if row is not None and not await sql.value(TAKEN, claim.account, note):
            await link(claim.account, claim.id, note, now)


async def ask_which(claim: Claim, notes: Sequence[str], invoice: str, now: datetime) -> None:
    """A human is asked about each of these."""
    async with DB.transaction():
        for note in sorted(notes):
            await ask(claim.account, invoice, note, SEVERAL, now)
        await poke.hold(claim, CLAIM_MARGIN_S)


async def ask(account: str, invoice: str, note: str, reason: str, now: datetime) -> None:
    """A human is asked about a note, and nothing goes back for it before the answer; in the caller's transaction."""
    await sql.rows(ASKED, account, note, reason)
    await open_case(account, CaseKind.CREDIT_NOTE_UNMATCHED, note, reason, now, invoice=invoice)


async def without_note(account: str, invoice: str, amount: int) -> list[str]:
    """Refunds of ours of this amount whose note nobody has made yet, locked, oldest first."""
    await sql.rows(LOCK, account, invoice, amount)
    # Another look: whoever held the lock may have sent for the note.
    return [row["id"] for row in await sql.rows(WITHOUT, account, invoice, amount)]


async def crossed(note: asyncpg.Record) -> str | None:
    """The refund of ours for which this note may have been made too: its own was on its way at that time."""
    place = (note["account"], note["invoice"], note["out_of_band"])
    found: str | None = await sql.value(CROSSED, *place, note["issued_at"] or note["created_at"])
    return found


async def link(account: str, refund: str, note: str, now: datetime) -> None:
    """They belong together; in the caller's transaction, which has locked both."""
    await sql.rows(NOT_MADE, account, refund)
    await sql.rows(LINK, account, refund, note)
    await cases.close_by_itself(account, note, [CaseKind.CREDIT_NOTE_UNMATCHED], now)
    await poke.poke(Kind.REFUND, account, [refund], now)


async def link_dispute(account: str, dispute: str, note: str) -> None:
    """The note is for what the dispute took; in the caller's transaction, which has locked both."""
    await sql.rows(LINK_DISPUTE, account, dispute, note)
