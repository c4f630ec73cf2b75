"""`advance` of a subscription: keep our row as Stripe shows it, tell its unsettled invoices when it changed, and the
merchant when its access did."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from db import poke, sql
from db.engine import DB
from db.poke import Claim, Kind, WakeUp
from db.states import SETTLED
from gateway.billing import subscriptions
from gateway.billing.client import from_unix
from gateway.billing.errors import StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.billing.shapes import SubscriptionShape, id_of
from gateway.clock import business_now
from gateway.collect.turn import CLAIM_MARGIN_S, rest, take_turn
from gateway.customers.access import facts_of, tell
from gateway.domain.subscription_news import next_trial_news_at
from gateway.runtime import Runtime

MOST_ROUNDS: Final = 5

STORE = """
    update tollbridge.subscription set customer = $3, status = $4, collection_method = $5, pause_behavior = $6,
        paused_at = case when $6 <> '' then coalesce(paused_at, $11) end, cancel_at_period_end = $7, ended_at = $8,
        digest = $9, trial_end = $12, stale = (poked <> $10), read_at = $11
    where account = $1 and id = $2 and (read_at is null or read_at <= $11)
    returning id
"""
UNSETTLED = """
    select id from tollbridge.invoice where account = $1 and subscription = $2 and not (state = any($3)) order by id
"""


async def advance_subscription(runtime: Runtime, wake_up: WakeUp) -> None:
    """Read the subscription if it may have changed."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S
    await take_turn(wake_up, hold_s, MOST_ROUNDS, lambda claim: _round(runtime, claim, hold_s))


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
        asked_at = await business_now()
        try:
            with in_lane(Lane.MIRROR):
                shape = await subscriptions.read(await runtime.stripe(claim.account), claim.id)
        except StripeRefusedError as error:
            if error.status != 404:
                raise
            # Named by an event of this account, and yet not there: nothing to keep, nothing to ask again.
            shape = None
        if shape is not None:
            await store_subscription(claim.account, shape, row["poked"], asked_at)
    now = await business_now()
    facts, found = await facts_of(claim.account, claim.id)
    due_at = next_trial_news_at(facts, now)
    async with DB.transaction():
        released = await rest(claim, seen=row["poked"], due_at=due_at, failures=row["failures"], now=now)
        if released:
            await tell(claim.account, facts, found, now)
    return released


async def store_subscription(account: str, shape: SubscriptionShape, poked: int, now: datetime) -> None:
    """Keep what Stripe shows to who asked at `now`; its unsettled invoices are poked where anything of it changed.

    A look that is older than what we have changes nothing.
    """
    async with DB.transaction():
        before = await sql.value(
            "select digest from tollbridge.subscription where account = $1 and id = $2 for no key update",
            account,
            shape.id,
        )
        kept = await sql.row(
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
            from_unix(shape.trial_end),
        )
        if kept is not None and before != shape.digest:
            # Of one that was new too: its invoices may have been looked at before its pause was known.
            open_ones = [r["id"] for r in await sql.rows(UNSETTLED, account, shape.id, sorted(SETTLED))]
            await poke.poke(Kind.INVOICE, account, open_ones, now)
