"""Walking Stripe's and processors' lists: a few pages in a turn, each taken in together with the cursor of the next.

A turn that dies loses nothing, and two at once do no harm: events are deduplicated by the inbox, and pokes only make
`advance` look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol, TypeAlias

import msgspec
import structlog

from db import cases
from db.engine import DB
from db.states import Walk
from gateway.billing import lists
from gateway.billing.client import StripeClient
from gateway.billing.errors import StripeError, StripeNotSentError, StripeRefusedError
from gateway.billing.lists import Page
from gateway.billing.pace import Lane, in_lane
from gateway.domain.case_kinds import CaseKind
from gateway.logs import told
from gateway.reconcile import cursor as cursors
from gateway.reconcile.cursor import Cursor, LostError
from gateway.reconcile.objects import (
    STATUS,
    compare_invoices,
    compare_subscriptions,
    poke_what_is_credited,
    poke_what_is_gone,
)
from gateway.reconcile.walks import OVERLAP, window
from gateway.runtime import Runtime
from gateway.turns.calls import total_timeout_s, within
from gateway.turns.cases import open_case
from gateway.turns.turn import CLAIM_MARGIN_S, FAILURES_TO_CASE
from processors.errors import CallError, NotSentError, RefusedError
from processors.events import ProcessorEvent

log = structlog.get_logger()

MOST_PAGES: Final = 50
"""Of one walk in one turn; the next turn goes on."""
WALKS_AT_ONCE: Final = 4
LATE: Final = timedelta(days=1)
"""A walk that is turned away for so long (429, no connection), or comes to no end, is put before a human."""

ENDLESS: Final = "its pages have come to no end for a day"

Take: TypeAlias = Callable[[], Awaitable[int]]
"""Takes a page in, in the caller's transaction; returns how much of it was new."""


class Inbox(Protocol):
    """Takes listed events in, in the caller's transaction, as if they had come by webhook. Says how many were new.

    `only_thin`: the types that it heeds and that no other events tell than thin ones.
    """

    only_thin: Sequence[str]

    async def events(self, account: str, events: Sequence[bytes]) -> int:
        """Stripe's, as they were rendered."""
        ...

    async def polled(self, account: str, connection: str, events: Sequence[ProcessorEvent]) -> int:
        """A processor's."""
        ...


class Ended(StrEnum):
    """How a turn of a walk ended."""

    FINISHED = "finished"
    RUNNING = "running"
    """There are more pages."""
    TAKEN = "taken"
    """Another process walks on."""
    THROTTLED = "throttled"
    """Turned away unread."""
    REFUSED = "refused"
    FAILED = "failed"


class Turn(msgspec.Struct, frozen=True):
    """What came of a turn. `error` says what it failed of."""

    ended: Ended
    pages: int = 0
    new: int = 0
    error: str = ""


async def catch_up(runtime: Runtime, now: datetime, inbox: Inbox) -> int:
    """One turn for every walk that is due, at business time `now`; returns how much was new."""
    DB.assert_no_transaction("catching up")
    slots = asyncio.Semaphore(WALKS_AT_ONCE)

    async def walk(one: cursors.Standing) -> int:
        async with slots:
            return (await turn(runtime, one, now, inbox)).new

    came = await asyncio.gather(*(walk(one) for one in await cursors.due(now)), return_exceptions=True)
    for result in came:
        if isinstance(result, BaseException):
            raise result
    return sum(new for new in came if isinstance(new, int))


async def turn(runtime: Runtime, one: cursors.Standing, now: datetime, inbox: Inbox) -> Turn:
    """Begin a walk, or go on with it, for some pages."""
    cursor = await cursors.take(one, now, _claim_s(runtime))
    if cursor is None:
        return Turn(Ended.TAKEN)
    with in_lane(Lane.CATCH_UP):
        return await _turn(runtime, cursor, now, inbox)


async def _turn(runtime: Runtime, cursor: Cursor, now: datetime, inbox: Inbox) -> Turn:
    pages = new = 0
    try:
        for _ in range(MOST_PAGES):
            last, take = await _page(runtime, cursor, now, inbox)
            async with DB.transaction():
                new += await take()
                pages += 1
                if not last:
                    new += await _finish(cursor, now)
                    return Turn(Ended.FINISHED, pages, new)
                cursor = await cursors.turn_page(cursor, last, _claim_s(runtime))
        await cursors.let_go(cursor)
        if now - cursor.began_at > LATE:
            async with DB.transaction():
                await open_case(cursor.account, CaseKind.CATCH_UP_FAILED, cursor.subject, ENDLESS, now)
        return Turn(Ended.RUNNING, pages, new)
    except LostError:
        return Turn(Ended.TAKEN, pages, new)
    except Exception as error:
        reason = told(error, StripeError, CallError)
        await _failed(cursor, error, reason, now)
        return Turn(_ended(error), pages, new, reason)


