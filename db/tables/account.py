"""Accounts: one Stripe account each, its signing secrets and the API keys that open it."""

from __future__ import annotations

from piccolo.columns import JSONB, Boolean, Bytea, Numeric, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, optional_text, texts


class Account(Table, tablename="account", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    name = Text()
    livemode = Boolean()
    stripe_account = Text()
    api_key = Bytea()
    api_key_hash = optional_text()
    api_base = Text()
    portal_url = Text()
    policies = JSONB()
    enabled = Boolean(default=True)
    created_at = at()
    setting_up_until = at()


class WebhookSecret(Table, tablename="webhook_secret", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    secret = Bytea()
    created_at = at()


class StripeEndpoint(Table, tablename="stripe_endpoint", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    thin = Boolean()
    api_version = Text()
    secret = optional_text()
    adopted = Boolean(default=False)
    created_at = at()
    retire_at = at()


class Rehearsal(Table, tablename="rehearsal", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    customer = optional_text()
    product = optional_text()
    price = optional_text()
    begun_at = at()
    ended_at = at()


class ApiKey(Table, tablename="api_key", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = optional_text()
    name = Text()
    hash = Bytea()
    hint = Text()
    scopes = texts()
    made_by = Text()
    created_at = at()
    revoked_at = at()


class StripeBudget(Table, tablename="stripe_budget", schema=SCHEMA, db=DB):
    account = Text(primary_key=True)
    operation = Text()
    calls_left = Numeric()
    counted_at = at()
