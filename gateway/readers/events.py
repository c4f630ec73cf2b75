"""Events: what the merchant was told."""

from __future__ import annotations

from typing import Final

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.domain.news_types import NewsType
from gateway.outbound.body import COLUMNS, Event, event
from gateway.readers.pages import DEFAULT, Page, listed, page

SELECT: Final = f"""
    select {COLUMNS} from tollbridge.outbound_event t join tollbridge.account a on a.id = t.account
"""  # noqa: S608 (columns are a constant of ours)


async def find_events(
    account: str,
    of_type: NewsType | None = None,
    *,
    of_object: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[Event]:
    """A page of an account's events."""
    where = {"type": of_type, "object": of_object}
    return listed(*await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after), event)


async def find_event(account: str, event_id: str) -> Event:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, event_id)
    if row is None:
        raise NotThereError("event", event_id)
    return event(row)
