"""`advance` of a subscription: tell Stripe what is wanted of it, keep our row as Stripe shows it, tell its unsettled
invoices when it changed, and the merchant when its access did.

Access waits for no call: while it is closed it is worked out before Stripe is asked anything, and also where another
worker holds the subscription, who may be waiting for Stripe.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.poke import Claim, Kind, WakeUp
from db.states import AccessState, CancellationOrigin, Ends
from gateway.access import gate
from gateway.billing import subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.clock import business_now
from gateway.collect.mirror import store_subscription
from gateway.customers import customer
from gateway.domain.agreement import Methods
from gateway.domain.policy import Policy
from gateway.domain.session import Rest
from gateway.domain.subscription import (
    EndIt,
    GiveToStripe,
    HasEnded,
    LeaveToPayer,
    LookAtMethod,
    ReadCustomer,
    ReadSubscription,
    RefuseSwitch,
    SubscriptionState,
    TakeFromStripe,
    TakeInvoices,
    WantEnd,
    Wish,
    Withdraw,
    decide_subscription,
)
from gateway.domain.subscription_news import next_trial_news_at
from gateway.runtime import Runtime
from gateway.subscriptions import cancel, switch
from gateway.subscriptions.trials import facts_of, tell
from gateway.turns.turn import CLAIM_MARGIN_S, held, rest, take_turn

MOST_ROUNDS: Final = 8
AGREEMENT_ENDED: Final = "The payer ended the agreement at the payment processor."
"""Stands at Stripe as the cancellation's comment."""

VIEW: Final = """
    select s.poked, s.stale, s.failures, s.ended_at, s.read_at, s.cancel_at_period_end, s.cancel_at, a.policies,
        s.customer, s.schedule, s.access, coalesce(k.may_be_deleted, false) as may_be_deleted,
        s.collection_method = 'send_invoice' and tollbridge.collection(s.account, s.customer, s.id) = 'processor'
            and not coalesce(k.opted_out, false) as ours,
        s.collection_method = 'send_invoice'
            and tollbridge.collection(s.account, s.customer, s.id) = 'hosted' as hosted,
        (select c from tollbridge.cancellation c
         where c.account = s.account and c.subscription = s.id and c.state = 'wanted') as wish,
        (select coalesce(c.flush_from, tollbridge.business_now()) from tollbridge.cancellation c
         where c.account = s.account and c.subscription = s.id and c.state = 'wanted' and c.invoice_now
           and exists (select 1 from tollbridge.usage_event e
                       where e.account = s.account and e.customer = s.customer and e.state in ('accepted', 'sending')
                         -- Two servers' clocks may differ a little.
                         and e.created_at <= c.created_at + interval '5 seconds')) as unsent_since,
        -- It may be dated five minutes ahead.
        (select max(e.used_at) from tollbridge.cancellation c join tollbridge.usage_event e
             on e.account = s.account and e.customer = s.customer and e.state <> 'refused'
            and e.created_at between c.created_at - interval '6 minutes' and c.created_at + interval '5 seconds'
         where c.account = s.account and c.subscription = s.id and c.state = 'wanted' and c.invoice_now) as used_at,
        (select w from tollbridge.switch w
         where w.account = s.account and w.subscription = s.id and w.state = 'wanted') as switch,
        s.collection_method = 'charge_automatically' as at_stripe,
        exists (select 1 from tollbridge.cancellation c
                where c.account = s.account and c.id = s.ends_by and c.origin = 'agreement') as by_agreement,
        exists (select 1 from tollbridge.payment_method p where p.account = s.account and p.customer = s.customer
                  and p.status = 'active' and tollbridge.serves(p.account, p.id, s.id)) as method_left,
        array(select p from tollbridge.payment_method p where p.account = s.account and p.customer = s.customer
                and not p.end_answered and tollbridge.serves(p.account, p.id, s.id)
              order by p.revoked_at, p.id) as ended_methods,
        exists (select 1 from tollbridge.cancellation c
                where c.account = s.account and c.subscription = s.id and c.created_at >= (
                    select max(p.revoked_at) from tollbridge.payment_method p where p.account = s.account
                      and p.customer = s.customer and not p.end_answered
                      and tollbridge.serves(p.account, p.id, s.id))) as answered,
        exists (select 1 from tollbridge.payment_method_session w
                where w.account = s.account and w.customer = s.customer and w.state = 'processing')
        or exists (select 1 from tollbridge.checkout_session w
                   where w.account = s.account and w.customer = s.customer and w.state = 'processing') as method_coming
    from tollbridge.subscription s join tollbridge.account a on a.id = s.account
    left join tollbridge.customer k on k.account = s.account and k.id = s.customer and s.customer <> ''
    where s.account = $1 and s.id = $2
"""


