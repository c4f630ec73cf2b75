"""Subscriptions, as Stripe last showed them."""

from __future__ import annotations

from piccolo.columns import Boolean, Integer, Text

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at


class Subscription(Pokable, tablename="subscription", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    customer = Text()
    status = Text()
    collection_method = Text()
    pause_behavior = Text()
    paused_at = at()
    cancel_at_period_end = Boolean()
    trial_end = at()
    ended_at = at()
    access_changes = Integer(default=0)
    digest = Text()
    stale = Boolean(default=True)
    read_at = at()
    listed_at = at()
    created_at = at()
