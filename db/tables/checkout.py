"""Checkout sessions."""

from __future__ import annotations

from piccolo.columns import JSONB, Boolean, Bytea, Text

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, optional_text


class CheckoutSession(Pokable, tablename="checkout_session", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    client_reference = Text()
    client_secret_hash = Bytea()
    client_secret = Bytea()
    state = Text()
    reason = Text()
    failure_code = Text()
    request = JSONB()
    customer = Text()
    subscription = Text()
    invoice = Text()
    currency = Text()
    connection = optional_text()
    payment_method = optional_text()
    told_stripe = Boolean()
    looked_for_subscription = Boolean()
    cleanup_done = Boolean()
    country = Text()
    collection = Text(default="processor")
    confirmed_at = at()
    expires_at = at()
    created_at = at()
