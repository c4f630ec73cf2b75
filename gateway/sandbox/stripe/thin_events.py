"""Thin events: what happened to which object, without the object (docs: event-destinations).

One is made beside every snapshot event whose type has a thin one, and by itself for what only thin events tell. Its id
is its own; `snapshot_event` names the snapshot. Chosen where the documents are silent: they are made, and can be
listed, whether or not a destination wants them; `changes` is always null, since its shape is not documented.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from gateway.sandbox.stripe.closed_lists import THIN_EVENT_TYPES
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.receivers import receivers

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

UNRELATED = frozenset(
    {
        "v1.billing.meter.no_meter_found",
        "v1.billing_portal.session.created",
        "v1.customer.discount.source_changed",
        "v1.invoice.upcoming",
    }
)
"""Types without a related object in the official package."""


@dataclass(slots=True)
class ThinEvent:
    """`data` is shown only where the event is fetched, never in what is delivered. `made` is the sandbox's time."""

    id: str
    type: str
    created: int
    made: int
    lane: str
    object_id: str
    related: Obj | None = None
    snapshot_event: str | None = None
    reason: Obj | None = None
    data: Obj | None = None
    waiting: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)

    def body(self, version: str | None = None) -> bytes:
        """What is delivered; no version changes it."""
        return msgspec.json.encode(self.notification())

    def notification(self) -> Obj:
        shown: Obj = {
            "id": self.id,
            "object": "v2.core.event",
            "type": self.type,
            "livemode": False,
            "created": iso(self.created),
            "context": None,
            "reason": self.reason,
            "snapshot_event": self.snapshot_event,
            "changes": None,
        }
        return shown if self.related is None else shown | {"related_object": self.related}

    def shown(self) -> Obj:
        """As `GET /v2/core/events/{id}` answers."""
        return self.notification() if self.data is None else self.notification() | {"data": self.data}


def announce(
    account: Account, type: str, obj: Obj | None, *, snapshot_event: str | None = None, data: Obj | None = None
) -> ThinEvent | None:
    """Store a thin event about an object and hand it to the destinations that want it.

    None for a type that is none, in a preview, and for an object of a test's own making that does not say what it is.
    """
    if account.previewing or type not in THIN_EVENT_TYPES or (obj is not None and "object" not in obj):
        return None
    event = new_thin_event(account, type, obj, snapshot_event=snapshot_event, data=data)
    for receiver in receivers(account):
        if receiver.is_thin and receiver.wants(type):
            event.waiting.add(receiver.id)
            account.webhooks.send(account, event, receiver.id)
    return event


def new_thin_event(
    account: Account, type: str, obj: Obj | None, *, snapshot_event: str | None = None, data: Obj | None = None
) -> ThinEvent:
    """Store one, for nobody yet."""
    request, key = account.request
    event = ThinEvent(
        id=new_id("evt_test"),
        type=type,
        created=account.clock.stamp(),
        made=account.sandbox_clock.now(),
        lane=lane(obj or {}),
        object_id=str((obj or {}).get("id", "")),
        related=None if obj is None or type in UNRELATED else related(obj),
        snapshot_event=snapshot_event,
        reason=None if request is None else {"type": "request", "request": {"id": request, "idempotency_key": key}},
        data=data,
    )
    return account.thin_events.add(event.id, event)


def related(obj: Obj) -> Obj:
    """Which object, and where it is read. A discount has no id of its own: its address says whose it is."""
    kind, id = obj["object"], obj.get("id")
    if kind == "discount":
        owner = ("subscriptions", obj["subscription"]) if obj.get("subscription") else ("customers", obj["customer"])
        return {"type": kind, "url": "/v1/{}/{}/discount".format(*owner)}
    root = "/" if kind.startswith("v2.") else "/v1/"
    return {"id": id, "type": kind, "url": f"{root}{kind.replace('.', '/')}s/{id}"}


def lane(obj: Obj) -> str:
    """Events of one customer keep their order."""
    customer = obj.get("customer") or obj.get("_lane")
    return customer if isinstance(customer, str) else str(obj.get("id", ""))


def iso(unix: int) -> str:
    return datetime.fromtimestamp(unix, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
