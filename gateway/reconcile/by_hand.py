"""Catching up by hand: every walk of an account, now and to its end, and whether anything can still be missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from db import sql
from db.states import Walk
from gateway.clock import business_now
from gateway.reconcile import cursor as cursors
from gateway.reconcile.catch_up import Ended, Inbox, Turn, turn
from gateway.reconcile.cursor import Standing
from gateway.reconcile.walks import GRACE, forgotten_before
from gateway.runtime import Runtime

MOST_TURNS: Final = 2_000
"""Of one walk: ten million objects."""
HELD_S: Final = 120.0
"""A walk that a worker holds is waited for so long; its claim ends before, if that worker is gone."""
ROUTED_S: Final = 30.0
"""What was taken in is waited for so long; it is routed in seconds, or comes to nothing for hours."""
POLL_S: Final = 0.2
FORGOTTEN: Final = frozenset({Walk.EVENTS, Walk.THIN_EVENTS})
"""What Stripe lists for a time only."""

LEFT: Final = "select count(*) from tollbridge.delivery where account = $1 and state = 'stored' and received_at <= $2"


class Walked(msgspec.Struct, frozen=True):
    """What came of one walk. `connection` is empty for Stripe's lists; `error` says what a walk ended of that did not
    come to its end."""

    walk: str
    connection: str
    ended: Ended
    pages: int
    new: int
    done_to: datetime
    error: str = ""


class Report(msgspec.Struct, frozen=True):
    """What came of all of them. `unrouted`: deliveries of the account that have not come to an end yet.

    `forgotten_before`: Stripe has forgotten the events from before, which should have been listed. Of that time only
    what still stands there was compared.
    """

    walks: tuple[Walked, ...]
    unrouted: int
    forgotten_before: datetime | None = None

    @property
    def up_to(self) -> datetime | None:
        """Nothing from before this can be missing; None where that can't be said."""
        if self.unrouted or not self.walks or any(one.ended is not Ended.FINISHED for one in self.walks):
            return None
        # Younger events are left to their webhook.
        return min(one.done_to for one in self.walks) - GRACE


Told: TypeAlias = Callable[[Standing, Turn], None]


async def catch_up_now(
    runtime: Runtime, account: str, inbox: Inbox, told: Told, *, since: datetime | None = None
) -> Report:
    """Walk everything of an account, whether or not it is due; from `since` on, where that is given.

    A walk that is refused, turned away or fails is not tried again: the timers go on with it. `told` hears of every
    turn.
    """
    walks, now = await cursors.standing(account), await business_now()
    from_ = [one.done_to if since is None else min(one.done_to, since) for one in walks if one.walk in FORGOTTEN]
    walked = [await _walk(runtime, one, inbox, told, since) for one in walks]
    unrouted = await _unrouted(account, await business_now())
    return Report(tuple(walked), unrouted, forgotten_before(min(from_), now) if from_ else None)


async def _walk(runtime: Runtime, one: Standing, inbox: Inbox, told: Told, since: datetime | None) -> Walked:
    """To its end. One that was under way already has begun some time ago, and is walked once more after it."""
    began, held_s, pages, new = await business_now(), 0.0, 0, 0
    came = Turn(Ended.TAKEN)
    rewound = since is None
    for _ in range(MOST_TURNS):
        if not rewound and since is not None:
            rewound = await cursors.rewind(one, since) is not None
        one = await _now(one)
        came = await turn(runtime, one, await business_now(), inbox) if rewound else Turn(Ended.TAKEN)
        pages, new = pages + came.pages, new + came.new
        told(one, came)
        if came.ended is Ended.TAKEN and held_s < HELD_S:
            held_s += POLL_S
            await asyncio.sleep(POLL_S)
        elif came.ended is Ended.FINISHED and (await _now(one)).done_to < began:
            continue
        elif came.ended is not Ended.RUNNING:
            break
    done_to = (await _now(one)).done_to
    error = came.error or ("another process holds it" if came.ended is Ended.TAKEN else "")
    return Walked(one.walk, one.connection_name, came.ended, pages, new, done_to, error)


async def _now(one: Standing) -> Standing:
    """The same walk as it stands now; a worker may have gone on with it."""
    standing = await cursors.standing(one.account)
    return next((s for s in standing if (s.walk, s.connection) == (one.walk, one.connection)), one)


async def _unrouted(account: str, until: datetime) -> int:
    """What is left of the deliveries that were there by then, once the workers have had a moment."""
    for _ in range(int(ROUTED_S / POLL_S)):
        left = int(await sql.value(LEFT, account, until))
        if not left:
            return 0
        await asyncio.sleep(POLL_S)
    return left
