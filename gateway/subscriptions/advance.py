"""`advance` of a subscription: tell Stripe what is wanted of it, keep our row as Stripe shows it, tell its unsettled
invoices when it changed, and the merchant when its access did."""

from __future__ import annotations

from typing import Final

import asyncpg

from db.engine import DB
from db.poke import Claim, WakeUp
from db.states import Ends
from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.collect.mirror import store_subscription
from gateway.domain.session import Rest
from gateway.domain.subscription import (
    EndIt,
    GiveToStripe,
    HasEnded,
    LookAtMethod,
    ReadSubscription,
    SubscriptionState,
    SwitchTooLate,
    TakeFromStripe,
    TakeInvoices,
    Wish,
    decide_subscription,
)
from gateway.domain.subscription_news import next_trial_news_at
from gateway.runtime import Runtime
from gateway.subscriptions import cancel, switch
from gateway.subscriptions.access import facts_of, tell
from gateway.turns.turn import CLAIM_MARGIN_S, held, rest, take_turn

MOST_ROUNDS: Final = 8

VIEW: Final = """
    select s.poked, s.stale, s.failures, s.ended_at, s.customer,
        (select c from tollbridge.cancellation c
         where c.account = s.account and c.subscription = s.id and c.state = 'wanted') as wish,
        (select w from tollbridge.switch w
         where w.account = s.account and w.subscription = s.id and w.state = 'wanted') as switch
    from tollbridge.subscription s where s.account = $1 and s.id = $2
"""


async def advance_subscription(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a subscription as far as it goes now."""
    hold_s = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S

    async def go_round(claim: Claim) -> bool:
        row = await held(claim, hold_s, VIEW)
        match decide_subscription(_seen(row)):
            case EndIt(wish=wish):
                with in_lane(Lane.COLLECT):
                    await cancel.tell_stripe(runtime, claim, wish, row["poked"])
            case HasEnded(wish=wish):
                await cancel.has_ended(claim, wish)
            case SwitchTooLate(switch=switched):
                await switch.too_late(claim, switched)
            case LookAtMethod() | GiveToStripe() | TakeFromStripe() | TakeInvoices() as step:
                with in_lane(Lane.COLLECT):
                    await switch.step(runtime, claim, step, row["customer"], row["poked"])
            case ReadSubscription():
                if not await _read(runtime, claim, row["poked"]):
                    return await _rest(claim, row)
            case Rest():
                return await _rest(claim, row)
        return False

    await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round)


def _seen(row: asyncpg.Record) -> SubscriptionState:
    asked = row["wish"]
    wish = None
    if asked is not None:
        wish = Wish(asked["id"], Ends(asked["ends"]), asked["invoice_now"], asked["prorate"], asked["comment"])
    switched = None if row["switch"] is None else switch.wish_of(row["switch"])
    return SubscriptionState(row["stale"], row["ended_at"] is not None, wish, switched)


async def _read(runtime: Runtime, claim: Claim, poked: int) -> bool:
    """Whether Stripe shows it: one may be named by an event of this account, and yet not be there."""
    asked_at = await business_now()
    try:
        with in_lane(Lane.MIRROR):
            shape = await subscriptions.read(await runtime.stripe(claim.account), claim.id)
    except StripeRefusedError as error:
        if error.status != 404:
            raise
        return False
    await store_subscription(claim.account, shape, poked, asked_at)
    return True


async def _rest(claim: Claim, row: asyncpg.Record) -> bool:
    """Let go, and tell the merchant what there is to tell."""
    now = await business_now()
    facts, found = await facts_of(claim.account, claim.id, now)
    due_at = next_trial_news_at(facts, now)
    async with DB.transaction():
        released = await rest(claim, seen=row["poked"], due_at=due_at, failures=row["failures"], now=now)
        if released:
            await tell(claim.account, facts, found, now)
    return released
