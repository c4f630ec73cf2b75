"""When each list is walked, and what of it: pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from db.states import Walk

EVERY: Final[Mapping[Walk, timedelta]] = {
    Walk.EVENTS: timedelta(minutes=5),
    Walk.THIN_EVENTS: timedelta(minutes=5),
    Walk.OPEN_INVOICES: timedelta(hours=6),
    Walk.DRAFT_INVOICES: timedelta(hours=6),
    Walk.NEW_INVOICES: timedelta(hours=6),
    Walk.CREDIT_NOTES: timedelta(hours=6),
    Walk.SUBSCRIPTIONS: timedelta(hours=6),
    Walk.NOTICES: timedelta(minutes=30),
}
"""How long after the begin of one walk the next one begins."""
KEPT: Final = timedelta(days=30)
"""Stripe forgets events after this (API description, GET /v1/events; docs: api/v2/core/events/list)."""
GRACE: Final = timedelta(minutes=1)
"""Younger events are left to their webhook, which is on its way."""
OVERLAP: Final = timedelta(minutes=10)
"""The walks overlap: Stripe may list an event a moment after the time that it carries."""
GAP: Final = timedelta(hours=1)
"""After so long without a walk all events are listed: those of an endpoint that was switched off count as delivered."""


class Window(msgspec.Struct, frozen=True):
    """The events that one walk lists, by their time; `undelivered`: those alone that some endpoint did not take."""

    since: datetime
    until: datetime
    undelivered: bool


def is_due(walk: Walk, done_to: datetime, now: datetime) -> bool:
    """Whether a walk begins at `now`, where the one before began at `done_to`."""
    return now - done_to >= EVERY[walk]


def window(done_to: datetime, began_at: datetime) -> Window:
    """The events of the walk that began at `began_at`, where everything up to `done_to` was seen before."""
    since = max(done_to - OVERLAP, began_at - KEPT)
    return Window(since, began_at - GRACE, undelivered=began_at - done_to <= GAP)


def forgotten_before(since: datetime, now: datetime) -> datetime | None:
    """Up to when Stripe has forgotten the events of a walk from `since` on; None where it still has them all."""
    return now - KEPT if since < now - KEPT else None
