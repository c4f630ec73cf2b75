"""Switching who collects a subscription, how or what with: asked for here, done in the subscription's own turn.

What is asked is stored and nothing more. Every call says how it is to be, so that a worker that dies anywhere is
followed by one that makes it once more. Whoever collected an invoice goes on with it until it is taken in its own turn
(`collect/switched.py`), so that at every moment one collects it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, TypeAlias

import asyncpg
import msgspec

from db import poke, sql
from db.engine import DB
from db.ids import derived_key, new_id
from db.poke import Claim, Kind
from db.states import Collection, Collector, MethodStatus, OpenInvoices, SwitchState
from gateway.accounts.accounts import policy_of
from gateway.accounts.audit import Author, bounded
from gateway.accounts.errors import FieldError
from gateway.billing import invoices, subscriptions
from gateway.billing.errors import StripeRefusedError
from gateway.billing.invoices import ListedInvoice
from gateway.clock import business_now
from gateway.collect import switch_wish
from gateway.collect.mirror import store_subscription
from gateway.collect.switch_wish import Asked
from gateway.collect.unsettled import unsettled
from gateway.domain.case_kinds import CaseKind
from gateway.domain.subscription import (
    ENDED,
    GiveToStripe,
    LeaveToPayer,
    LookAtMethod,
    SwitchWish,
    TakeFromStripe,
    TakeInvoices,
    undone_by,
)
from gateway.finance.errors import AlreadyRunningError
from gateway.runtime import Runtime
from gateway.subscriptions import stripe_method
from gateway.subscriptions.errors import ScheduledError
from gateway.subscriptions.known import LONGEST_REASON, hold_living, living
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S
from gateway.waiting import until

AT_STRIPE: Final = re.compile(r"[A-Za-z]+_[A-Za-z0-9_]{1,200}")
"""Somebody types it, and it becomes a part of an address at Stripe: `pm_…`, of old ones `card_…`, `src_…`, `ba_…`."""
Step: TypeAlias = LookAtMethod | GiveToStripe | TakeFromStripe | TakeInvoices | LeaveToPayer

RESOLVE: Final = """
    update tollbridge.switch set state = $2, error = $3, resolved_at = $4 where id = $1 and state = 'wanted'
    returning id, by_payer
"""
HALFWAY: Final = """
    update tollbridge.switch set halfway_at = $2, stripe_payment_method = coalesce($3, stripe_payment_method)
    where id = $1 and state = 'wanted'
"""
OPTED_OUT: Final = "select opted_out from tollbridge.customer where account = $1 and id = $2"
STATE: Final = "select state, error from tollbridge.switch where account = $1 and id = $2"
# A method that was given for other subscriptions may be given for this one too, by who names it.
CHARGEABLE: Final = """
    select p.id from tollbridge.payment_method p join tollbridge.connection n on n.id = p.connection and n.enabled
    where p.account = $1 and p.customer = $2 and p.status = 'active'
      and (n.currencies = '{}' or not exists (
          select 1 from tollbridge.invoice i where i.account = $1 and i.subscription = $3 and i.currency <> ''
            and i.currency <> all(n.currencies)))
      and case when $4::text is null then tollbridge.serves($1, p.id, $3) else p.id = $4 end
    order by p.position, p.created_at limit 1 for no key update of p
"""
METHODS: Final = """
    select id, status from tollbridge.payment_method where account = $1 and customer = $2 and status <> 'revoked'
    order by id for no key update
"""
# What was for it alone, and what it was charged to so far.
RETIRE: Final = """
    update tollbridge.payment_method p set retiring = true
    where p.account = $1 and p.customer = $2 and p.status <> 'revoked' and p.id <> $4
      and (p.id = (select s.payment_method from tollbridge.subscription s where s.account = $1 and s.id = $3)
           or exists (select 1 from tollbridge.attempt t join tollbridge.invoice i
                          on i.account = t.account and i.id = t.invoice
                      where t.account = $1 and t.payment_method = p.id and i.subscription = $3))
"""
NEW_ONE_GONE: Final = "the payment method could not be charged any more by then: those before stay"
STAYS: Final = "update tollbridge.payment_method set retiring = false, alone = true where account = $1 and id = $2"
LIVING: Final = """
    select id from tollbridge.invoice
    where account = $1 and subscription = $2 and status in ('draft', 'open') order by id
