"""`advance` of a dispute: one worker, one dispute, step by step until there is nothing to do but wait."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import structlog

from db import cases, outbox, poke, sql
from db.engine import DB
from db.outbox import Announcement
from db.poke import Claim, WakeUp
from db.states import CreditNoteOrigin
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.domain.actions import OpenCase, WaitUntil
from gateway.domain.case_kinds import CaseKind
from gateway.domain.dispute_news import dispute_data, dispute_news
from gateway.domain.dispute_view import DisputeView
from gateway.domain.disputes import DisputeAction, credit_reason, decide_dispute, outdated
from gateway.domain.noting import DrawUpNote, FindNote, IssueNote
from gateway.returns import notes
from gateway.returns.dispute_view import VIEW, seen
from gateway.returns.drawing import Drawn, Wanted
from gateway.returns.retrying import NOTE_REFUSED
from gateway.returns.taking import link_dispute
from gateway.runtime import Runtime
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S, held, take_turn

log = structlog.get_logger()

MOST_ROUNDS: Final = 15
FAILED: Final = "update tollbridge.dispute set failure = $3 where account = $1 and id = $2"


async def advance_dispute(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a dispute as far as it goes now."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S

    async def go_round(claim: Claim) -> bool:
        row = await held(claim, hold_s, VIEW)
        now, view = await business_now(), seen(row)
        action = decide_dispute(view, now)
        log.debug("step", dispute=claim.id, action=type(action).__name__)
        if isinstance(action, WaitUntil):
            return await _rest(claim, view, row, action, now)
        with in_lane(Lane.REFUNDS):
            await _step(runtime, claim, view, row, action, now)
        return False

    await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round)


async def _step(
    runtime: Runtime, claim: Claim, view: DisputeView, row: asyncpg.Record, action: DisputeAction, now: datetime
) -> None:
    match action:
        case DrawUpNote():
            await _draw_up(runtime, claim, view, row, now)
        case IssueNote(amount=amount):
            if amount != row["note_amount"]:
                # More of it is gone, or less, than when the note was drawn up.
                await _draw_up(runtime, claim, view, row, now)
            else:
                await notes.issue(runtime, claim, row["credit_note"], amount, now)
        case FindNote():
            await notes.find(runtime, claim, row["credit_note"], now)
        case OpenCase(kind=kind, reason=reason):
            async with DB.transaction():
                about = row["attempt"] if kind is CaseKind.OVERPAID_TO_CUSTOMER else claim.id
                await open_case(claim.account, kind, about, reason, now, invoice=row["invoice"])
        case WaitUntil():
            raise AssertionError("rests are not steps")


async def _draw_up(runtime: Runtime, claim: Claim, view: DisputeView, row: asyncpg.Record, now: datetime) -> None:
    """The money is gone already, so where Stripe's preview refuses, a human is asked."""
    wanted = Wanted(row["invoice"], view.to_credit, reason=credit_reason(view.reason))
    # Another loss after a first one that is credited is another note.
    name = claim.id if not row["notes"] else f"{claim.id}.{row['notes'] + 1}"
    subject = notes.Subject(CreditNoteOrigin.DISPUTE, name, row["currency"])

    async def link(note: str, _drawn: Drawn) -> None:
        await link_dispute(claim.account, claim.id, note)

    refusal = await notes.draw_and_want(runtime, claim, wanted, subject, now, link)
    if refusal is None:
        return
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(FAILED, claim.account, claim.id, NOTE_REFUSED)
        kind, reason = CaseKind.CREDIT_NOTE_REFUSED, sql.storable(str(refusal), 500)
        await open_case(claim.account, kind, claim.id, reason, now, invoice=row["invoice"])


async def _rest(claim: Claim, view: DisputeView, row: asyncpg.Record, action: WaitUntil, now: datetime) -> bool:
    """Let go, tell the merchant, and close what nobody needs to look at any more."""
    over, untold = outdated(view, now), dispute_news(view, now)
    async with DB.transaction():
        released = await poke.release(claim, seen=row["poked"], due_at=action.at)
        if not released:
            return False
        failed = frozenset({CaseKind.ADVANCE_FAILED}) if row["failures"] else frozenset()
        if over or failed:
            await cases.close_by_itself(claim.account, claim.id, over | failed, now)
        if CaseKind.OVERPAID_TO_CUSTOMER in over:
            await cases.close_by_itself(claim.account, row["attempt"], [CaseKind.OVERPAID_TO_CUSTOMER], now)
        if untold is not None:
            data = dispute_data(view, row["invoice"], row["customer"], row["subscription"])
            told = [Announcement(untold.type, untold.step, data)]
            await outbox.announce(claim.account, "dispute", claim.id, told, now)
    return True
