"""Events by hand: telling them again, and trying an endpoint with one of its own."""

from __future__ import annotations

from typing import Final

from db import outbox, sql
from db.engine import DB
from db.ids import new_id
from db.outbox import Announcement
from gateway.accounts.audit import Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now
from gateway.domain.news_types import NewsType, PingNews

EVENT: Final = "select type from tollbridge.outbound_event where account = $1 and id = $2"
# A ping is for the endpoint that it names, whatever else that wants.
WANTING: Final = """
    select e.id from tollbridge.webhook_endpoint e
    join tollbridge.outbound_event t on t.account = e.account and t.id = $2
    where e.account = $1 and e.enabled and ($3 = '' or e.id = $3)
      and case when t.object_kind = 'webhook_endpoint' then e.id = t.object
               else $3 <> '' or e.types = '{}' or t.type = any(e.types) end
    order by e.id
"""
ENABLED: Final = "select enabled from tollbridge.webhook_endpoint where account = $1 and id = $2"


class EndpointDisabledError(Exception):
    """Nothing is sent to a disabled endpoint."""


async def replay(by: Author, account: str, event: str, endpoint: str = "") -> int:
    """Deliver an event again, to every enabled endpoint that wants it, or to one; returns to how many.

    Raises NotThereError, FieldError, EndpointDisabledError.
    """
    async with DB.transaction():
        if await sql.value(EVENT, account, event) is None:
            raise NotThereError("event", event)
        if endpoint:
            await _refuse_disabled(account, endpoint, param="webhook_endpoint")
        found = [row["id"] for row in await sql.rows(WANTING, account, event, endpoint)]
        await outbox.hand_over(account, [(event, one) for one in found], await business_now())
        await by.note(account, "event.replayed", event, after={"webhook_endpoints": found})
    return len(found)


async def ping(by: Author, account: str, endpoint: str) -> str:
    """Tell an endpoint a harmless event of its own; returns its id. Raises NotThereError, EndpointDisabledError."""
    told = Announcement(NewsType.PING, new_id("req"), PingNews(id=endpoint))
    async with DB.transaction():
        await _refuse_disabled(account, endpoint)
        now = await business_now()
        [event] = await outbox.announce(account, "webhook_endpoint", endpoint, [told], now, only_to=endpoint)
        await by.note(account, "webhook_endpoint.pinged", endpoint)
    return event


async def _refuse_disabled(account: str, endpoint: str, *, param: str = "") -> None:
    enabled = await sql.value(ENABLED, account, endpoint)
    if enabled is None and param:
        raise FieldError(param, "there is no such webhook endpoint")
    if enabled is None:
        raise NotThereError("webhook endpoint", endpoint)
    if not enabled:
        raise EndpointDisabledError(f"webhook endpoint {endpoint} is disabled")