"""
COLLECT: Final = "update tollbridge.subscription set collection = $3 where account = $1 and id = $2"
BIND: Final = "update tollbridge.subscription set payment_method = $3 where account = $1 and id = $2"
TAKE: Final = """
    update tollbridge.invoice set collector = 'gateway', collect_by = $3, taken_at = null, subscription = $4
    where account = $1 and id = any($2)
      -- One that was ours, and that somebody has had Stripe advance again, is taken once more.
      and (collector is distinct from 'gateway' or taken_at is not null and id = any($5))
"""
# What Stripe has not let go of yet is still taken, and finished by us. What was declined there is tried once more.
GIVE: Final = """
    update tollbridge.invoice i set collector = 'stripe'
    where i.account = $1 and i.subscription = $2 and i.status in ('draft', 'open')
      and (i.collection_method = 'send_invoice' or i.taken_at is not null)
      and not exists (select 1 from tollbridge.hand_over h
                      where h.account = i.account and h.invoice = i.id and h.resolved_at is null)
    returning i.id
"""
HAND_OVER: Final = """
    insert into tollbridge.hand_over (id, account, invoice, stripe_payment_method, idempotency_key, state, created_at)
    values ($1, $2, $3, $4, $5, 'wanted', $6)
"""
# What Stripe may be charging at this moment is ours once it has said no (`collect/switched.py`).
BACK: Final = """
    with back as (
        update tollbridge.invoice i set collector = case when taken_at is not null then 'gateway' end
        where account = $1 and subscription = $2 and collector = 'stripe' and status in ('draft', 'open')
          and not exists (select 1 from tollbridge.hand_over h
                          where h.account = i.account and h.invoice = i.id and h.state = 'sending')
        returning id)
    update tollbridge.hand_over h set state = 'withdrawn', resolved_at = $3
    from back where h.account = $1 and h.invoice = back.id and h.resolved_at is null
