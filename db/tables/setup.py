"""How payers give payment methods: sessions for another one, and the set-ups that were begun at processors."""

from __future__ import annotations

from piccolo.columns import JSONB, Boolean, Bytea, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, optional_text


class PaymentMethodSession(Pokable, tablename="payment_method_session", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    customer = Text()
    client_secret_hash = Bytea()
    client_secret = Bytea()
    state = Text()
    reason = Text()
    failure_code = Text()
    connection = optional_text()
    at_stripe = Boolean()
    subscription = optional_text()
    open_invoices = Text(default="finish")
    by_token = Boolean()
    currency = Text()
    return_url = Text()
    country = Text()
    attributes = JSONB()
    payment_method = optional_text()
    stripe_payment_method = optional_text()
    setup_intent = optional_text()
    intents_lost = Integer()
    portal_at = at()
    look_at = at()
    looks = Integer()
    expires_at = at()
    created_at = at()


class PaymentSetup(Table, tablename="payment_setup", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    checkout_session = optional_text()
    payment_method_session = optional_text()
    connection = Text()
    processor_ref = Bytea()
    client = Bytea(null=True, default=None)
    vault_hash = optional_text()
    state = Text()
    named_at = at()
    looks = Integer()
    look_at = at()
    expires_at = at()
    created_at = at()