async def _page(runtime: Runtime, cursor: Cursor, now: datetime, inbox: Inbox) -> tuple[str, Take]:
    """The next page: where it ends, and how it is taken in."""
    if cursor.walk is Walk.NOTICES:
        return await _polled(runtime, cursor, inbox)
    stripe = await runtime.stripe(cursor.account)
    if cursor.walk in (Walk.EVENTS, Walk.THIN_EVENTS):
        events = await _events(stripe, cursor, inbox.only_thin)
        return events.last, lambda: inbox.events(cursor.account, events.items)
    return await _objects(stripe, cursor, now)


async def _events(stripe: StripeClient, cursor: Cursor, only_thin: Sequence[str]) -> Page[bytes]:
    of, after = window(cursor.done_to, cursor.began_at), cursor.page_after
    if cursor.walk is Walk.THIN_EVENTS:
        return await lists.thin_events(stripe, only_thin, of.since, of.until, after=after)
    return await lists.events(stripe, of.since, of.until, undelivered=of.undelivered, after=after)


async def _objects(stripe: StripeClient, cursor: Cursor, now: datetime) -> tuple[str, Take]:
    account, after, since = cursor.account, cursor.page_after, cursor.done_to - OVERLAP
    match cursor.walk:
        case Walk.SUBSCRIPTIONS:
            found = await lists.living_subscriptions(stripe, after=after)
            return found.last, lambda: compare_subscriptions(account, found.items, cursor.began_at, now)
        case Walk.CREDIT_NOTES:
            notes = await lists.credit_notes(stripe, since=since, after=after)
            return notes.last, lambda: poke_what_is_credited(account, notes.items, now)
        case _:
            new = since if cursor.walk is Walk.NEW_INVOICES else None
            invoices = await lists.invoices(stripe, status=STATUS.get(cursor.walk), since=new, after=after)
            return invoices.last, lambda: compare_invoices(account, invoices.items, cursor.began_at, now)


async def _polled(runtime: Runtime, cursor: Cursor, inbox: Inbox) -> tuple[str, Take]:
    adapter = await runtime.connections.adapter(cursor.account, cursor.connection)
    polled = await within(adapter.poll(cursor.done_to - OVERLAP, cursor.page_after), total_timeout_s(runtime, adapter))
    return polled.cursor, lambda: inbox.polled(cursor.account, cursor.connection, polled.events)


async def _finish(cursor: Cursor, now: datetime) -> int:
    gone = await poke_what_is_gone(cursor.account, cursor.walk, cursor.began_at, now)
    await cursors.finish(cursor)
    # Whether it has failed since it was taken, or before: a case that stands is closed.
    await cases.close_by_itself(cursor.account, cursor.subject, [CaseKind.CATCH_UP_FAILED], now)
    return gone


async def _failed(cursor: Cursor, error: Exception, reason: str, now: datetime) -> None:
    """The next turn goes on with the same page. A cursor that is refused may have been forgotten: the walk begins
    again, and that counts as well, so that a page which is refused for ever does not go round for ever unseen."""
    log.warning("catch_up_failed", account=cursor.account, walk=cursor.walk, error=type(error).__name__)
    ended, late = _ended(error), now - cursor.began_at > LATE
    async with DB.transaction():
        page_after = "" if ended is Ended.REFUSED else cursor.page_after
        failures = await cursors.fail(cursor, reason, now, page_after=page_after, counts=ended is not Ended.THROTTLED)
        if failures >= FAILURES_TO_CASE or late:
            await open_case(cursor.account, CaseKind.CATCH_UP_FAILED, cursor.subject, reason, now)


def _ended(error: Exception) -> Ended:
    match error:
        case StripeNotSentError() | NotSentError():
            return Ended.THROTTLED
        case StripeRefusedError() | RefusedError():
            return Ended.REFUSED
        case _:
            return Ended.FAILED


def _claim_s(runtime: Runtime) -> float:
    """A claim outlasts the call of either side."""
    return max(runtime.settings.stripe_timeout_s, runtime.settings.processor_timeout_s) + CLAIM_MARGIN_S
