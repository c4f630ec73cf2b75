"""The worker's part of the inbox: every stored delivery comes to one of three ends.

Most of Stripe's events need no call and are routed together, in one transaction for each account. What needs a call, a
processor's notices, and whatever failed in company is routed alone: its try is counted before it is made, so that it
ends parked with a case even if it kills its worker, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import structlog

from db.engine import DB
from gateway.billing.errors import StripeError
from gateway.clock import business_now
from gateway.inbox import deliveries, notices, stripe_events
from gateway.inbox.deliveries import MOST_BEGUN, MOST_TRIES, UNMATCHED_FOR, End, Stored, parked
from gateway.inbox.envelope import STRIPE
from gateway.inbox.notices import LookupInconclusiveError, UnmatchedError
from gateway.inbox.stripe_events import Plan
from gateway.inbox.table import Fetch, Payment, Report
from gateway.logs import told
from gateway.moment import moment
from gateway.runtime import Runtime

log = structlog.get_logger()

BATCH: Final = 200
"""Deliveries that are routed together at most."""
ALONE_AT_ONCE: Final = 8
"""Deliveries of one job that may wait for somebody's answer at the same time."""


class Router:
    """The routing of one process: what is asked for while a batch is being routed shares the next one."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._wanted: dict[str, None] = {}
        self._turn = asyncio.Lock()

    async def route(self, ids: Sequence[str]) -> None:
        """Route those of `ids` that are stored and due. Raises only what the database raises.

        What a batch that failed took along for others is found again by the sweep.
        """
        self._wanted |= dict.fromkeys(ids)
        with moment():
            alone: list[Stored] = []
            async with self._turn:
                while not self._wanted.keys().isdisjoint(ids):
                    batch = list(self._wanted)[:BATCH]
                    for one in batch:
                        del self._wanted[one]
                    alone += await _in_company(self._runtime, batch)
            await _each(self._runtime, alone)


async def _in_company(runtime: Runtime, ids: Sequence[str]) -> list[Stored]:
    """Route what can be routed together; returns what must be routed alone."""
    stored = await deliveries.due(runtime.keyring, ids)
    now = await business_now()
    alone: list[Stored] = []
    together: dict[str, list[tuple[Stored, Plan]]] = defaultdict(list)
    payments: dict[str, dict[str, Payment]] = defaultdict(dict)
    for delivery in stored:
        plan = _planned(delivery)
        if isinstance(plan, Payment):
            payments[delivery.account][delivery.id] = plan
        elif plan is None or isinstance(plan, Fetch | Report):
            alone.append(delivery)
        else:
            together[delivery.account].append((delivery, plan))
    for account, asked in payments.items():
        plans = await stripe_events.mirrored(account, asked)
        of_account = [delivery for delivery in stored if delivery.id in asked]
        together[account] += [(d, plans[d.id]) for d in of_account if d.id in plans]
        alone += [d for d in of_account if d.id not in plans]
    for account, planned in together.items():
        alone += await _together(account, planned, now)
    return alone


async def _each(runtime: Runtime, alone: Sequence[Stored]) -> None:
    if not alone:
        return
    now = await business_now()
    slots = asyncio.Semaphore(ALONE_AT_ONCE)
    tries = (_alone(runtime, delivery, now, slots) for delivery in alone)
    for result in await asyncio.gather(*tries, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _planned(delivery: Stored) -> Plan | Payment | Fetch | Report | None:
    """What can be routed in company; None for what goes alone: notices, what failed before, and what can't be read."""
    if delivery.source != STRIPE or delivery.tries:
        return None
    try:
        return stripe_events.plan(delivery)
    except Exception:
        return None  # alone it raises again, and is counted


async def _together(account: str, planned: Sequence[tuple[Stored, Plan]], now: datetime) -> list[Stored]:
    """One transaction for all; returns those that must be tried one by one, since one of them can't be stored."""
    try:
        async with DB.transaction():
            ours = await deliveries.lock([delivery.id for delivery, _ in planned])
            plans = {delivery.id: plan for delivery, plan in planned if delivery.id in ours}
            ends = await stripe_events.apply(account, plans, now)
            await deliveries.finish(ends, dict.fromkeys(ends, account), now)
    except Exception as error:
        log.warning("routing_batch_failed", account=account, size=len(planned), error=type(error).__name__)
        return [delivery for delivery, _ in planned]
    return []


async def _alone(runtime: Runtime, delivery: Stored, now: datetime, slots: asyncio.Semaphore) -> None:
    async with slots:
        tries = await deliveries.begin(delivery.id, now)
        if tries is None:
            return
        if tries > MOST_BEGUN:
            await _end(delivery, parked(f"{MOST_BEGUN} tries came to nothing"), now)
            return
        try:
            await (_stripe_event if delivery.source == STRIPE else _notice)(runtime, delivery, now)
        except UnmatchedError as error:
            await _unmatched(delivery, str(error), now)
        except Exception as error:
            await _failed(delivery, error, tries, now)


async def _stripe_event(runtime: Runtime, delivery: Stored, now: datetime) -> None:
    plan = await stripe_events.resolve(runtime, delivery.account, stripe_events.plan(delivery))
    async with DB.transaction():
        if delivery.id in await deliveries.lock([delivery.id]):
            ends = await stripe_events.apply(delivery.account, {delivery.id: plan}, now)
            await deliveries.finish(ends, {delivery.id: delivery.account}, now)


async def _notice(runtime: Runtime, delivery: Stored, now: datetime) -> None:
    steps, not_yet = await notices.plan(runtime, delivery, now)
    async with DB.transaction():
        if delivery.id in await deliveries.lock([delivery.id]):
            end = await notices.apply(steps)
            if not_yet is None:
                await deliveries.finish({delivery.id: end}, {delivery.id: delivery.account}, now)
    if not_yet is not None:
        raise not_yet


async def _unmatched(delivery: Stored, reason: str, now: datetime) -> None:
    """Our row may come yet; after a day a human compares the two sides."""
    give_up_at = delivery.received_at + UNMATCHED_FOR
    if now >= give_up_at:
        await _end(delivery, parked(reason), now)
    else:
        await deliveries.again(delivery, reason, before=give_up_at)


async def _failed(delivery: Stored, error: Exception, tries: int, now: datetime) -> None:
    log.warning("routing_failed", delivery=delivery.id, kind=delivery.kind, tries=tries, error=type(error).__name__)
    if tries >= MOST_TRIES:
        reason = told(error, StripeError, LookupInconclusiveError)
        await _end(delivery, parked(f"{tries} tries failed: {reason}"), now)


async def _end(delivery: Stored, end: End, now: datetime) -> None:
    async with DB.transaction():
        if delivery.id in await deliveries.lock([delivery.id]):
            await deliveries.finish({delivery.id: end}, {delivery.id: delivery.account}, now)
