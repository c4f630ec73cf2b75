"""A turn: one worker takes an object, goes round until there is nothing to do but wait, and lets go whatever happens.

Every kind of object that is poked takes its turn alike; what a round does is its own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg
import structlog

from db import cases, poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind, WakeUp
from db.states import UnknownStateError
from gateway.billing.errors import StripeError, StripeNotSentError
from gateway.clock import business_now
from gateway.domain.case_kinds import CaseKind
from gateway.logs import told
from gateway.runtime import UnknownAccountError
from gateway.turns.cases import open_case

log = structlog.get_logger()

CLAIM_MARGIN_S: Final = 30.0
"""A claim outlasts the call that it covers by so much; what it covers is cut off by its total time-out."""
RETRY_S: Final = (5, 30, 120, 600, 1800)
"""Waits after a turn that failed, in seconds, by how often in a row; the last one repeats."""
FAILURES_TO_CASE: Final = 5

Round: TypeAlias = Callable[[Claim], Awaitable[bool]]
"""One step; true once the object rests and its claim is let go."""


class NotYetError(Exception):
    """Somebody else has to do something first: no failure, and worth another look after `retry_after_s`."""

    retry_after_s = 10.0


async def take_turn(wake_up: WakeUp, hold_s: float, most_rounds: int, go_round: Round) -> bool:
    """Bring an object as far as it goes now. Somebody else's claim is no reason to wait: the counter is. False then.

    A turn that fails ends with a wait; after several in a row a human is told. Other objects go on.
    """
    claim = await poke.take(wake_up, hold_s)
    if claim is None:
        return False
    try:
        for _ in range(most_rounds):
            if await go_round(claim):
                return True
        raise RuntimeError(f"{most_rounds} rounds and no end")
    except ClaimLostError:
        log.info("claim_lost", kind=claim.kind, id=claim.id)
    except (StripeNotSentError, NotYetError) as error:
        await _later(claim, error, [error.retry_after_s], failed=False)
    except UnknownAccountError as error:
        # Disabled since the turn began: it goes on where it stands once the account is enabled.
        await _later(claim, error, [0.0], failed=False)
    except Exception as error:
        await _later(claim, error, RETRY_S, failed=True)
    return True


async def held(claim: Claim, for_s: float, statement: str, *values: object) -> asyncpg.Record:
    """Lengthen the claim, and read its object by a statement over account and id (and `values`), at one moment.

    The counter in it is of that moment too: what is poked afterwards makes another round. Raises ClaimLostError.
    """
    async with DB.transaction():
        await poke.hold(claim, for_s)
        row = await sql.row(statement, claim.account, claim.id, *values)
    assert row is not None, "a claimed object exists"
    return row


async def rest(claim: Claim, *, seen: int, due_at: datetime | None, failures: int, now: datetime) -> bool:
    """Let go, and close the case of an object that has failed before; False where something was poked meanwhile."""
    async with DB.transaction():
        released = await poke.release(claim, seen=seen, due_at=due_at)
        if released and failures:
            await cases.close_by_itself(claim.account, claim.id, [CaseKind.ADVANCE_FAILED], now)
    return released


async def _later(claim: Claim, error: Exception, waits_s: Sequence[float], *, failed: bool) -> None:
    expected = isinstance(error, StripeError | NotYetError | UnknownAccountError)
    log.warning(
        "advance_failed", kind=claim.kind, id=claim.id, error=type(error).__name__, exc_info=None if expected else error
    )
    now = await business_now()
    async with DB.transaction():
        failures = await poke.give_up_turn(claim, now=now, waits_s=waits_s, failed=failed)
        if failures >= FAILURES_TO_CASE:
            about = claim.id if claim.kind is Kind.INVOICE else ""
            reason = told(error, StripeError, UnknownStateError)
            await open_case(claim.account, CaseKind.ADVANCE_FAILED, claim.id, reason, now, invoice=about)
