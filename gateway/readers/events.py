"""Events: what the merchant was told, and how each stands at which endpoint."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from db import sql
from db.states import EventDeliveryState
from gateway.accounts.errors import NotThereError
from gateway.domain.news_types import NewsType
from gateway.outbound.body import COLUMNS, Event, event
from gateway.readers.pages import DEFAULT, Page, listed, page
from gateway.readers.webhook_endpoints import EventDeliveryBody, delivery

SELECT: Final = f"""
    select {COLUMNS} from tollbridge.outbound_event t join tollbridge.account a on a.id = t.account
"""  # noqa: S608 (columns are a constant of ours)
# An endpoint and a state are those of one delivery.
SENT: Final = """
    exists (select 1 from tollbridge.event_delivery d where d.account = t.account and d.event = t.id
            and ({0} = '' or d.endpoint = {0}) and ({1} = '' or d.state = {1}))
"""
TOLD: Final = """
    select t.*, e.type, p.url, p.description, p.enabled from tollbridge.event_delivery t
    join tollbridge.outbound_event e on e.account = t.account and e.id = t.event
    join tollbridge.webhook_endpoint p on p.account = t.account and p.id = t.endpoint
    where t.account = $1 and t.event = $2 order by t.begun_at, t.id
"""
STANDING: Final = """
    select event, state, count(*) as count from tollbridge.event_delivery
    where account = $1 and event = any($2) group by event, state
"""


class Told(msgspec.Struct, frozen=True):
    """An event on its way to an endpoint, and where that is."""

    url: str
    description: str
    enabled: bool
    delivery: EventDeliveryBody


async def find_events(
    account: str,
    of_type: NewsType | None = None,
    *,
    of_object: str = "",
    endpoint: str = "",
    state: EventDeliveryState | None = None,
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[Event]:
    """A page of an account's events; with `endpoint` or `state`, those of which a delivery goes there or stands so."""
    where = {"type": of_type, "object": of_object}
    also = [(SENT, (endpoint, state or ""))] if endpoint or state else []
    found = await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after, also=also)
    return listed(*found, event)


async def find_event(account: str, event_id: str) -> Event:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, event_id)
    if row is None:
        raise NotThereError("event", event_id)
    return event(row)


async def told(account: str, event_id: str) -> list[Told]:
    """Every endpoint that an event goes to, or went to."""
    rows = await sql.rows(TOLD, account, event_id)
    return [Told(row["url"], row["description"], row["enabled"], delivery(row)) for row in rows]


async def standing(account: str, events: Sequence[str]) -> dict[str, dict[EventDeliveryState, int]]:
    """How many deliveries of these events stand in which state."""
    found: dict[str, dict[EventDeliveryState, int]] = {one: {} for one in events}
    for row in await sql.rows(STANDING, account, list(events)):
        found[row["event"]][EventDeliveryState(row["state"])] = row["count"]
    return found
