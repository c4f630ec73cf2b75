"""Usage on its way to Stripe's meters, and the meters."""

from __future__ import annotations

from piccolo.columns import Boolean, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, optional_text


class UsageStream(Pokable, tablename="usage_stream", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    stale = Boolean(default=True)
    read_at = at()
    asked_at = at()
    answered_at = at()
    answered = Boolean(default=False)
    rests_until = at()
    created_at = at()


class Meter(Table, tablename="meter", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    event_name = Text()
    active = Boolean()
    formula = Text()
    customer_key = Text()
    value_key = Text()
    time_window = Text()


class UsageEvent(Table, tablename="usage_event", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    identifier = Text()
    customer = Text()
    subscription = optional_text()
    event_name = Text()
    value = Text()
    used_at = at()
    state = Text()
    sent_at = at()
    turn = optional_text()
    code = Text()
    error = Text()
    created_at = at()
    resolved_at = at()
