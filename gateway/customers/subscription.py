"""`advance` of a subscription: keep our row as Stripe shows it, and tell its unsettled invoices when it changed."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import structlog

from db import cases, poke, sql
from db.engine import DB
from db.poke import Claim, ClaimLostError, Kind, WakeUp
from db.states import SETTLED
from gateway.billing import subscriptions
from gateway.billing.client import from_unix
from gateway.billing.errors import StripeNotSentError, StripeRefusedError
from gateway.billing.shapes import SubscriptionShape, id_of
from gateway.clock import business_now
from gateway.collect.advance import FAILURES_TO_CASE, RETRY_S
from gateway.collect.cases import open_case
from gateway.collect.charge import CLAIM_MARGIN_S
from gateway.domain.actions import CaseKind
from gateway.runtime import Runtime

log = structlog.get_logger()

MOST_ROUNDS: Final = 5

STORE = """
    update tollbridge.subscription set customer = $3, status = $4, collection_method = $5, pause_behavior = $6,
        paused_at = case when $6 <> '' then coalesce(paused_at, $11) end, cancel_at_period_end = $7, ended_at = $8,
        digest = $9, stale = (poked <> $10), read_at = $11
    where account = $1 and id = $2
"""
UNSETTLED = """
    select id from tollbridge.invoice where account = $1 and subscription = $2 and not (state = any($3)) order by id
"""


async def advance_subscription(runtime: Runtime, wake_up: WakeUp) -> None:
    """Read the subscription if it may have changed."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S
    claim = await poke.take(wake_up, hold_s)
    if claim is None:
        return
    try:
        for _ in range(MOST_ROUNDS):
            if await _round(runtime, claim, hold_s):
                return
        raise RuntimeError(f"{MOST_ROUNDS} rounds and no end")
    except ClaimLostError:
        return
    except Exception as error:
        log.warning("advance_failed", subscription=claim.id, error=type(error).__name__)
        turned_away = isinstance(error, StripeNotSentError)
        waits = [error.retry_after_s] if isinstance(error, StripeNotSentError) else RETRY_S
        now = await business_now()
        async with DB.transaction():
            failures = await poke.give_up_turn(claim, now=now, waits_s=waits, failed=not turned_away)
            if failures >= FAILURES_TO_CASE:
                await open_case(claim.account, CaseKind.ADVANCE_FAILED, claim.id, type(error).__name__, now)


async def _round(runtime: Runtime, claim: Claim, hold_s: float) -> bool:
    async with DB.transaction():
        await poke.hold(claim, hold_s)
        row = await sql.row(
            "select poked, stale, failures from tollbridge.subscription where account = $1 and id = $2",
            claim.account,
            claim.id,
        )
    assert row is not None, "a claimed subscription exists"
    if row["stale"]:
        try:
            shape = await subscriptions.read(await runtime.stripe(claim.account), claim.id)
        except StripeRefusedError as error:
            if error.status != 404:
                raise
            # Named by an event of this account, and yet not there: nothing to keep, nothing to ask again.
            shape = None
        if shape is not None:
            await store_subscription(claim.account, shape, row["poked"], await business_now())
    now = await business_now()
    async with DB.transaction():
        released = await poke.release(claim, seen=row["poked"], due_at=None)
        if released and row["failures"]:
            await cases.close_by_itself(claim.account, claim.id, [CaseKind.ADVANCE_FAILED], now)
    return released


async def store_subscription(account: str, shape: SubscriptionShape, poked: int, now: datetime) -> None:
    """Keep what Stripe shows; its unsettled invoices are poked where anything of it changed."""
    async with DB.transaction():
        before = await sql.value(
            "select digest from tollbridge.subscription where account = $1 and id = $2 for no key update",
            account,
            shape.id,
        )
        await sql.rows(
            STORE,
            account,
            shape.id,
            id_of(shape.customer),
            shape.status,
            shape.collection_method,
            shape.pause_collection.behavior if shape.pause_collection else "",
            shape.cancel_at_period_end,
            from_unix(shape.ended_at),
            shape.digest,
            poked,
            now,
        )
        if before not in ("", shape.digest):
            open_ones = [r["id"] for r in await sql.rows(UNSETTLED, account, shape.id, sorted(SETTLED))]
            await poke.poke(Kind.INVOICE, account, open_ones, now)
