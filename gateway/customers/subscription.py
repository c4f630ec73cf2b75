"""`advance` of a subscription: keep our row as Stripe shows it, tell its unsettled invoices when it changed, and the
merchant when its access did."""

from __future__ import annotations

from typing import Final

from db.engine import DB
from db.poke import Claim, WakeUp
from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.collect.mirror import store_subscription
from gateway.customers.access import facts_of, tell
from gateway.domain.subscription_news import next_trial_news_at
from gateway.runtime import Runtime
from gateway.turns.turn import CLAIM_MARGIN_S, held, rest, take_turn

MOST_ROUNDS: Final = 5

VIEW: Final = "select poked, stale, failures from tollbridge.subscription where account = $1 and id = $2"


async def advance_subscription(runtime: Runtime, wake_up: WakeUp) -> None:
    """Read the subscription if it may have changed."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S
    await take_turn(wake_up, hold_s, MOST_ROUNDS, lambda claim: _round(runtime, claim, hold_s))


async def _round(runtime: Runtime, claim: Claim, hold_s: float) -> bool:
    row = await held(claim, hold_s, VIEW)
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
    facts, found = await facts_of(claim.account, claim.id, now)
    due_at = next_trial_news_at(facts, now)
    async with DB.transaction():
        released = await rest(claim, seen=row["poked"], due_at=due_at, failures=row["failures"], now=now)
        if released:
            await tell(claim.account, facts, found, now)
    return released
