"""/v1/webhook_endpoints: where events are sent, with which secret, and how each delivery stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import PathParameter, QueryParameter

from db.states import EventDeliveryState
from gateway.accounts import webhook_endpoints
from gateway.accounts.audit import Author
from gateway.accounts.keys import Scope
from gateway.accounts.webhook_endpoints import EndpointChange
from gateway.api.auth import Principal, requires
from gateway.api.openapi import changing, example, problems
from gateway.api.paging import After, Limit
from gateway.api.problems import Code
from gateway.domain.news_types import NewsType
from gateway.outbound import events
from gateway.outbound.body import Event
from gateway.readers.about import about
from gateway.readers.events import find_event
from gateway.readers.pages import DEFAULT, Page
from gateway.readers.webhook_endpoints import (
    EventDeliveryBody,
    RemovedEndpoint,
    WebhookEndpointBody,
    find_deliveries,
    shown,
)
from gateway.runtime import Runtime

Callers: Final = requires(Scope.ADMIN)
TYPES: Final = "Only events of these types; none: all, those of later versions too."


class NewEndpoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address of the merchant's. Events are signed as Standard Webhooks say; libraries for receivers exist."""

    url: Annotated[str, about("https://…, on the public internet.")]
    types: Annotated[list[NewsType], about(TYPES)] = []
    description: Annotated[str, about("For people.")] = ""


class EndpointUpdate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left out stays."""

    url: Annotated[str | None, about("https://…, on the public internet.")] = None
    types: Annotated[list[NewsType] | None, about(TYPES)] = None
    description: Annotated[str | None, about("For people.")] = None
    enabled: Annotated[bool | None, about("Nothing is sent to a disabled endpoint, nor kept for it.")] = None


class SecretRoll(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the change from one secret to the next goes."""

    expires_in: Annotated[
        int, msgspec.Meta(ge=0, le=604_800, description="For so many seconds the old secret signs beside the new one.")
    ] = 86_400


NEW: Final = example(
    "For the mails to payers",
    {"url": "https://shop.example/webhooks/tollbridge", "types": ["tollbridge.invoice.payment_failed"]},
)
UPDATE: Final = example("Enable it again", {"enabled": True})
ROLL: Final = example("At once, since it leaked", {"expires_in": 0})
EndpointId = Annotated[str, PathParameter(description="The endpoint's id: whe_…")]
State = Annotated[EventDeliveryState | None, QueryParameter(name="state", description="Only in this state.")]


@get("/webhook_endpoints", guards=[Callers], responses=problems())
async def list_endpoints(principal: NamedDependency[Principal]) -> Page[WebhookEndpointBody]:
    """The account's endpoints."""
    return Page([shown(one) for one in await webhook_endpoints.listed(principal.account)], has_more=False)


@post("/webhook_endpoints", status_code=200, guards=[Callers], **changing())
async def add_endpoint(
    runtime: NamedDependency[Runtime], principal: NamedDependency[Principal], data: Annotated[NewEndpoint, NEW]
) -> WebhookEndpointBody:
    """Add an endpoint. The reply shows its secret, once."""
    change = EndpointChange(url=data.url, types=data.types, description=data.description)
    made, secret = await webhook_endpoints.add(runtime, Author(principal.actor), principal.account, change)
    return shown(made, secret)


@get("/webhook_endpoints/{endpoint_id:str}", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def show_endpoint(principal: NamedDependency[Principal], endpoint_id: EndpointId) -> WebhookEndpointBody:
    """One endpoint."""
    return shown(await webhook_endpoints.show(principal.account, endpoint_id))


@post("/webhook_endpoints/{endpoint_id:str}", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def update_endpoint(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    endpoint_id: EndpointId,
    data: Annotated[EndpointUpdate, UPDATE],
) -> WebhookEndpointBody:
    """Change an endpoint. What still waited when it was disabled goes out once it is enabled again."""
    change = EndpointChange(url=data.url, types=data.types, description=data.description, enabled=data.enabled)
    author = Author(principal.actor)
    return shown(await webhook_endpoints.update(runtime, author, principal.account, endpoint_id, change))


@delete("/webhook_endpoints/{endpoint_id:str}", status_code=200, guards=[Callers], responses=problems(Code.NOT_FOUND))
async def remove_endpoint(principal: NamedDependency[Principal], endpoint_id: EndpointId) -> RemovedEndpoint:
    """Remove an endpoint, and what was on its way to it. Events stay."""
    await webhook_endpoints.remove(Author(principal.actor), principal.account, endpoint_id)
    return RemovedEndpoint(endpoint_id)


@post("/webhook_endpoints/{endpoint_id:str}/roll_secret", status_code=200, guards=[Callers], **changing(Code.NOT_FOUND))
async def roll_secret(
    runtime: NamedDependency[Runtime],
    principal: NamedDependency[Principal],
    endpoint_id: EndpointId,
    data: Annotated[SecretRoll, ROLL],
) -> WebhookEndpointBody:
    """Make another secret. The reply shows it, once; until the old one runs out, both sign."""
    author, keep = Author(principal.actor), timedelta(seconds=data.expires_in)
    return shown(*await webhook_endpoints.roll_secret(runtime, author, principal.account, endpoint_id, keep))


@post(
    "/webhook_endpoints/{endpoint_id:str}/ping",
    status_code=200,
    guards=[Callers],
    **changing(Code.NOT_FOUND, Code.STATE_CONFLICT),
)
async def ping_endpoint(principal: NamedDependency[Principal], endpoint_id: EndpointId) -> Event:
    """Send an endpoint an event of its own, whatever types it wants. Its deliveries show what came of it."""
    event = await events.ping(Author(principal.actor), principal.account, endpoint_id)
    return await find_event(principal.account, event)


@get("/webhook_endpoints/{endpoint_id:str}/deliveries", guards=[Callers], responses=problems(Code.NOT_FOUND))
async def list_endpoint_deliveries(
    principal: NamedDependency[Principal],
    endpoint_id: EndpointId,
    in_state: State = None,
    limit: Limit = DEFAULT,
    starting_after: After = "",
) -> Page[EventDeliveryBody]:
    """What was sent to an endpoint, and what came of it."""
    return await find_deliveries(principal.account, endpoint_id, in_state, limit=limit, starting_after=starting_after)


webhook_endpoint_routes: Final[list[Any]] = [
    list_endpoints,
    add_endpoint,
    show_endpoint,
    update_endpoint,
    remove_endpoint,
    roll_secret,
    ping_endpoint,
    list_endpoint_deliveries,
]
