"""Cancelling a subscription, now or at its period's end, and taking that back: asked for here, told to Stripe in the
subscription's own turn.

What is asked is stored and nothing more. Both calls say how it is to be, so that doing them again changes nothing, and
a worker that dies between a call and our row is followed by one that asks once more.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Claim, Kind
from db.states import CancellationOrigin, CancellationState, Ends
from gateway.accounts.audit import Author, bounded
from gateway.accounts.errors import FieldError
from gateway.billing import subscriptions
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeRefusedError, StripeTurnedAwayError
from gateway.billing.shapes import SubscriptionShape
from gateway.clock import business_now
from gateway.collect.mirror import store_subscription
from gateway.domain.case_kinds import CaseKind
from gateway.domain.subscription import Wish
from gateway.domain.usage import FLUSHED_FOR
from gateway.runtime import Runtime
from gateway.subscriptions.known import LONGEST_REASON, hold_living
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S
from gateway.usage import flush
from gateway.waiting import until

INSERT: Final = """
    insert into tollbridge.cancellation (id, account, subscription, ends, invoice_now, prorate, comment, origin, state,
        created_at, flush_from)
    values ($1, $2, $3, $4, $5, $6, $7, $8, 'wanted', $9, $10)
"""
WITHDRAW: Final = """
    update tollbridge.cancellation set state = 'withdrawn', error = 'asked for otherwise since', resolved_at = $3
    where account = $1 and subscription = $2 and state = 'wanted' returning flush_from
"""
FLUSHING: Final = "update tollbridge.cancellation set flush_from = $2 where id = $1 and flush_from is null"
RESOLVE: Final = """
    update tollbridge.cancellation set state = $2, error = $3, resolved_at = $4 where id = $1 and state = 'wanted'
"""
SEND: Final = """
    update tollbridge.cancellation set sent_at = coalesce(sent_at, $2) where id = $1 and state = 'wanted' returning id
"""
NOT_SENT: Final = "update tollbridge.cancellation set sent_at = null where id = $1 and state = 'wanted'"
# That it is set to end is ours to take back where we have set it, and nobody since.
ENDS_BY: Final = """
    update tollbridge.subscription set ends_by = $3 where account = $1 and id = $2 and cancel_at_period_end
