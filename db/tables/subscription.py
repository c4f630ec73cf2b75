"""Subscriptions, as Stripe last showed them, and what is wanted of them."""

from __future__ import annotations

from piccolo.columns import Boolean, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, optional_text, texts


class Subscription(Pokable, tablename="subscription", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    customer = Text()
    status = Text()
    collection_method = Text()
    pause_behavior = Text()
    paused_at = at()
    days_until_due = Integer(default=None, null=True)
    cancel_at_period_end = Boolean()
    schedule = Text()
    cancel_at = at()
    ends_by = optional_text()
    trial_end = at()
    ended_at = at()
    left_at = at()
    payment_method = optional_text()
    products = texts()
    prices = texts()
    began_without_invoice = Boolean(default=False)
    access = Text(default="pending_first_payment")
    access_reason = Text(default="no_first_invoice")
    access_invoice = Text()
    access_since = at()
    access_closes_at = at()
    access_closing = Text()
    access_seen_at = at()
    collection = optional_text()
    access_changes = Integer(default=0)
    digest = Text()
    stale = Boolean(default=True)
    read_at = at()
    listed_at = at()
    created_at = at()


class AccessGrant(Table, tablename="access_grant", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    subscription = Text()
    reason = Text()
    granted_by = Text()
    until_at = at()
    after_end = Boolean(default=False)
    created_at = at()
    revoked_at = at()
    revoked_by = optional_text()


class Cancellation(Table, tablename="cancellation", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    subscription = Text()
    ends = Text()
    invoice_now = Boolean(default=False)
    prorate = Boolean(default=False)
    comment = Text()
    origin = Text()
    state = Text()
    error = Text()
    created_at = at()
    sent_at = at()
    flush_from = at()
    resolved_at = at()


class HandOver(Table, tablename="hand_over", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    invoice = Text()
    stripe_payment_method = Text()
    idempotency_key = Text()
    tries = Integer()
    state = Text()
    message = Text()
    created_at = at()
    sent_at = at()
    resolved_at = at()


class Switch(Table, tablename="switch", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    subscription = Text()
    collector = Text()
    payment_method = optional_text()
    stripe_payment_method = Text()
    open_invoices = Text(default="finish")
    days_until_due = Integer(default=None, null=True)
    retire = Boolean(default=False)
    by_payer = Boolean(default=False)
    state = Text()
    halfway_at = at()
    error = Text()
    created_at = at()
    resolved_at = at()
