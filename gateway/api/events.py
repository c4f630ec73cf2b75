"""/v1/events: the webhooks that were accepted, how each ended, and doing one again."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db import sql
from db.engine import DB
from db.states import DeliveryState
from gateway.accounts.audit import Author
from gateway.accounts.errors import NotThereError
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, problems
from gateway.api.paging import DEFAULT, After, Limit, Page, listed, page, unix
from gateway.api.problems import Code
from gateway.clock import business_now
from gateway.inbox import deliveries

Callers: Final = requires(Scope.ADMIN)
SELECT: Final = """
    select t.id, t.source, t.kind, t.object_id, t.state, t.reason, t.tries, t.try_at, t.received_at, t.finished_at,
        coalesce(c.name, t.source) as source_name
    from tollbridge.delivery t left join tollbridge.connection c on c.id = t.source and c.account = t.account
"""


class EventBody(msgspec.Struct, frozen=True):
    """One accepted webhook, without its body: `source` is stripe or a connection's name."""

    id: str
    source: str
    kind: str
    object_id: str | None
    state: DeliveryState
    reason: str
    tries: int
    next_try: int | None
    created: int
    finished: int | None
    object: Literal["event"] = "event"


EventId = Annotated[str, PathParameter(description="The event's id here: dlv_…")]
About = Annotated[str, QueryParameter(description="Only about the object of this id.")]
OfKind = Annotated[str, QueryParameter(description="Only of this type, as its sender names it.")]
State = Annotated[DeliveryState | None, QueryParameter(name="state", description="Only events in this state.")]


@get("/events", guards=[Callers], responses=problems())
async def list_events(
    principal: NamedDependency[Principal],
    in_state: State = None,
    object_id: About = "",
    kind: OfKind = "",
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[EventBody]:
    """The account's events."""
    return await find_events(
        principal.account, in_state, object_id=object_id, kind=kind, limit=limit, starting_after=starting_after
    )


@get("/events/{event_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_event(principal: NamedDependency[Principal], event_id: EventId) -> EventBody:
    """One event."""
    return await find_event(principal.account, event_id)


@post("/events/{event_id:str}/replay", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def replay_event(principal: NamedDependency[Principal], event_id: EventId) -> EventBody:
    """Route an event again. Harmless at any time: it only makes us look at what is true now."""
    await replay(Author(principal.actor), principal.account, event_id)
    return await find_event(principal.account, event_id)


async def replay(by: Author, account: str, event: str) -> None:
    """Route a delivery again, with a row in the audit log; raises NotThereError."""
    async with DB.transaction():
        if not await deliveries.replay(account, event, by=by.name, now=await business_now()):
            raise NotThereError("event", event)
        await by.note(account, "event.replayed", event)


async def find_events(
    account: str,
    state: DeliveryState | None = None,
    *,
    object_id: str = "",
    kind: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[EventBody]:
    """A page of an account's events."""
    where = {"state": state, "object_id": object_id, "kind": kind}
    return listed(*await page(account, SELECT, "received_at", where, limit=limit, starting_after=starting_after), shown)


async def find_event(account: str, event: str) -> EventBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, event)
    if row is None:
        raise NotThereError("event", event)
    return shown(row)


def shown(row: asyncpg.Record) -> EventBody:
    """A delivery's row as it stands in JSON."""
    return EventBody(
        id=row["id"],
        source=row["source_name"],
        kind=row["kind"],
        object_id=row["object_id"] or None,
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        tries=row["tries"],
        next_try=unix(row["try_at"]),
        created=unix(row["received_at"]),
        finished=unix(row["finished_at"]),
    )


event_routes: Final[list[Any]] = [list_events, show_event, replay_event]
