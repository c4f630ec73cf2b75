"""What no webhook tells of, found by asking: charges as they end, and refunds and voids that staff made there.

The lists are read one after the other; the cursor names the list and where its last page ended. Disputes come too, as a
second way to what webhooks tell.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from processors.braintree import events, mapping
from processors.braintree.api import BraintreeApi
from processors.braintree.wire import PageInfo
from processors.errors import OutcomeUnknownError, RefusedError
from processors.events import EventKind, Polled, ProcessorEvent

Page = tuple[list[ProcessorEvent], PageInfo]
ListOf = Callable[[BraintreeApi, datetime, str], Awaitable[Page]]


async def _charges(api: BraintreeApi, since: datetime, after: str) -> Page:
    page = await api.created(since, after)
    return [events.changed(api, one, mapping.ended_at(one)) for one in page.nodes], page.page_info


async def _settled(api: BraintreeApi, since: datetime, after: str) -> Page:
    page = await api.passed("settledAt", since, after)
    return [events.settled(api, one, mapping.ended_at(one)) for one in page.nodes], page.page_info


async def _voided(api: BraintreeApi, since: datetime, after: str) -> Page:
    page = await api.passed("voidedAt", since, after)
    return [events.changed(api, one, mapping.ended_at(one)) for one in page.nodes], page.page_info


async def _refunds(api: BraintreeApi, since: datetime, after: str) -> Page:
    page = await api.refunds_since(since, after)
    return [events.refunded(api, one, one.created_at) for one in page.nodes], page.page_info


async def _disputes(api: BraintreeApi, since: datetime, after: str) -> Page:
    page = await api.disputes_since(since, after)
    return [events.disputed(api, one) for one in page.nodes], page.page_info


LISTS: Final[dict[str, ListOf]] = {
    "charges": _charges,
    "settled": _settled,
    "voided": _voided,
    "refunds": _refunds,
    "disputes": _disputes,
}


async def poll(api: BraintreeApi, account: str, since: datetime, cursor: str) -> Polled:
    """One page; raises CallError, MoneyError."""
    names = list(LISTS)
    name, _, after = (cursor or f"{names[0]}:").partition(":")
    if name not in LISTS:
        raise RefusedError("a cursor that is not one of ours", 400, "cursor_malformed")
    told, page = await LISTS[name](api, since, after)
    found = tuple(events.addressed(one, account) for one in told if one.kind is not EventKind.IGNORED)
    if page.has_next_page:
        if not page.end_cursor or page.end_cursor == after:
            raise OutcomeUnknownError("the processor shows more, and does not say from where")
        return Polled(found, f"{name}:{page.end_cursor}")
    later = names[names.index(name) + 1 :]
    return Polled(found, f"{later[0]}:" if later else "")
