"""The events that PayPal keeps of an app for thirty days, in pages (webhooks v1, `webhooks-events`). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode

import httpx

from processors.errors import OutcomeUnknownError, RefusedError
from processors.paypal.mapping import link
from processors.paypal.wire import ApiLink

WEBHOOKS: Final = "/v1/notifications/webhooks"
EVENTS: Final = "/v1/notifications/webhooks-events"

PAGE: Final = 25
"""unverified: no description names the most events of a page."""

KEPT: Final = timedelta(days=29)
"""An older `start_time` may be refused: PayPal shows events of the last thirty days."""


def page(since: datetime, now: datetime, cursor: str) -> str:
    """The path of a page: that of the cursor, else the first one. Raises RefusedError for a cursor of no page."""
    if cursor:
        if not cursor.isascii() or not cursor.isprintable() or set(cursor) & set(" #\\"):
            raise RefusedError("the cursor is not one of PayPal's", 400, "cursor_malformed")
        return f"{EVENTS}?{cursor}"
    start = max(since, now - KEPT).astimezone(UTC)
    query = {"start_time": _time(start), "end_time": _time(now.astimezone(UTC)), "page_size": str(PAGE)}
    return f"{EVENTS}?{urlencode(query)}"


def next_page(links: Sequence[ApiLink]) -> str:
    """The cursor behind a page: what its `next` link asks of the same path; raises OutcomeUnknownError for another."""
    following = link(links, "next")
    if not following:
        return ""
    try:
        url = httpx.URL(following)
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.path != EVENTS or not url.query:
        raise OutcomeUnknownError("PayPal's next page of events is not one of events")
    return url.query.decode("ascii")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
