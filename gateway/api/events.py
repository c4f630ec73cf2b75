"""/v1/events: what the merchant was told, and telling it again. What others told us stands at /v1/inbox."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import EventDeliveryState
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.domain.news_types import NewsType
from gateway.outbound import events
from gateway.outbound.body import Event
from gateway.readers.about import about
from gateway.readers.events import find_event, find_events
from gateway.readers.pages import DEFAULT, Page

Readers: Final = requires(Scope.SERVER, Scope.FINANCE, Scope.ADMIN)
Callers: Final = requires(Scope.ADMIN)


class Replay(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an event goes again."""

    webhook_endpoint: Annotated[
        str, about("Only there (whe_…), whatever types it wants; without it, to every enabled endpoint that wants it.")
    ] = ""


EXAMPLE: Final = example("To one endpoint", {"webhook_endpoint": "whe_01k5n3f8m4e6z9b2c7d0x1y2z3"})
EventId = Annotated[str, PathParameter(description="The event's id: evt_…")]
About = Annotated[str, QueryParameter(name="object", description="Only about the object of this id.")]
Endpoint = Annotated[
    str, QueryParameter(name="webhook_endpoint", description="Only those that go to this endpoint, or went there.")
]
Delivery = Annotated[
    EventDeliveryState | None,
    QueryParameter(name="delivery", description="Only those of which a delivery, to that endpoint or any, stands so."),
]
OfType = Annotated[NewsType | None, QueryParameter(name="type", description="Only of this type.")]


@get("/events", guards=[Readers], responses=problems())
async def list_events(
    principal: NamedDependency[Principal],
    of_type: OfType = None,
    of_object: About = "",
    endpoint: Endpoint = "",
    delivery: Delivery = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[Event]:
    """The account's events, whether any endpoint was told of them or not. Kept for 35 days."""
    return await find_events(
        principal.account,
        of_type,
        of_object=of_object,
        endpoint=endpoint,
        state=delivery,
        limit=limit,
        starting_after=starting_after,
    )


@get("/events/{event_id:str}", guards=[Readers], responses=problems(Code.NOT_FOUND))
async def show_event(principal: NamedDependency[Principal], event_id: EventId) -> Event:
    """One event, as endpoints are told it."""
    return await find_event(principal.account, event_id)


@post(
    "/events/{event_id:str}/replay",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
)
async def replay_event(
    principal: NamedDependency[Principal], event_id: EventId, data: Annotated[Replay, EXAMPLE]
) -> Event:
    """Deliver an event again, with the same id and body."""
    await events.replay(Author(principal.actor), principal.account, event_id, data.webhook_endpoint)
    return await find_event(principal.account, event_id)


event_routes: Final[list[Any]] = [list_events, show_event, replay_event]