async def advance_subscription(runtime: Runtime, wake_up: WakeUp) -> None:
    """Bring a subscription as far as it goes now."""
    hold_s, looked = runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S, False

    async def go_round(claim: Claim) -> bool:
        nonlocal looked
        row, now = await held(claim, hold_s, VIEW), await business_now()
        if row["wish"] is not None and row["unsent_since"] is not None:
            await sql.rows(cancel.FLUSHING, row["wish"]["id"], now)
        step = decide_subscription(_seen(row), now)
        if not (looked or isinstance(step, Rest) or row["access"] == AccessState.GRANTED):
            await gate.settle(claim.account, claim.id, now)
        looked = True
        match step:
            case EndIt(wish=wish, unsent=unsent):
                with in_lane(Lane.COLLECT):
                    await cancel.tell_stripe(runtime, claim, wish, row["poked"], unsent=unsent)
            case HasEnded(wish=wish):
                await cancel.has_ended(claim, wish)
            case WantEnd(ends=ends):
                await _want(claim, hold_s, ends, row["poked"], now)
            case Withdraw(wish=wish, reason=reason):
                await cancel.withdraw(claim, wish, reason)
            case RefuseSwitch(switch=switched, reason=reason):
                await switch.refuse(claim, switched, reason)
            case LookAtMethod() | GiveToStripe() | TakeFromStripe() | TakeInvoices() | LeaveToPayer():
                with in_lane(Lane.COLLECT):
                    await switch.step(runtime, claim, step, row["customer"], row["poked"])
            case ReadSubscription():
                if not await _read(runtime, claim, row["poked"]):
                    return await _rest(claim, row)
            case ReadCustomer():
                with in_lane(Lane.MIRROR):
                    await customer.look(runtime, claim.account, row["customer"], now)
            case Rest(at=at):
                return await _rest(claim, row, at)
        return False

    if not await take_turn(wake_up, hold_s, MOST_ROUNDS, go_round):
        await gate.settle(wake_up.account, wake_up.id, await business_now())


def _seen(row: asyncpg.Record) -> SubscriptionState:
    ended_at = [method["revoked_at"] for method in row["ended_methods"]]
    return SubscriptionState(
        stale=row["stale"],
        ended=row["ended_at"] is not None,
        wish=row["wish"] and _wish(row["wish"], row["unsent_since"], row["used_at"]),
        ours=row["ours"],
        ending=row["cancel_at_period_end"] or row["cancel_at"] is not None,
        by_agreement=row["by_agreement"],
        read_at=row["read_at"],
        methods=Methods(row["method_left"], max(ended_at, default=None), row["method_coming"], row["answered"]),
        orphaned=row["may_be_deleted"],
        at_stripe=row["at_stripe"],
        hosted=row["hosted"],
        switch=row["switch"] and switch.wish_of(row["switch"]),
        policy=msgspec.json.decode(row["policies"], type=Policy),
        schedule=row["schedule"],
    )


def _wish(row: asyncpg.Record, unsent_since: datetime | None, used_at: datetime | None) -> Wish:
    return Wish(
        row["id"],
        Ends(row["ends"]),
        row["invoice_now"],
        row["prorate"],
        row["comment"],
        CancellationOrigin(row["origin"]),
        row["sent_at"] is not None,
        unsent_since,
        used_at,
    )


async def _want(claim: Claim, hold_s: float, ends: Ends, poked: int, now: datetime) -> None:
    comment = "" if ends is Ends.NEVER else AGREEMENT_ENDED
    async with DB.transaction():
        if await poke.hold(claim, hold_s) != poked:
            # Somebody may have said meanwhile whether it is to end: that is not ours to replace.
            return
        await cancel.want(
            claim.account, claim.id, cancel.Asked(ends, comment=comment), CancellationOrigin.AGREEMENT, now
        )


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


async def _rest(claim: Claim, row: asyncpg.Record, at: datetime | None = None) -> bool:
    """Let go until then, and tell the merchant what there is to tell."""
    now = await business_now()
    facts = await facts_of(claim.account, claim.id)
    async with DB.transaction():
        # What the end of a payment method means is settled for this one; the method tells of all of them.
        await poke.poke(Kind.METHOD, claim.account, [method["id"] for method in row["ended_methods"]], now)
        access = await gate.settle(claim.account, claim.id, now)
        assert access is not None, "a claimed object exists"
        times = (at, next_trial_news_at(facts, now), access.closes_at)
        due_at = min((one for one in times if one is not None), default=None)
        released = await rest(claim, seen=row["poked"], due_at=due_at, failures=row["failures"], now=now)
        if released:
            await tell(claim.account, facts, now)
    return released
