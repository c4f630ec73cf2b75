"""`advance` of a payment-method session: the payer's new method is stored, and what is left over is deleted."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg

from db import sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, WakeUp
from db.states import MethodSessionState
from gateway.clock import business_now
from gateway.customers import setups, stripe_sessions
from gateway.customers.methods import store_method
from gateway.domain.method_session import MethodSessionView, MethodStep, decide_method_session, next_look
from gateway.domain.session import Rest
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S, held, rest, take_turn
from processors.values import SetupReady

MOST_ROUNDS: Final = 10

VIEW: Final = """
    select s.*, coalesce(s.look_at, (select min(u.look_at) from tollbridge.payment_setup u
        where u.account = s.account and u.payment_method_session = s.id and u.state = 'open')) as looks_at
    from tollbridge.payment_method_session s where s.account = $1 and s.id = $2
"""
COMPLETE: Final = """
    update tollbridge.payment_method_session
    set state = 'complete', payment_method = $4, failure_code = '', reason = ''
    where account = $1 and id = $2 and claimed_by = $3 and state in ('open', 'processing') returning id
"""
EXPIRE: Final = """
    update tollbridge.payment_method_session set state = 'expired', look_at = null
    where account = $1 and id = $2 and claimed_by = $3 and state in ('open', 'processing') and expires_at <= $4
    returning id
"""
BACK_TO_OPEN: Final = """
    update tollbridge.payment_method_session set state = 'open', failure_code = 'setup_failed', reason = $4
    where account = $1 and id = $2 and claimed_by = $3 and state in ('open', 'processing')
"""
LOOK_AGAIN: Final = """
    update tollbridge.payment_setup set looks = looks + 1, look_at = $3
    where account = $1 and payment_method_session = $2 and state = 'open'
"""
LOOKS: Final = """
    select coalesce(max(looks), 0) from tollbridge.payment_setup
    where account = $1 and payment_method_session = $2 and state = 'open'
"""


async def advance_method_session(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a session as far as it goes now."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S

    async def go_round(claim: Claim) -> bool:
        row, now = await held(claim, hold_s, VIEW), await business_now()
        view = MethodSessionView(MethodSessionState(row["state"]), row["expires_at"], row["looks_at"])
        match decide_method_session(view, now):
            case Rest(at=at):
                return await rest(claim, seen=row["poked"], due_at=at, failures=row["failures"], now=now)
            case MethodStep.LOOK if row["at_stripe"]:
                await stripe_sessions.look(runtime, claim, row, now)
            case MethodStep.LOOK:
                await _look(runtime, claim, row, now)
            case MethodStep.EXPIRE:
                await _expire(claim, now)
            case MethodStep.DROP:
                await setups.drop(runtime, claim, now)
        return False

    await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round)


async def _look(runtime: Runtime, claim: Claim, row: asyncpg.Record, now: datetime) -> None:
    """Ask what the payer has done. A method that is ready is stored, whether or not the payer came back."""

    async def store(setup: asyncpg.Record, made: SetupReady) -> None:
        stored = await store_method(
            runtime,
            claim.account,
            row["customer"],
            setup["connection"],
            made.method,
            made.card,
            now,
            tell=True,
            subscription=row["subscription"],
        )
        if await sql.row(COMPLETE, claim.account, claim.id, claim.holder, stored) is None:
            raise ClaimLostError(claim.id)
        # What else was begun is not wanted any more.
        await setups.look_at_all(claim.account, claim.id, now)

    looked = await setups.look(runtime, claim, store)
    if looked.stored:
        return
    if not looked.pending:
        await sql.rows(BACK_TO_OPEN, claim.account, claim.id, claim.holder, looked.failure)
        return
    looks = int(await sql.value(LOOKS, claim.account, claim.id))
    await sql.rows(LOOK_AGAIN, claim.account, claim.id, next_look(now, looks, row["expires_at"]))


async def _expire(claim: Claim, now: datetime) -> None:
    async with DB.transaction():
        if await sql.row(EXPIRE, claim.account, claim.id, claim.holder, now) is not None:
            await setups.look_at_all(claim.account, claim.id, now)
