"""An event as it is told and shown, and its signature: as Standard Webhooks say (github.com/standard-webhooks)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import asyncpg
import msgspec
from standardwebhooks.webhooks import Webhook

from processors.values import Secret

COLUMNS = "t.id, t.type, t.sequence, t.data, t.created_at, a.livemode"


class Event(msgspec.Struct, frozen=True):
    """One event. Its body is thin: ask the API for what is true now. `sequence` counts the events about its object."""

    id: str
    type: str
    created: int
    sequence: int
    livemode: bool
    data: msgspec.Raw
    object: Literal["event"] = "event"


def event(row: asyncpg.Record) -> Event:
    """A row with COLUMNS as it stands in JSON."""
    return Event(
        id=row["id"],
        type=row["type"],
        created=int(row["created_at"].timestamp()),
        sequence=row["sequence"],
        livemode=row["livemode"],
        data=msgspec.Raw(row["data"].encode()),
    )


def signed(event_id: str, body: bytes, secrets: Sequence[Secret]) -> list[tuple[str, str]]:
    """The headers of a delivery: one signature for each secret, over the time that it is sent (machine time)."""
    at = datetime.fromtimestamp(int(time.time()), UTC)
    signatures = [Webhook(secret.reveal()).sign(event_id, at, body.decode()) for secret in secrets]
    return [
        ("webhook-id", event_id),
        ("webhook-timestamp", str(int(at.timestamp()))),
        ("webhook-signature", " ".join(signatures)),
    ]
