"""Usage that was reported, how each event stands, and what is still on its way to Stripe."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import UsageState
from gateway.accounts.errors import FieldError, NotThereError
from gateway.accounts.known import refuse_unknown
from gateway.domain.usage import plain
from gateway.readers.about import about
from gateway.readers.pages import LATEST, Page, listed, page, unix

SELECT: Final = "select t.* from tollbridge.usage_event t"
# Exact: a sum of numerics, of which a count of events has nothing to do with the value.
ON_ITS_WAY: Final = """
    select e.event_name, count(*) as events, min(e.created_at) as since,
        coalesce(sum(e.value::numeric), 0)::text as value
    from tollbridge.usage_event e
    where e.account = $1 and e.customer = $2 and e.state in ('accepted', 'sending')
    group by e.event_name order by e.event_name
"""
# What is listed is kept for a while only, so this is of that time.
NOT_COUNTED: Final = """
    select e.event_name, e.state, e.code, max(e.error) as message, count(*) as events,
        min(e.used_at) as first_used, max(e.used_at) as last_used
    from tollbridge.usage_event e
    where e.account = $1 and e.customer = $2 and e.state in ('refused', 'unconfirmed')
    group by e.event_name, e.state, e.code order by max(e.created_at) desc, e.event_name, e.code
"""


class UsageBody(msgspec.Struct, frozen=True):
    """One event. `code` and `message` are Stripe's where it does not count it; `sent`: when Stripe's answer came."""

    id: str
    identifier: str
    customer: str
    subscription: str | None
    event_name: str
    value: Annotated[str, about("The exact number, as Stripe is told it.")]
    timestamp: Annotated[int, about("When it was used.")]
    state: Annotated[
        UsageState,
        about(
            "`accepted`: stored here. `sending`: Stripe may have heard it. `sent`: Stripe has it. `refused`: Stripe "
            "does not count it. `unconfirmed`: not known, and not sent again; a case."
        ),
    ]
    code: str
    message: str
    created: int
    resolved: int | None
    object: Literal["usage"] = "usage"


class MeterBacklog(msgspec.Struct, frozen=True):
    """What of one meter is on its way: so many events, their values added up, the oldest accepted at `since`."""

    event_name: str
    events: int
    value: str
    since: int


class NotCounted(msgspec.Struct, frozen=True):
    """Events of one meter that Stripe does not count, or may not (`unconfirmed`), for one reason."""

    event_name: str
    state: UsageState
    code: str
    message: str
    events: int
    first_used: int
    last_used: int


class BacklogBody(msgspec.Struct, frozen=True):
    """What a customer has used that Stripe does not know of yet, as far as we know."""

    customer: str
    events: int
    meters: list[MeterBacklog]
    object: Literal["usage_backlog"] = "usage_backlog"


async def list_usage(
    account: str,
    *,
    customer: str = "",
    state: UsageState | None = None,
    event_name: str = "",
    since: int | None = None,
    limit: int,
    starting_after: str,
) -> Page[UsageBody]:
    """One page, the newest first; `since`: accepted then or later, in Unix seconds. Raises FieldError."""
    where = {"customer": customer, "state": state, "event_name": event_name}
    if since is not None and not 0 <= since < LATEST:
        raise FieldError("since", "is no time in Unix seconds")
    at = None if since is None else datetime.fromtimestamp(since, UTC)
    rows = await page(account, SELECT, "created_at", where, limit=limit, starting_after=starting_after, since=at)
    return listed(*rows, _shown)


async def find_usage(account: str, usage: str) -> UsageBody:
    """By our id. Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, usage)
    if row is None:
        raise NotThereError("usage", usage)
    return _shown(row)


async def find_backlog(account: str, customer: str) -> BacklogBody:
    """Raises NotThereError."""
    await refuse_unknown(account, customer)
    return BacklogBody(customer, *await backlog(account, customer))


async def backlog(account: str, customer: str) -> tuple[int, list[MeterBacklog]]:
    """How many events of a customer's are on their way, and what they come to."""
    found = await sql.rows(ON_ITS_WAY, account, customer)
    meters = [MeterBacklog(r["event_name"], r["events"], plain(r["value"]), unix(r["since"])) for r in found]
    return sum(one.events for one in meters), meters


async def not_counted(account: str, customer: str) -> list[NotCounted]:
    """What of a customer's usage is on no invoice, and does not come on one by itself; the newest first."""
    return [
        NotCounted(
            r["event_name"], UsageState(r["state"]), r["code"], r["message"], r["events"],
            unix(r["first_used"]), unix(r["last_used"]),
        )
        for r in await sql.rows(NOT_COUNTED, account, customer)
    ]  # fmt: skip


def _shown(row: asyncpg.Record) -> UsageBody:
    return UsageBody(
        id=row["id"],
        identifier=row["identifier"],
        customer=row["customer"],
        subscription=row["subscription"],
        event_name=row["event_name"],
        value=row["value"],
        timestamp=unix(row["used_at"]),
        state=UsageState(row["state"]),
        code=row["code"],
        message=row["error"],
        created=unix(row["created_at"]),
        resolved=unix(row["resolved_at"]),
    )
