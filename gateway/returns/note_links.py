"""Which refund or dispute a credit note made in Stripe belongs to; where none does, the refund that carries it out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import cases, poke, sql
from db.poke import Kind
from db.states import Approval, CreditNoteState, RefundOrigin
from gateway.accounts.accounts import policy_of
from gateway.domain.case_kinds import CaseKind
from gateway.returns import taking
from gateway.returns.refund_rows import NewRefund, RefundAsked, insert_refund
from gateway.returns.refundable import unapproved

NOTE: Final = "select * from tollbridge.credit_note where account = $1 and id = $2 for no key update"
ALONE: Final = """
    select id from tollbridge.refund
    where account = $1 and invoice = $2 and origin = 'processor' and credit_note is null and amount = $3
        and not wants_note and state not in ('failed', 'refused') and not exists (
            select 1 from tollbridge.attempt t where t.id = refund.attempt and t.surplus)
    order by created_at, id for no key update
"""
# By a refund of which anything stands, or may yet be made.
SPOKEN_FOR: Final = """
    select 1 from tollbridge.refund r where r.account = $1 and r.credit_note = $2 and (
        exists (select 1 from tollbridge.refund_part p where p.refund = r.id and p.state not in ('failed', 'refused'))
        or r.state not in ('failed', 'refused')
            and not exists (select 1 from tollbridge.refund_part p where p.refund = r.id))
"""
LINKED: Final = "select id from tollbridge.refund where account = $1 and credit_note = $2"
INSTEAD: Final = """
    update tollbridge.refund set credit_note = null, failure = 'made_elsewhere', message = $3
    where account = $1 and id = $2
"""
DISPUTED: Final = "select id from tollbridge.dispute where account = $1 and credit_note = $2"
UNCREDITED: Final = """
    select d.id from tollbridge.dispute d
        left join tollbridge.credit_note n on n.account = d.account and n.id = d.credit_note
    where d.account = $1 and d.invoice = $2 and d.withdrawn = $3 and d.state in ('lost', 'partly_lost', 'closed')
        and (n.id is null or n.state in ('wanted', 'refused')) order by d.id limit 1
"""


async def paired(account: str, invoice: str, note_id: str, now: datetime) -> bool:
    """Whether nothing is left to do for a note: it is gone, has its refund, or takes the oldest that fits it.

    Which one it takes is all the same: they are of one invoice and one amount.
    """
    note = await sql.row(NOTE, account, note_id)
    assert note is not None, "notes are never deleted"
    if note["state"] != CreditNoteState.ISSUED:
        return True
    if await sql.row(SPOKEN_FOR, account, note_id) is not None:
        return True
    found = await alone(account, invoice, note["out_of_band"])
    if found:
        await desert(account, note_id, found[0], now)
        await taking.link(account, found[0], note_id, now)
        return True
    if await sql.row(LINKED, account, note_id) or await sql.row(DISPUTED, account, note_id):
        return True
    if (dispute := await uncredited(note)) is not None:
        # Whoever made it knew that the dispute was lost: its money is back already.
        await taking.link_dispute(account, dispute, note_id)
        await poke.poke(Kind.DISPUTE, account, [dispute], now)
        return True
    if (refund := await taking.crossed(note)) is not None:
        reason = f"it was made while that of {refund} was on its way, which is of the same amount: it may be for that"
        await taking.ask(account, invoice, note_id, reason, now)
        return True
    return False


async def alone(account: str, invoice: str, amount: int) -> list[str]:
    """Refunds of this amount to which no credit note belongs: those made at the processor first, then ours."""
    made_there = [row["id"] for row in await sql.rows(ALONE, account, invoice, amount)]
    return made_there + await taking.without_note(account, invoice, amount)


async def desert(account: str, note: str, for_refund: str, now: datetime) -> None:
    """A refund that came to nothing leaves its note to the one that was made instead, and is over."""
    fallen = await sql.row(LINKED, account, note)
    if fallen is None:
        return
    await sql.rows(INSTEAD, account, fallen["id"], f"{for_refund}, made at the processor, took its place")
    await cases.close_by_itself(account, fallen["id"], [CaseKind.REFUND_REFUSED, CaseKind.REFUND_FAILED], now)
    await poke.poke(Kind.REFUND, account, [fallen["id"]], now)


async def uncredited(note: asyncpg.Record) -> str | None:
    """The dispute of the note's invoice that has taken just its amount, and for which no note stands."""
    found: str | None = await sql.value(UNCREDITED, note["account"], note["invoice"], note["out_of_band"])
    return found


async def carry_out(account: str, note: asyncpg.Record, by: str, now: datetime) -> None:
    """A refund of the captures, for a credit note that stands already; keys follow from the note's id at Stripe.

    In the caller's transaction, which has locked the invoice.
    """
    asked = RefundAsked(note["invoice"], reason=note["reason"], memo=note["memo"], note="credited in Stripe")
    policy = await policy_of(account)
    before = await unapproved(account, note["invoice"])
    waits = policy.wants_approval(note["out_of_band"], note["currency"], before=before)
    made = (note["stripe_id"], RefundOrigin.STRIPE, note["out_of_band"], note["currency"])
    approval = Approval.WAITING if waits else Approval.NONE
    new = NewRefund(*made, wants_note=True, credit_note=note["id"], requested_by=by, approval=approval)
    row = await insert_refund(account, asked, new, now)
    await poke.poke(Kind.REFUND, account, [row["id"]], now)