"""
STATE: Final = "select state, error from tollbridge.cancellation where account = $1 and id = $2"


class Asked(msgspec.Struct, frozen=True):
    """How a subscription is to end."""

    ends: Ends
    invoice_now: bool = False
    prorate: bool = False
    comment: str = ""


async def ask(by: Author, account: str, subscription: str, asked: Asked) -> str:
    """Have a subscription end, or live on; the id of the cancellation. It takes the place of one that still waits.

    Raises NotThereError, FieldError, SubscriptionEndedError.
    """
    bounded(by.reason, LONGEST_REASON)
    if asked.ends is not Ends.NOW and (asked.invoice_now or asked.prorate):
        raise FieldError("invoice_now" if asked.invoice_now else "prorate", 'only with `ends: "now"`')
    now = await business_now()
    async with DB.transaction():
        row = await hold_living(account, subscription)
        cancellation = await want(account, subscription, asked, CancellationOrigin.ASKED, now)
        if asked.invoice_now:
            await flush.hurry(account, subscription, now)
        before = {"cancel_at_period_end": row["cancel_at_period_end"]}
        after = {key: value for key, value in msgspec.structs.asdict(asked).items() if value not in (False, "")}
        await by.note(account, "subscription.cancel", subscription, before=before, after=after)
    return cancellation


async def want(account: str, subscription: str, asked: Asked, origin: CancellationOrigin, now: datetime) -> str:
    """Store the wish and poke, in the caller's transaction, with the subscription's row locked."""
    cancellation = new_id("can")
    before = await sql.row(WITHDRAW, account, subscription, now)
    await sql.rows(
        INSERT,
        cancellation,
        account,
        subscription,
        asked.ends,
        asked.invoice_now,
        asked.prorate,
        asked.comment,
        origin,
        now,
        # Who asks again does not put the end off.
        before["flush_from"] if before is not None and asked.invoice_now else None,
    )
    await poke.poke(Kind.SUBSCRIPTION, account, [subscription], now, urgent=True)
    return cancellation


async def wait_for(account: str, cancellation: str, wait_s: float) -> CancellationState:
    """How it stands once Stripe was told of it, or after `wait_s` seconds of machine time.

    Raises StripeRefusedError with Stripe's words where Stripe said no.
    """

    async def look() -> asyncpg.Record:
        row = await sql.row(STATE, account, cancellation)
        assert row is not None, "cancellations are not deleted"
        return row

    async def rests(row: asyncpg.Record) -> bool:
        return bool(row["state"] != CancellationState.WANTED)

    row = await until(rests, look, wait_s)
    state = CancellationState(row["state"])
    if state is CancellationState.REFUSED:
        raise StripeRefusedError(row["error"], status=400)
    return state


async def tell_stripe(runtime: Runtime, claim: Claim, wish: Wish, poked: int, *, unsent: bool = False) -> None:
    """One call; its answer is the mirror. Raises StripeError where Stripe may not have heard it."""
    stripe, asked_at = await runtime.stripe(claim.account), await business_now()
    async with DB.transaction():
        await poke.hold(claim, runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S)
        if await sql.row(SEND, wish.id, asked_at) is None:
            # It was asked for otherwise since.
            return
        if unsent:
            reason = f"usage that its last invoice was to bill could not be sent within {FLUSHED_FOR}"
            await open_case(claim.account, CaseKind.USAGE_UNSENT, claim.id, reason, asked_at)
    try:
        shape = await _call(stripe, claim.id, wish)
    except StripeTurnedAwayError:
        # Of an earlier call that was never answered Stripe may have heard all the same.
        if not wish.sent:
            await _not_sent(claim, wish)
        raise
    except StripeRefusedError as error:
        await _refused(claim, wish, str(error))
        return
    # An end is final: it stands above every look that began before it was answered.
    read_at = await business_now() if shape.ended_at is not None else asked_at
    await store_subscription(claim.account, shape, poked, read_at)
    await _resolve(claim, wish, CancellationState.DONE)


async def has_ended(claim: Claim, wish: Wish) -> None:
    """It has ended, perhaps by a call of ours whose maker died: only a wish that it live on is not fulfilled."""
    if wish.ends is Ends.NEVER:
        await _resolve(claim, wish, CancellationState.REFUSED, "the subscription had ended by then, which is final")
    else:
        await _resolve(claim, wish, CancellationState.DONE)


async def withdraw(claim: Claim, wish: Wish, reason: str) -> None:
    """Stripe was not told of it, and need not be any more."""
    await _resolve(claim, wish, CancellationState.WITHDRAWN, reason)


async def _not_sent(claim: Claim, wish: Wish) -> None:
    """Stripe has not heard of it: it may be withdrawn."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(NOT_SENT, wish.id)


async def _refused(claim: Claim, wish: Wish, error: str) -> None:
    """Whoever has asked is told. Nobody has asked for what follows from an agreement: a human is."""
    async with DB.transaction():
        await _resolve(claim, wish, CancellationState.REFUSED, error)
        if wish.origin is CancellationOrigin.AGREEMENT:
            await sql.rows(ENDS_BY, claim.account, claim.id, None)
            reason = f"Stripe refuses what follows from its payment methods (ends: {wish.ends}): {error}"
            await open_case(claim.account, CaseKind.CANCELLATION_REFUSED, claim.id, reason, await business_now())


async def _resolve(claim: Claim, wish: Wish, state: CancellationState, error: str = "") -> None:
    """Write what has become of a wish; one that another has taken the place of stays as it is."""
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(RESOLVE, wish.id, state, sql.storable(error, 500), await business_now())
        if state is CancellationState.DONE and wish.ends is Ends.PERIOD_END:
            await sql.rows(ENDS_BY, claim.account, claim.id, wish.id)


async def _call(stripe: StripeClient, subscription: str, wish: Wish) -> SubscriptionShape:
    details = {"cancellation_details": {"comment": wish.comment}} if wish.comment else {}
    if wish.ends is Ends.NOW:
        params: dict[str, Any] = {"invoice_now": wish.invoice_now, "prorate": wish.prorate, **details}
        return await subscriptions.cancel(stripe, subscription, params)
    at_period_end = wish.ends is Ends.PERIOD_END
    return await subscriptions.update(stripe, subscription, {"cancel_at_period_end": at_period_end, **details})
