"""`advance`: one worker, one invoice, step by step until there is nothing to do but wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from db import cases, poke
from db.engine import DB
from db.poke import Claim, ClaimLostError, WakeUp
from db.states import UnknownStateError
from gateway.billing.errors import StripeError, StripeNotSentError
from gateway.clock import business_now
from gateway.collect import charge, record
from gateway.collect.cases import open_case
from gateway.collect.load import CLAIM_S, Loaded, load
from gateway.domain.actions import (
    Action,
    CancelPending,
    CaseKind,
    Charge,
    ConfirmRecording,
    Done,
    Finalize,
    MarkSurplus,
    MarkUnknown,
    OpenCase,
    Read,
    Record,
    Resolve,
    Tag,
    WaitUntil,
)
from gateway.domain.decide import decide
from gateway.domain.outdated import outdated
from gateway.runtime import Runtime

log = structlog.get_logger()

MOST_STEPS: Final = 25
"""No invoice needs so many steps in one go; beyond it the turn ends and the next comes by the clock."""
MOST_READS: Final = 5
"""A look that takes longer than it may be old is no last look: after so many in a row the turn ends as a failure."""
RETRY_S: Final = (5, 30, 120, 600, 1800)
"""Waits after a step that failed, in seconds, by how often in a row; the last one repeats."""
FAILURES_TO_CASE: Final = 5


async def advance_invoice(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring an invoice as far as it goes now. Somebody else's claim is no reason to wait: the counter is."""
    claim = await poke.take(wake_up, CLAIM_S)
    if claim is None:
        return
    try:
        await _go_round(runtime, claim)
    except ClaimLostError:
        log.info("claim_lost", invoice=claim.id)
    except StripeNotSentError as error:
        await _later(claim, error, [error.retry_after_s], failed=False)
    except Exception as error:
        await _later(claim, error, RETRY_S, failed=True)


async def _go_round(runtime: Runtime, claim: Claim) -> None:
    reads = 0
    for _ in range(MOST_STEPS):
        now = await business_now()
        loaded = await load(claim, now)
        action = decide(loaded.view, now)
        reads += isinstance(action, Read)
        if reads > MOST_READS:
            raise StripeError("Stripe answers too slowly for a last look")
        log.debug("step", invoice=claim.id, action=type(action).__name__)
        if isinstance(action, WaitUntil | Done):
            if await _rest(claim, loaded, action, now):
                return
            continue
        await _step(runtime, claim, loaded, action, now)
    await _later(claim, RuntimeError(f"{MOST_STEPS} steps and no end"), RETRY_S, failed=True)


async def _step(runtime: Runtime, claim: Claim, loaded: Loaded, action: Action, now: datetime) -> None:
    match action:
        case Read():
            await record.read(runtime, claim, loaded)
        case Finalize():
            await record.finalize(runtime, claim, loaded, now)
        case Charge():
            await charge.charge(runtime, claim, loaded, action, now)
        case Resolve():
            await charge.resolve(runtime, claim, loaded, action, now)
        case MarkUnknown():
            await charge.mark_unknown(claim, action, now)
        case CancelPending():
            await charge.cancel(runtime, claim, loaded, action, now)
        case Tag():
            await record.tag(runtime, claim, loaded, action)
        case Record():
            await record.record(runtime, claim, loaded, action, now)
        case ConfirmRecording():
            await record.confirm(claim, loaded, action, now)
        case MarkSurplus():
            await record.mark_surplus(claim, action, now)
        case OpenCase():
            await record.put_before_a_human(claim, action, now)
        case WaitUntil() | Done():
            raise AssertionError("rests are not steps")


async def _rest(claim: Claim, loaded: Loaded, action: WaitUntil | Done, now: datetime) -> bool:
    """Let go; False where something was poked meanwhile."""
    due_at = action.at if isinstance(action, WaitUntil) else None
    async with DB.transaction():
        released = await poke.release(claim, seen=loaded.poked, due_at=due_at)
        if released:
            await record.note(claim, action.reason, due_at)
            if gone := outdated(loaded.view):
                await cases.close_by_itself(claim.account, claim.id, gone, now)
    return released


async def _later(claim: Claim, error: Exception, waits_s: Sequence[float], *, failed: bool) -> None:
    """End the turn without an end; after several in a row a human is told. Other invoices go on."""
    stripes = isinstance(error, StripeError)
    log.warning("advance_failed", invoice=claim.id, error=type(error).__name__, exc_info=None if stripes else error)
    now = await business_now()
    async with DB.transaction():
        failures = await poke.give_up_turn(claim, now=now, waits_s=waits_s, failed=failed)
        if failures >= FAILURES_TO_CASE:
            await open_case(claim.account, CaseKind.ADVANCE_FAILED, claim.id, _told(error), now, invoice=claim.id)


def _told(error: Exception) -> str:
    """What a case may say of an error: our own words whole, of a stranger's only the name (it may quote a secret)."""
    ours = isinstance(error, StripeError | UnknownStateError)
    return f"{type(error).__name__}: {error}" if ours else type(error).__name__
