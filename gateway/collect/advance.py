"""`advance`: one worker, one invoice, step by step until there is nothing to do but wait."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from db import cases, outbox, poke
from db.engine import DB
from db.outbox import Announcement
from db.poke import Claim, Kind, WakeUp
from gateway.billing.errors import StripeError
from gateway.billing.pace import Lane, in_lane
from gateway.collect import balance, carries, charge, give_up, record, remainders, restored, restored_rest, switched
from gateway.collect.load import Loaded, load
from gateway.domain.actions import (
    Action,
    CancelPending,
    CarryOver,
    ChangeCollector,
    Charge,
    ConfirmRecording,
    CreditBalance,
    CreditRest,
    Done,
    EndVoiding,
    Finalize,
    FindBalance,
    FindCarry,
    FindLost,
    FindRestNote,
    GiveDraft,
    GiveUp,
    IssueRestNote,
    MarkSurplus,
    MarkUnknown,
    MatchNote,
    OpenCase,
    PayAtStripe,
    Read,
    ReadBalance,
    ReadNotes,
    Record,
    Resolve,
    ReturnPart,
    ReturnSurplus,
    Tag,
    TakeInvoice,
    Void,
    WaitUntil,
    WantNote,
)
from gateway.domain.after_end import is_left_a_draft
from gateway.domain.decide import decide
from gateway.domain.lapse import next_closing_at, turns_access
from gateway.domain.news import news, next_news_at
from gateway.domain.outdated import outdated
from gateway.domain.rest_actions import EmptyRest, FillRest, FindRest, IssueRest, LinkRest, TakeUpRest
from gateway.returns import crossing, rest_notes, surplus
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S, take_turn

log = structlog.get_logger()

MOST_STEPS: Final = 25
"""No invoice needs so many steps in one go; beyond it the turn ends and the next comes by the clock."""
MOST_READS: Final = 5
"""A look that takes longer than it may be old is no last look: after so many in a row the turn ends as a failure."""


async def advance_invoice(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring an invoice as far as it goes now."""
    hold_s, reads = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S, 0

    async def go_round(claim: Claim) -> bool:
        nonlocal reads
        loaded = await load(claim, hold_s)
        now = loaded.now
        action = decide(loaded.view, now)
        reads += isinstance(action, Read)
        if reads > MOST_READS:
            raise StripeError("Stripe answers too slowly for a last look")
        log.debug("step", invoice=claim.id, action=type(action).__name__)
        if isinstance(action, WaitUntil | Done):
            return await _rest(claim, loaded, action, now)
        with in_lane(Lane.CHECKOUT if loaded.view.hold == "released" else Lane.COLLECT):
            await _step(runtime, claim, loaded, action, now)
        return False

    await take_turn(wake_up, hold_s, MOST_STEPS, go_round)


async def _step(runtime: Runtime, claim: Claim, loaded: Loaded, action: Action, now: datetime) -> None:
    match action:
        case Read():
            await record.read(runtime, claim, loaded)
        case TakeInvoice() | ChangeCollector() | GiveDraft() | PayAtStripe():
            await switched.step(runtime, claim, loaded, action, now)
        case Finalize():
            await record.finalize(runtime, claim, loaded, now)
        case Charge() | Resolve() | MarkUnknown() | CancelPending():
            await charge.step(runtime, claim, loaded, action, now)
        case FindLost():
            await restored.find_lost(runtime, claim, loaded, action, now)
        case Tag():
            await record.tag(runtime, claim, loaded, action)
        case Record():
            await record.record(runtime, claim, loaded, action, now)
        case ConfirmRecording():
            await record.confirm(claim, loaded, action, now)
        case MarkSurplus():
            await record.mark_surplus(claim, action)
        case ReturnSurplus():
            await surplus.return_surplus(claim, loaded.view, action, now)
        case ReturnPart():
            await surplus.return_part(claim, loaded.view, action, now)
        case CreditBalance() | FindBalance() | ReadBalance():
            await balance.step(runtime, claim, loaded, action, now)
        case CreditRest() | IssueRestNote() | FindRestNote():
            await rest_notes.step(runtime, claim, loaded.view, action, now)
        case IssueRest() | FindRest() | LinkRest() | FillRest() | EmptyRest():
            await remainders.step(runtime, claim, loaded, action, now)
        case CarryOver() | FindCarry():
            await carries.step(runtime, claim, action, now)
        case TakeUpRest():
            await restored_rest.take_up(runtime, claim, loaded, action, now)
        case ReadNotes():
            await crossing.read_notes(runtime, claim, now)
        case MatchNote():
            await crossing.match_note(runtime, claim, action, now)
        case WantNote():
            await crossing.want_note(claim, action, now)
        case GiveUp():
            await give_up.give_up(runtime, claim, loaded, action, now)
        case Void():
            await give_up.void_by_hand(runtime, claim, loaded)
        case EndVoiding():
            await give_up.end_voiding(claim, action.refused)
        case OpenCase():
            await record.put_before_a_human(claim, action, now)
        case WaitUntil() | Done():
            raise AssertionError("rests are not steps")


async def _rest(claim: Claim, loaded: Loaded, action: WaitUntil | Done, now: datetime) -> bool:
    """Let go; False where something was poked meanwhile."""
    due_at = action.at if isinstance(action, WaitUntil) else None
    attempt_at = due_at if isinstance(action, WaitUntil) and action.attempt else None
    waits_for = action.waits_for if isinstance(action, WaitUntil) else None
    gone, untold = outdated(loaded.view), news(loaded.view, now)
    # Due soon and overdue come by the clock; what Stripe would send of them, an account must ask for.
    times = (due_at, next_news_at(loaded.view, now), next_closing_at(loaded.view, now))
    wake_at = min((at for at in times if at is not None), default=None)
    as_before = (loaded.reason, loaded.waits_for, loaded.next_attempt_at) == (action.reason, waits_for, attempt_at)
    opens, outlived = _opens(loaded, now, changed=not as_before), [] if as_before else _outlived(loaded)
    if as_before and not gone and not untold and not loaded.view.asked and not opens:
        return await poke.release(claim, seen=loaded.poked, due_at=wake_at)
    async with DB.transaction():
        # Each sees to it in its own turn. Methods are locked before subscriptions, and those before invoices.
        await poke.poke(Kind.METHOD, claim.account, outlived, now)
        await poke.poke(Kind.SUBSCRIPTION, claim.account, opens, now)
        released = await poke.release(claim, seen=loaded.poked, due_at=wake_at)
        if released:
            await record.note(claim, action.reason, waits_for, attempt_at)
            for kind, why in gone.items():
                await cases.close_by_itself(claim.account, claim.id, [kind], now, why)
            told = [Announcement(one.type, one.step, one.data) for one in untold]
            await outbox.announce(claim.account, "invoice", claim.id, told, now)
    return released


def _opens(loaded: Loaded, now: datetime, *, changed: bool) -> list[str]:
    """The subscription whose access may be another one now."""
    invoice = loaded.view.invoice
    return [invoice.subscription] if invoice and turns_access(loaded.view, now, changed=changed) else []


def _outlived(loaded: Loaded) -> list[str]:
    """The payment methods that an invoice which is over may have been the last to need."""
    view = loaded.view
    living = view.subscription is not None and not (view.subscription.ended or view.subscription.at_stripe)
    over = view.invoice is not None and (view.invoice.status not in ("draft", "open") or is_left_a_draft(view))
    return [method.id for method in view.methods if method.retiring or not living] if over else []
