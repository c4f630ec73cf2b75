"""What the merchant is told: events, the endpoints they go to, and how each delivery stands."""

from __future__ import annotations

from piccolo.columns import JSONB, BigInt, Boolean, Bytea, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, optional_text, texts


class OutboundSequence(Table, tablename="outbound_sequence", schema=SCHEMA, db=DB):
    account = Text(primary_key=True)
    object = Text()
    last = BigInt()


class OutboundEvent(Table, tablename="outbound_event", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    type = Text()
    object_kind = Text()
    object = Text()
    step = Text()
    sequence = BigInt()
    data = JSONB()
    created_at = at()


class WebhookEndpoint(Table, tablename="webhook_endpoint", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    url = Text()
    types = texts()
    description = Text()
    enabled = Boolean(default=True)
    failing_since = at()
    silent = Integer(default=0)
    rests_until = at()
    created_at = at()
    claimed_by = optional_text()
    claim_until = at()


class WebhookEndpointSecret(Table, tablename="webhook_endpoint_secret", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    endpoint = Text()
    secret = Bytea()
    created_at = at()
    expires_at = at()


class EventDelivery(Table, tablename="event_delivery", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    event = Text()
    endpoint = Text()
    state = Text()
    tries = Integer()
    begun_at = at()
    due_at = at()
    tried_at = at()
    finished_at = at()
    status = Integer(default=None, null=True)
    error = Text()
