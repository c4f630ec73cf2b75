"""The steps of an invoice about credit notes made in Stripe and refunds made at processors: read, match, carry out."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import cases, poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Claim, Kind
from db.states import RefundOrigin
from gateway.accounts.accounts import policy_of
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.billing import credit_notes
from gateway.clock import business_now
from gateway.domain.actions import CaseKind, MatchNote, ReturnPart, ReturnSurplus, WantNote
from gateway.domain.view import InvoiceView
from gateway.returns import taking
from gateway.returns.errors import RefundStateError
from gateway.returns.listed import store_listed
from gateway.returns.request import RefundAsked, insert_refund
from gateway.returns.spreading import lock_captures, spread_over_captures
from gateway.returns.told import MayBeOursError, store_told
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S
from processors.errors import CallError
from processors.values import RefundState

READ: Final = "update tollbridge.invoice set notes_read_at = $3 where account = $1 and id = $2"
CAPTURES: Final = """
    select t.*, array(select m.processor_id from tollbridge.movement m
                      where m.attempt = t.id and m.kind = 'capture') as charges, c.adapter
    from tollbridge.paying($1, $2) p join tollbridge.attempt t on t.id = p.attempt
    join tollbridge.connection c on c.id = t.connection where not t.surplus order by t.number
"""
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
OF_DISPUTE: Final = "update tollbridge.dispute set credit_note = $3 where account = $1 and id = $2"
NO_LIST: Final = (
    "this processor can't be asked for refunds made in its dashboard: somebody may have made it there already"
)
TO_RETURN: Final = """
    select coalesce(sum(p.room), 0)::bigint from tollbridge.paying($1, $2) p
    join tollbridge.attempt t on t.id = p.attempt where not t.surplus
"""
HELD: Final = "select tollbridge.held_money($1, $2)"
LEFT: Final = "select greatest(tollbridge.refundable($1), 0)"
SURPLUS_NUMBER: Final = """
    select count(*) + 1 from tollbridge.refund where account = $1 and attempt = $2 and origin = 'surplus'
"""


async def return_surplus(claim: Claim, view: InvoiceView, action: ReturnSurplus, now: datetime) -> None:
    """Make a refund of money that no invoice takes. Its name follows from the capture's, and so do its keys."""
    invoice = view.invoice
    assert invoice is not None
    async with DB.transaction():
        await lock_captures(claim.account, claim.id)
        attempt = await sql.row(
            "select reference, surplus, surplus_reason from tollbridge.attempt where account = $1 and id = $2",
            claim.account,
            action.attempt,
        )
        assert attempt is not None
        await poke.hold(claim, CLAIM_MARGIN_S)
        left = (LEFT, action.attempt) if attempt["surplus"] else (HELD, claim.account, claim.id)
        if int(await sql.value(*left)) < action.amount:
            # Somebody has returned it meanwhile: look again.
            return
        number = await sql.value(SURPLUS_NUMBER, claim.account, action.attempt)
        asked = RefundAsked(claim.id, attempt=action.attempt, note=attempt["surplus_reason"])
        base = f"{attempt['reference']}.r{number}"
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


async def return_part(claim: Claim, view: InvoiceView, action: ReturnPart, now: datetime) -> None:
    """Make a refund, with a credit note, of all that came for an invoice whose rest was given up; once."""
    billed = view.invoice
    assert billed is not None
    async with DB.transaction():
        await lock_captures(claim.account, action.invoice)
        left = int(await sql.value(TO_RETURN, claim.account, action.invoice))
        await poke.hold(claim, CLAIM_MARGIN_S)
        if left <= 0:
            return
        policy = await policy_of(claim.account)
        # More than goes back by itself waits for somebody to approve it.
        waits = not policy.returns_by_itself(left, billed.currency)
        asked = RefundAsked(action.invoice, note="its rest was given up")
        made = (RefundOrigin.REQUEST, left, billed.currency, now)
        base = f"{action.invoice}.rest_given_up"
        row = await insert_refund(
            claim.account,
            new_id("rfd"),
            base,
            asked,
            *made,
            wants_note=True,
            requested_by="tollbridge",
            approval="waiting" if waits else "",
        )
        if waits:
            reason = "what came in part for an invoice that was given up is more than goes back by itself"
            await open_case(claim.account, CaseKind.REFUND_WAITS, row["id"], reason, now, invoice=action.invoice)
        await spread_over_captures(claim.account, row, now)
        await poke.poke(Kind.REFUND, claim.account, [row["id"]], now)


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
        if await _paired(claim, action.note, now):
            return
    listable = await _list_refunds(runtime, claim, now)
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await _paired(claim, action.note, now):
            return
    # The last look: what somebody has voided meanwhile returns nothing.
    await read_notes(runtime, claim, now)
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await _paired(claim, action.note, now):
            return
        note = await sql.row(NOTE, claim.account, action.note)
        assert note is not None, "notes are never deleted"
        if listable:
            await _carry_out(claim.account, note, "", now)
            return
        await taking.ask(claim.account, claim.id, action.note, NO_LIST, now)


