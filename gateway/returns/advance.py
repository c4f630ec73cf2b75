"""`advance` of a refund: one worker, one refund, step by step until there is nothing to do but wait."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec
import structlog

from db import cases, poke, sql
from db.engine import DB
from db.poke import Claim, Kind, WakeUp
from db.states import CreditNoteOrigin, RefundOrigin, RefundState
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind
from gateway.domain.noting import DrawUpNote, FindNote, IssueNote
from gateway.domain.refund_view import RefundView
from gateway.domain.refunds import (
    AskForDisputes,
    AskWhich,
    PartUnknown,
    RefundAction,
    RefusePart,
    RefuseRefund,
    ResolvePart,
    SendPart,
    Spread,
    TakeNote,
    decide_refund,
    project_refund,
    settled_cases,
)
from gateway.returns import execute, notes, taking
from gateway.returns.asking import ask_for_disputes
from gateway.returns.drawing import Drawn, LineCredit, Wanted
from gateway.returns.spreading import lock_captures, spread_over_captures
from gateway.returns.view import VIEW, seen
from gateway.runtime import Runtime
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S, held, take_turn

log = structlog.get_logger()

MOST_ROUNDS: Final = 25
STATE: Final = """
    update tollbridge.refund set state = $4, resolved_at = case when $5 then coalesce(resolved_at, $6) end
    where account = $1 and id = $2 and claimed_by = $3
"""
REFUSE: Final = """
    update tollbridge.refund set failure = $4, message = $5
    where account = $1 and id = $2 and claimed_by = $3 and failure = ''
"""
REFUSE_PARTS: Final = """
    update tollbridge.refund_part set state = 'refused', refusal = $3, message = $4, resolved_at = $5
    where account = $1 and refund = $2 and state = 'requested'
"""
NOT_WANTED: Final = """
    update tollbridge.credit_note set state = 'refused', error = 'its refund was not made'
    where account = $1 and id = $2 and state = 'wanted'
