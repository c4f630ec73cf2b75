"""`advance` of a checkout session: one worker, step by step until there is nothing to do but wait."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import sql
from db.poke import Claim, WakeUp
from gateway.checkout import cleanup, collect, create
from gateway.checkout.load import LoadedSession, load
from gateway.clock import business_now
from gateway.collect.mirror import cancel_subscription
from gateway.customers import setups
from gateway.domain.session import Fail, Rest, Step, decide_session
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S, rest, take_turn

MOST_STEPS: Final = 20


async def advance_checkout(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a session as far as it goes now."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S

    async def go_round(claim: Claim) -> bool:
        now = await business_now()
        loaded = await load(claim, hold_s, now)
        step = decide_session(loaded.view, now)
        match step:
            case Rest(at=at):
                return await rest(claim, seen=loaded.poked, due_at=at, failures=loaded.row["failures"], now=now)
            case Fail(code=code, reason=reason):
                await collect.fail(claim, loaded, code, reason, now)
            case _:
                await _do(runtime, claim, loaded, step, now)
        return False

    await take_turn(wake_up, hold_s, MOST_STEPS, go_round)


async def _do(runtime: Runtime, claim: Claim, loaded: LoadedSession, step: Step, now: datetime) -> None:
    match step:
        case Step.READ_INVOICE:
            await cleanup.read_invoice(runtime, claim, loaded)
        case Step.FIND_SUBSCRIPTION:
            await create.find_subscription(runtime, claim, loaded, now)
        case Step.CREATE_CUSTOMER:
            await create.customer(runtime, claim, loaded, now)
        case Step.CREATE_SUBSCRIPTION:
            await create.subscription(runtime, claim, loaded, now)
        case Step.HOLD_DRAFT:
            await create.hold_draft(runtime, claim, loaded)
        case Step.OPEN:
            await _to(claim, "open")
        case Step.CONFIRM:
            await collect.confirm_at_once(claim, loaded, now)
        case Step.COMPLETE_SETUP:
            await collect.complete_setup(runtime, claim, loaded, now)
        case Step.TELL_STRIPE:
            await collect.tell_stripe(runtime, claim, loaded, now)
        case Step.RELEASE:
            await collect.release(claim, loaded, now)
        case Step.COMPLETE:
            await _to(claim, "complete")
        case Step.EXPIRE:
            await collect.expire(claim, loaded, now)
        case Step.CANCEL_SUBSCRIPTION:
            await cancel_subscription(runtime, claim.account, loaded.view.subscription)
        case Step.CLOSE_INVOICE:
            await cleanup.close_invoice(runtime, claim, loaded)
        case Step.DROP_SETUP:
            await setups.drop(runtime, claim, now)
        case Step.REVOKE_METHOD:
            await cleanup.revoke_method(loaded, now)
        case Step.FINISH_CLEANUP:
            await sql.rows(
                "update tollbridge.checkout_session set cleanup_done = true where account = $1 and id = $2",
                claim.account,
                claim.id,
            )


async def _to(claim: Claim, state: str) -> None:
    await sql.rows(
        """update tollbridge.checkout_session set state = $4
           where account = $1 and id = $2 and claimed_by = $3 and state in ('creating', 'open', 'processing')""",
        claim.account,
        claim.id,
        claim.holder,
        state,
    )