async def _paired(claim: Claim, note_id: str, now: datetime) -> bool:
    """Whether nothing is left to do for a note: it is gone, has its refund, or takes the oldest that fits it.

    Which one it takes is all the same: they are of one invoice and one amount.
    """
    note = await sql.row(NOTE, claim.account, note_id)
    assert note is not None, "notes are never deleted"
    if note["state"] != "issued":
        return True
    if await sql.row(SPOKEN_FOR, claim.account, note_id) is not None:
        return True
    found = await _alone(claim.account, claim.id, note["out_of_band"])
    if found:
        await _desert(claim.account, note_id, found[0], now)
        await taking.link(claim.account, found[0], note_id, now)
        return True
    if await sql.row(LINKED, claim.account, note_id) or await sql.row(DISPUTED, claim.account, note_id):
        return True
    if (dispute := await _uncredited(note)) is not None:
        # Whoever made it knew that the dispute was lost: its money is back already.
        await sql.rows(OF_DISPUTE, claim.account, dispute, note_id)
        await poke.poke(Kind.DISPUTE, claim.account, [dispute], now)
        return True
    if (refund := await taking.crossed(note)) is not None:
        reason = f"it was made while that of {refund} was on its way, which is of the same amount: it may be for that"
        await taking.ask(claim.account, claim.id, note_id, reason, now)
        return True
    return False


async def _alone(account: str, invoice: str, amount: int) -> list[str]:
    """Refunds of this amount to which no credit note belongs: those made at the processor first, then ours."""
    made_there = [row["id"] for row in await sql.rows(ALONE, account, invoice, amount)]
    return made_there + await taking.without_note(account, invoice, amount)


async def _desert(account: str, note: str, for_refund: str, now: datetime) -> None:
    """A refund that came to nothing leaves its note to the one that was made instead, and is over."""
    fallen = await sql.row(LINKED, account, note)
    if fallen is None:
        return
    await sql.rows(INSTEAD, account, fallen["id"], f"{for_refund}, made at the processor, took its place")
    await cases.close_by_itself(account, fallen["id"], [CaseKind.REFUND_REFUSED, CaseKind.REFUND_FAILED], now)
    await poke.poke(Kind.REFUND, account, [fallen["id"]], now)


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


async def resolve_note(by: Author, account: str, note: str, refund: str | None) -> None:
    """A human says which refund a note belongs to, or, with None, has the refund made.

    Raises NotThereError, FieldError, RefundStateError.
    """
    now = await business_now()
    invoice = await sql.value(
        "select invoice from tollbridge.credit_note where account = $1 and id = $2", account, note
    )
    if invoice is None:
        raise NotThereError("credit note", note)
    async with DB.transaction():
        # The invoice is locked before its notes, as by a worker.
        await poke.poke(Kind.INVOICE, account, [str(invoice)], now)
        row = await sql.row(NOTE, account, note)
        assert row is not None, "notes are never deleted"
        if row["origin"] != "stripe" or row["out_of_band"] <= 0 or row["state"] != "issued":
            raise RefundStateError("no money goes back for this credit note")
        if await sql.row(LINKED, account, note) is not None:
            raise RefundStateError("a refund belongs to it already")
        if (dispute := await sql.value(DISPUTED, account, note)) is not None:
            raise RefundStateError(f"it is for the dispute {dispute}, by which the payer has the money")
        if refund is None:
            await _carry_out(account, row, by.name, now)
            # It was not theirs: one that waits for the answer looks for its own again.
            others = await taking.without_note(account, row["invoice"], row["out_of_band"])
            await poke.poke(Kind.REFUND, account, others, now)
            await cases.close_by_itself(account, note, [CaseKind.CREDIT_NOTE_UNMATCHED], now)
        else:
            if refund not in await _alone(account, row["invoice"], row["out_of_band"]):
                raise FieldError("refund", "is no refund of this invoice and amount that has no credit note")
            await taking.link(account, refund, note, now)
        await by.note(account, "credit_note.resolved", note, after={"refund": refund or "made"})


async def _take_in_refunds(capture: asyncpg.Record, listed: tuple[RefundState, ...], now: datetime) -> None:
    for told in listed:
        try:
            async with DB.transaction():
                await store_told(capture, capture["connection"], told, now)
        except MayBeOursError as error:
            raise CallError(f"a refund of ours is on the wire, and {error} may be it") from None


async def _uncredited(note: asyncpg.Record) -> str | None:
    """The dispute of the note's invoice that has taken just its amount, and for which no note stands."""
    found: str | None = await sql.value(UNCREDITED, note["account"], note["invoice"], note["out_of_band"])
    return found


async def _carry_out(account: str, note: asyncpg.Record, by: str, now: datetime) -> None:
    """A refund of the captures, for a credit note that stands already; keys follow from the note's id at Stripe."""
    asked = RefundAsked(note["invoice"], reason=note["reason"], memo=note["memo"], note="credited in Stripe")
    policy = await policy_of(account)
    waits = policy.wants_approval(note["out_of_band"], note["currency"])
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
        approval="waiting" if waits else "",
    )
    await poke.poke(Kind.REFUND, account, [row["id"]], now)