"""


async def ask(by: Author, account: str, subscription: str, asked: Asked) -> str:
    """Have a subscription switched; the id of the switch. It takes the place of one that still waits.

    Raises NotThereError, FieldError, SubscriptionEndedError, ScheduledError, AlreadyRunningError.
    """
    bounded(by.reason, LONGEST_REASON)
    _refuse_strangers(asked)
    now, policy = await business_now(), await policy_of(account)
    async with DB.transaction():
        if asked.to is Collector.GATEWAY:
            # Payment methods are locked before subscriptions.
            await _hold_method(account, await living(account, subscription), asked.payment_method)
        row = await hold_living(account, subscription)
        if asked.to is not Collector.STRIPE and row["collection_method"] != "send_invoice":
            await _refuse_left_alone(account, row["customer"])
        _refuse_scheduled(row, asked)
        if asked.to is not Collector.STRIPE:
            asked = msgspec.structs.replace(asked, days_until_due=_days(asked, row, policy.days_until_due))
        switch = await switch_wish.want(account, subscription, asked, now)
        before = {"collection_method": row["collection_method"], "payment_method": row["payment_method"]}
        after = {key: value for key, value in msgspec.structs.asdict(asked).items() if value not in (False, "", None)}
        await by.note(account, "subscription.switch", subscription, before=before, after=after)
    return switch


async def wait_for(account: str, switch: str, wait_s: float) -> SwitchState:
    """How it stands once it is done, or after `wait_s` seconds of machine time.

    Raises StripeRefusedError with the reason where it can't be.
    """

    async def look() -> asyncpg.Record:
        row = await sql.row(STATE, account, switch)
        assert row is not None, "switches are not deleted"
        return row

    async def rests(row: asyncpg.Record) -> bool:
        return bool(row["state"] != SwitchState.WANTED)

    row = await until(rests, look, wait_s)
    state = SwitchState(row["state"])
    if state is SwitchState.REFUSED:
        raise StripeRefusedError(row["error"], status=400)
    return state


def wish_of(row: asyncpg.Record) -> SwitchWish:
    """A row as the rules see it."""
    return SwitchWish(
        id=row["id"],
        collector=Collector(row["collector"]),
        halfway=row["halfway_at"] is not None,
        payment_method=row["payment_method"],
        stripe_payment_method=row["stripe_payment_method"],
        open_invoices=OpenInvoices(row["open_invoices"]),
        days_until_due=row["days_until_due"],
        retire=row["retire"],
    )


async def step(runtime: Runtime, claim: Claim, wanted: Step, customer: str, poked: int) -> None:
    """Do one step. Raises StripeError where Stripe may not have heard it; the next turn does it again."""
    try:
        match wanted:
            case LookAtMethod(switch=switch):
                method = await stripe_method.usable(runtime, claim.account, customer, switch.stripe_payment_method)
                await _halfway(claim, switch, method)
            case GiveToStripe(switch=switch):
                await _give(runtime, claim, switch, poked)
            case TakeFromStripe(switch=switch):
                params = {"collection_method": "send_invoice", "days_until_due": switch.days_until_due}
                await _update(runtime, claim, params, poked)
                await _halfway(claim, switch)
            case TakeInvoices(switch=switch):
                found = await invoices.charged_by_stripe(await runtime.stripe(claim.account), claim.id)
                await _take(claim, switch, customer, found)
            case LeaveToPayer(switch=switch):
                await _leave(claim, switch)
    except (StripeRefusedError, stripe_method.UnusableMethodError) as error:
        await refuse(claim, wanted.switch, str(error))


async def refuse(claim: Claim, switch: SwitchWish, reason: str) -> None:
    """It can't be. Whoever has asked is told; of what a payer has begun a human is, while there is more to collect.

    One that another has taken the place of stays as it is.
    """
    now = await business_now()
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        refused = await sql.row(RESOLVE, switch.id, SwitchState.REFUSED, sql.storable(reason, 500), now)
        if refused is not None and refused["by_payer"] and reason != ENDED:
            await open_case(claim.account, CaseKind.SWITCH_REFUSED, claim.id, reason, now)


async def _give(runtime: Runtime, claim: Claim, switch: SwitchWish, poked: int) -> None:
    params = {"collection_method": "charge_automatically", "default_payment_method": switch.stripe_payment_method}
    await _update(runtime, claim, params, poked)
    now, account = await business_now(), claim.account
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await sql.row(RESOLVE, switch.id, SwitchState.DONE, "", now) is None:
            return
        if switch.open_invoices is OpenInvoices.HAND_OVER:
            waiting = await unsettled(account, "subscription", [claim.id])
            await poke.poke(Kind.INVOICE, account, waiting, now)
            for row in await sql.rows(GIVE, account, claim.id):
                hand_over, key = new_id("hov"), derived_key("hand_over", account, row["id"], switch.id)
                method = switch.stripe_payment_method
                await sql.rows(HAND_OVER, hand_over, account, row["id"], method, key, now)


async def _update(runtime: Runtime, claim: Claim, params: Mapping[str, Any], poked: int) -> None:
    """One call; its answer is the mirror."""
    stripe, asked_at = await runtime.stripe(claim.account), await business_now()
    shape = await subscriptions.update(stripe, claim.id, params)
    await store_subscription(claim.account, shape, poked, asked_at)


async def _take(claim: Claim, switch: SwitchWish, customer: str, found: Sequence[ListedInvoice]) -> None:
    """It is ours, with its method; what Stripe still charges by itself is taken by each invoice's own turn."""
    now, account = await business_now(), claim.account
    assert switch.days_until_due is not None, "what we collect is due some day"
    async with DB.transaction():
        # Payment methods are locked before subscriptions, and those before invoices.
        methods = {row["id"]: row["status"] for row in await sql.rows(METHODS, account, customer)}
        await poke.hold(claim, CLAIM_MARGIN_S)
        gone = switch.payment_method is not None and methods.get(switch.payment_method) != MethodStatus.ACTIVE
        if await sql.row(RESOLVE, switch.id, SwitchState.DONE, NEW_ONE_GONE if gone else "", now) is None:
            return
        if switch.payment_method is not None and not gone:
            if switch.retire:
                await sql.rows(RETIRE, account, customer, claim.id, switch.payment_method)
            await sql.rows(STAYS, account, switch.payment_method)
            await sql.rows(BIND, account, claim.id, switch.payment_method)
            await poke.poke(Kind.METHOD, account, list(methods), now)
        await sql.rows(COLLECT, account, claim.id, Collection.PROCESSOR)
        waiting = await unsettled(account, "subscription", [claim.id])
        ids, collect_by = [one.id for one in found], now + timedelta(days=switch.days_until_due)
        await poke.poke(Kind.INVOICE, account, [*ids, *waiting], now, stale=True)
        advanced = [one.id for one in found if one.auto_advance]
        await sql.rows(BACK, account, claim.id, now)
        await sql.rows(TAKE, account, ids, collect_by, claim.id, advanced)


