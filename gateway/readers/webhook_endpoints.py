"""Webhook endpoints: where events are sent, and how each delivery stands."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import asyncpg
import msgspec

from db.states import EventDeliveryState
from gateway.accounts import webhook_endpoints
from gateway.accounts.webhook_endpoints import Endpoint
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page, listed, page, unix
from processors.values import Secret, Unprinted

DELIVERIES: Final = """
    select t.*, e.type from tollbridge.event_delivery t join tollbridge.outbound_event e on e.id = t.event
"""


class WebhookEndpointBody(Unprinted, msgspec.Struct, frozen=True):
    """Where events are sent. `failing_since`: nothing was taken there since then; after three days it is disabled."""

    id: str
    url: str
    types: list[str]
    description: str
    enabled: bool
    failing_since: int | None
    old_secret_expires: int | None
    created: int
    secret: Annotated[str | None, about("What it is signed with (whsec_…), in the reply that makes it alone.")] = None
    object: Literal["webhook_endpoint"] = "webhook_endpoint"


class RemovedEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that is no more."""

    id: str
    deleted: Literal[True] = True
    object: Literal["webhook_endpoint"] = "webhook_endpoint"


class EventDeliveryBody(msgspec.Struct, frozen=True):
    """One event on its way to one endpoint. `status` and `error` are of the last try; answers are not kept."""

    id: str
    webhook_endpoint: str
    event: str
    type: str
    state: EventDeliveryState
    tries: int
    status: int | None
    error: str
    next_try: int | None
    last_try: int | None
    finished: int | None
    created: int
    object: Literal["event_delivery"] = "event_delivery"


async def find_deliveries(
    account: str,
    endpoint: str,
    state: EventDeliveryState | None = None,
    *,
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[EventDeliveryBody]:
    """A page of an endpoint's deliveries; raises NotThereError."""
    await webhook_endpoints.show(account, endpoint)
    where = {"endpoint": endpoint, "state": state}
    found = await page(account, DELIVERIES, "begun_at", where, limit=limit, starting_after=starting_after)
    return listed(*found, delivery)


def shown(endpoint: Endpoint, secret: Secret | None = None) -> WebhookEndpointBody:
    """An endpoint as it stands in JSON."""
    return WebhookEndpointBody(
        id=endpoint.id,
        url=endpoint.url,
        types=list(endpoint.types),
        description=endpoint.description,
        enabled=endpoint.enabled,
        failing_since=unix(endpoint.failing_since),
        old_secret_expires=unix(endpoint.old_secret_expires_at),
        created=unix(endpoint.created_at),
        secret=None if secret is None else secret.reveal(),
    )


def delivery(row: asyncpg.Record) -> EventDeliveryBody:
    """A delivery's row, with its event's type, as it stands in JSON."""
    return EventDeliveryBody(
        id=row["id"],
        webhook_endpoint=row["endpoint"],
        event=row["event"],
        type=row["type"],
        state=EventDeliveryState(row["state"]),
        tries=row["tries"],
        status=row["status"],
        error=row["error"],
        next_try=unix(row["due_at"]),
        last_try=unix(row["tried_at"]),
        finished=unix(row["finished_at"]),
        created=unix(row["begun_at"]),
    )
