"""Walking Stripe's lists: a few pages in each turn, each page taken in together with the cursor that names the next.

A turn that dies loses nothing, and two at once do no harm: events are deduplicated by the inbox, and pokes only make
`advance` look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import structlog

from db import cases
from db.engine import DB
from db.states import Walk
from gateway.billing import lists
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError, StripeNotSentError, StripeRefusedError
from gateway.billing.pace import Lane, in_lane
from gateway.collect.cases import open_case
from gateway.collect.turn import CLAIM_MARGIN_S, FAILURES_TO_CASE
from gateway.domain.actions import CaseKind
from gateway.reconcile import cursor as cursors
from gateway.reconcile.cursor import Cursor, LostError
from gateway.reconcile.objects import STATUS, compare_invoices, compare_subscriptions, poke_what_is_gone
from gateway.reconcile.walks import OVERLAP, window
from gateway.runtime import Runtime

log = structlog.get_logger()

MOST_PAGES: Final = 50
"""Of one walk in one turn; the next turn goes on."""
WALKS_AT_ONCE: Final = 4

TakeIn: TypeAlias = Callable[[str, Sequence[bytes]], Awaitable[int]]
"""Accepts events of an account into the inbox, in the caller's transaction; returns how many were new."""
Take: TypeAlias = Callable[[], Awaitable[int]]
"""Takes a page in, in the caller's transaction; returns how much of it was new."""


async def catch_up(runtime: Runtime, now: datetime, take_in: TakeIn) -> int:
    """One turn for every enabled account, at business time `now`; returns how much was new."""
    DB.assert_no_transaction("catching up")
    slots = asyncio.Semaphore(WALKS_AT_ONCE)

    async def walk(account: str, walk: Walk, done_to: datetime) -> int:
        async with slots:
            cursor = await cursors.take(account, walk, done_to, now, _claim_s(runtime))
            if cursor is None:
                return 0
            with in_lane(Lane.CATCH_UP):
                return await _turn(runtime, cursor, now, take_in)

    return sum(await asyncio.gather(*(walk(*one) for one in await cursors.due(now))))


async def _turn(runtime: Runtime, cursor: Cursor, now: datetime, take_in: TakeIn) -> int:
    new = 0
    try:
        stripe = await runtime.stripe(cursor.account)
        for _ in range(MOST_PAGES):
            last, take = await _page(stripe, cursor, now, take_in)
            async with DB.transaction():
                new += await take()
                if last:
                    cursor = await cursors.turn_page(cursor, last, _claim_s(runtime))
                else:
                    new += await _finish(cursor, now)
                    return new
        await cursors.let_go(cursor)
    except LostError:
        pass
    except Exception as error:
        await _failed(cursor, error, now)
    return new


async def _page(stripe: StripeClient, cursor: Cursor, now: datetime, take_in: TakeIn) -> tuple[str, Take]:
    """The next page: where it ends, and how it is taken in."""
    account, after = cursor.account, cursor.page_after
    match cursor.walk:
        case Walk.EVENTS:
            of = window(cursor.done_to, cursor.began_at)
            events = await lists.events(stripe, of.since, of.until, undelivered=of.undelivered, after=after)
            return events.last, lambda: take_in(account, events.items)
        case Walk.OPEN_INVOICES | Walk.DRAFT_INVOICES | Walk.NEW_INVOICES:
            since = cursor.done_to - OVERLAP if cursor.walk is Walk.NEW_INVOICES else None
            invoices = await lists.invoices(stripe, status=STATUS.get(cursor.walk), since=since, after=after)
            return invoices.last, lambda: compare_invoices(account, invoices.items, cursor.began_at, now)
        case Walk.SUBSCRIPTIONS:
            found = await lists.living_subscriptions(stripe, after=after)
            return found.last, lambda: compare_subscriptions(account, found.items, cursor.began_at, now)


async def _finish(cursor: Cursor, now: datetime) -> int:
    gone = await poke_what_is_gone(cursor.account, cursor.walk, cursor.began_at, now)
    await cursors.finish(cursor)
    if cursor.failures:
        await cases.close_by_itself(cursor.account, cursor.walk, [CaseKind.CATCH_UP_FAILED], now)
    return gone


async def _failed(cursor: Cursor, error: Exception, now: datetime) -> None:
    """The next turn goes on with the same page. A cursor that Stripe has forgotten begins the walk again."""
    log.warning("catch_up_failed", account=cursor.account, walk=cursor.walk, error=type(error).__name__)
    forgotten = isinstance(error, StripeRefusedError) and bool(cursor.page_after)
    counts = not forgotten and not isinstance(error, StripeNotSentError)
    async with DB.transaction():
        failures = await cursors.fail(cursor, page_after="" if forgotten else cursor.page_after, counts=counts)
        if failures >= FAILURES_TO_CASE:
            told = f"{type(error).__name__}: {error}" if isinstance(error, StripeError) else type(error).__name__
            await open_case(cursor.account, CaseKind.CATCH_UP_FAILED, cursor.walk, told, now)


def _claim_s(runtime: Runtime) -> float:
    return runtime.settings.stripe_timeout_s + CLAIM_MARGIN_S