async def _leave(claim: Claim, switch: SwitchWish) -> None:
    """Its payer pays what is sent. What Stripe charges by itself goes on there: both are Stripe's, so nobody pays
    twice."""
    now, account = await business_now(), claim.account
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        if await sql.row(RESOLVE, switch.id, SwitchState.DONE, "", now) is None:
            return
        await sql.rows(COLLECT, account, claim.id, Collection.HOSTED)
        # Also those that were left alone, for want of a connection that takes their currency, say.
        living = [row["id"] for row in await sql.rows(LIVING, account, claim.id)]
        await poke.poke(Kind.INVOICE, account, living, now, stale=True)
        await sql.rows(BACK, account, claim.id, now)


async def _halfway(claim: Claim, switch: SwitchWish, stripe_payment_method: str | None = None) -> None:
    async with DB.transaction():
        await poke.hold(claim, CLAIM_MARGIN_S)
        await sql.rows(HALFWAY, switch.id, await business_now(), stripe_payment_method)


def _refuse_strangers(asked: Asked) -> None:
    """Raise FieldError for what does not go with whom it is switched to."""
    handed = "" if asked.open_invoices is OpenInvoices.FINISH else asked.open_invoices
    goes_with = {
        "payment_method": (asked.payment_method, {Collector.GATEWAY}),
        "retire": (asked.retire, {Collector.GATEWAY}),
        "days_until_due": (asked.days_until_due, {Collector.GATEWAY, Collector.HOSTED}),
        "stripe_payment_method": (asked.stripe_payment_method, {Collector.STRIPE}),
        "open_invoices": (handed, {Collector.STRIPE}),
    }
    for name, (value, targets) in goes_with.items():
        if value not in ("", None, False) and asked.to not in targets:
            told = " or ".join(f'`to: "{one}"`' for one in sorted(targets))
            raise FieldError(name, f"only with {told}")
    if asked.stripe_payment_method and not AT_STRIPE.fullmatch(asked.stripe_payment_method):
        raise FieldError("stripe_payment_method", "is no payment method's id at Stripe, such as pm_1MqLiJLkdIwHu7ix")
    if asked.retire and not asked.payment_method:
        raise FieldError("retire", "only with the `payment_method` that takes their place")


async def _refuse_left_alone(account: str, customer: str) -> None:
    """Raise FieldError for a customer whose invoices nobody would collect then."""
    if await sql.value(OPTED_OUT, account, customer):
        raise FieldError("to", "the customer has opted out, and is left alone here: undo that first")


def _refuse_scheduled(row: asyncpg.Record, asked: Asked) -> None:
    """Raise ScheduledError where the next phase would put back what is switched."""
    collected_here = row["collection_method"] == "send_invoice"
    if row["schedule"] and collected_here is (asked.to is Collector.STRIPE):
        raise ScheduledError(undone_by(row["schedule"]))


async def _hold_method(account: str, row: asyncpg.Record, method: str) -> None:
    """Lock the method that will be charged, so that its upkeep does not let go of it before it sees the wish.

    Raises FieldError where there is none, AlreadyRunningError for a subscription that was never read.
    """
    if not row["customer"]:
        raise AlreadyRunningError("Stripe is about to be asked what the subscription is; ask again")
    if await sql.row(CHARGEABLE, account, row["customer"], row["id"], method or None) is None:
        detail = "is no active payment method of the subscription's customer, at a connection that takes its currency"
        if not method:
            detail = "the customer has none that can be charged: have one given first, in a payment method session"
        raise FieldError("payment_method", detail)


def _days(asked: Asked, row: asyncpg.Record, usual: int) -> int:
    """As asked; else as it has them where its invoices are sent already; else the account's policy."""
    own = row["days_until_due"] if row["collection_method"] == "send_invoice" else None
    return next(days for days in (asked.days_until_due, own, usual) if days is not None)
