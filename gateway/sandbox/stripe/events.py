"""Events: rendered once, when they happen, in every API version that somebody will read them in.

Stripe never changes an event's contents: `GET /v1/events` shows it in the account's version of that moment, a webhook
endpoint gets it in its own (its API description, GET /v1/events).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.sandbox.stripe.deltas import told_by
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, contents, difference, public, restore, snapshot
from gateway.sandbox.stripe.old_shape import in_version
from gateway.sandbox.stripe.receivers import receivers
from gateway.sandbox.stripe.thin_events import announce, lane

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

RETENTION_S = 30 * 86400


@dataclass(slots=True)
class EventRow:
    """One event. `waiting`: endpoints without a 2xx so far; `tried`: those with at least one attempt."""

    id: str
    type: str
    created: int
    made: int  # the sandbox's time
    api_version: str
    lane: str  # deliveries of one lane keep their order
    object_id: str
    bodies: dict[str, bytes]
    endpoints: int = 0
    waiting: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)

    def body(self, version: str | None = None) -> bytes:
        return self.bodies.get(version or self.api_version) or self.bodies[self.api_version]

    @property
    def object(self) -> Obj:
        """``data.object`` as stored in the account's version."""
        found: Obj = msgspec.json.decode(self.body())["data"]["object"]
        return found

    def shown(self) -> Obj:
        shown: Obj = msgspec.json.decode(self.body())
        shown["pending_webhooks"] = len(self.waiting)
        return shown


def record(account: Account, type: str, obj: Obj, previous: Obj | None = None, before: Obj | None = None) -> EventRow:
    """Store an event about `obj` as it is now, and hand it to the endpoints that asked for its type.

    `before` is a snapshot to take ``previous_attributes`` from; `previous` gives them outright. In a preview nothing
    happens.
    """
    wanted = [receiver for receiver in receivers(account) if not receiver.is_thin and receiver.wants(type)]
    versions = {account.api_version} | {receiver.version for receiver in wanted}
    row = EventRow(
        id=new_id("evt"),
        type=type,
        created=account.clock.stamp(),
        made=account.sandbox_clock.now(),
        api_version=account.api_version,
        lane=lane(obj),
        object_id=str(obj.get("id", "")),
        bodies={},
        endpoints=len(wanted),
        waiting={receiver.id for receiver in wanted},
    )
    if account.previewing:
        return row
    row.bodies = {version: _render(account, row, version, obj, previous, before) for version in versions}
    account.events.add(row.id, row)
    for receiver in wanted:
        account.webhooks.send(account, row, receiver.id)
    announce(account, f"v1.{type}", obj, snapshot_event=row.id)
    if before is not None or type.endswith(".created"):
        account.changed(obj, before)
        for told in told_by(obj, before):
            announce(account, told, obj)
    prune(account)
    return row


@contextmanager
def updating(account: Account, obj: Obj, type: str) -> Iterator[None]:
    """Whatever the block changes on `obj` becomes one ``….updated`` event; no change, no event.

    Where the block raises, the object is again as it was: a refused call changes nothing.
    """
    before, parts = snapshot(obj), contents(obj)
    try:
        yield
    except BaseException:
        restore(parts)
        raise
    if public(before) != public(obj):
        record(account, type, obj, before=before)


def _render(account: Account, row: EventRow, version: str, obj: Obj, previous: Obj | None, before: Obj | None) -> bytes:
    shown = in_version(account, version, obj)
    if before is not None:
        previous = difference(in_version(account, version, before), shown)
    data: dict[str, Any] = {"object": shown}
    if previous is not None:
        data["previous_attributes"] = previous
    request_id, key = account.request
    return msgspec.json.encode(
        {
            "id": row.id,
            "object": "event",
            "api_version": version,
            "created": row.created,
            "data": data,
            "livemode": False,
            "pending_webhooks": row.endpoints,
            "request": {"id": request_id, "idempotency_key": key},
            "type": row.type,
        }
    )


def prune(account: Account) -> None:
    """Stripe keeps events for 30 days."""
    now = account.sandbox_clock.now()
    account.events.drop_oldest(lambda event: now - event.made <= RETENTION_S)
    account.thin_events.drop_oldest(lambda event: now - event.made <= RETENTION_S)