"""
WANTS_NONE: Final = "update tollbridge.refund set wants_note = false where account = $1 and id = $2"
LINK: Final = "update tollbridge.refund set credit_note = $3 where account = $1 and id = $2 and credit_note is null"
FINAL: Final = frozenset({RefundState.SUCCEEDED, RefundState.RECORDED, RefundState.FAILED, RefundState.REFUSED})


async def advance_refund(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a refund as far as it goes now."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S

    async def go_round(claim: Claim) -> bool:
        row = await held(claim, hold_s, VIEW)
        now, view = await business_now(), seen(row)
        await _store_state(claim, view, row["invoice"], now)
        action = decide_refund(view, now)
        log.debug("step", refund=claim.id, action=type(action).__name__)
        if isinstance(action, WaitUntil):
            return await _rest(claim, view, row, action, now)
        with in_lane(Lane.REFUNDS):
            await _step(runtime, claim, row, action, now)
        return False

    await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round)


async def _step(runtime: Runtime, claim: Claim, row: asyncpg.Record, action: RefundAction, now: datetime) -> None:
    match action:
        case Spread():
            await _spread(claim, row, now)
        case AskForDisputes(part=part):
            await ask_for_disputes(runtime, claim, part, now)
        case RefuseRefund(failure=failure, message=message):
            async with DB.transaction():
                await poke.hold(claim, CLAIM_MARGIN_S)
                await sql.rows(REFUSE, claim.account, claim.id, claim.holder, failure, message)
        case DrawUpNote():
            await _draw_up(runtime, claim, row, row["amount"], now)
        case SendPart():
            await execute.send_part(runtime, claim, action, row["poked"], now)
        case RefusePart():
            await execute.refuse_part(claim, action, now)
        case PartUnknown():
            await execute.part_unknown(claim, action, now)
        case ResolvePart():
            await execute.resolve_part(runtime, claim, action, now)
        case IssueNote(amount=amount):
            if amount != row["note_amount"]:
                # Less went back than was asked for, and somebody has accepted that.
                await _draw_up(runtime, claim, row, amount, now)
            await notes.issue(runtime, claim, row["credit_note"], amount, now)
        case TakeNote(note=note):
            await taking.take_note(claim, note, now)
        case AskWhich(notes=which):
            await taking.ask_which(claim, which, row["invoice"], now)
        case FindNote():
            await notes.find(runtime, claim, row["credit_note"], now)
        case OpenCase(kind=kind, reason=reason):
            async with DB.transaction():
                await open_case(claim.account, kind, claim.id, reason, now, invoice=row["invoice"])
        case WaitUntil():
            raise AssertionError("rests are not steps")


async def _spread(claim: Claim, row: asyncpg.Record, now: datetime) -> None:
    """Make its parts. Where its captures have no room any more, the next round sees that."""
    async with DB.transaction():
        await lock_captures(claim.account, row["invoice"])
        if await poke.hold(claim, CLAIM_MARGIN_S) != row["poked"]:
            # Somebody has asked for it again meanwhile, and it has its parts: look again.
            return
        await spread_over_captures(claim.account, row, now, seen(row).missing)


async def _draw_up(runtime: Runtime, claim: Claim, row: asyncpg.Record, amount: int, now: datetime) -> None:
    """Stripe's preview is a gate: where it refuses, nothing is sent; where money is back already, a human is asked."""
    lines = tuple(msgspec.json.decode(row["lines"], type=list[LineCredit])) if row["lines"] else ()
    if amount != row["amount"]:
        lines = ()
    wanted = Wanted(row["invoice"], amount, lines=lines, reason=row["reason"], memo=row["memo"])
    subject = notes.Subject(CreditNoteOrigin.REFUND, claim.id, row["currency"])

    async def link(note: str, _drawn: Drawn) -> None:
        await sql.rows(LINK, claim.account, claim.id, note)

    refusal = await notes.draw_and_want(runtime, claim, wanted, subject, now, link)
    if refusal is None:
        return
    async with DB.transaction():
        message = sql.storable(str(refusal), 500)
        # Parts are locked before their refund, as by whoever stores an outcome.
        await sql.rows(REFUSE_PARTS, claim.account, claim.id, "credit_note_refused", message, now)
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(REFUSE, claim.account, claim.id, claim.holder, "credit_note_refused", message)
        if row["origin"] == RefundOrigin.PROCESSOR or any(p["state"] == "succeeded" for p in row["parts"]):
            kind = CaseKind.CREDIT_NOTE_REFUSED
            await open_case(claim.account, kind, claim.id, message, now, invoice=row["invoice"])
            await sql.rows(WANTS_NONE, claim.account, claim.id)


async def _store_state(claim: Claim, view: RefundView, invoice: str, now: datetime) -> None:
    state = project_refund(view)
    if state is view.state:
        return
    async with DB.transaction():
        await sql.rows(STATE, claim.account, claim.id, claim.holder, state, state in FINAL, now)
        if state in FINAL and (view.origin is RefundOrigin.SURPLUS or view.note is None):
            # A case may have waited for this, or a note is wanted only now.
            await poke.poke(Kind.INVOICE, claim.account, [invoice], now)


async def _rest(claim: Claim, view: RefundView, row: asyncpg.Record, action: WaitUntil, now: datetime) -> bool:
    async with DB.transaction():
        released = await poke.release(claim, seen=row["poked"], due_at=action.at)
        if released and (over := settled_cases(view)):
            await cases.close_by_itself(claim.account, claim.id, over, now)
        for part, stored in zip(view.parts, row["parts"], strict=True) if released else ():
            if part.released and part.room >= 0:
                # What may have gone back twice did not.
                kinds = [CaseKind.OVERPAID_TO_CUSTOMER]
                await cases.close_by_itself(claim.account, stored["attempt"], kinds, now)
        if released and not view.returned and view.missing > 0 and view.turned_down is None:
            await sql.rows(NOT_WANTED, claim.account, row["credit_note"])
        if released and row["failures"]:
            await cases.close_by_itself(claim.account, claim.id, [CaseKind.ADVANCE_FAILED], now)
    return released
