"""Invoices: Stripe's last answer (the mirror), our projection of the rest, and the poke columns."""

from __future__ import annotations

from piccolo.columns import BigInt, Boolean, Text

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, blob, optional_text


class Invoice(Pokable, tablename="invoice", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    state = Text(default="due")
    reason = Text()
    waits_for = optional_text()
    snapshot = blob()
    read_at = at()
    listed_at = at()
    stale = Boolean(default=True)
    status = Text()
    customer = Text()
    subscription = Text()
    number = Text()
    billing_reason = Text()
    collection_method = Text()
    mail_hash = blob()
    digest = Text()
    currency = Text()
    amount_due = BigInt()
    amount_remaining = BigInt()
    total = BigInt()
    stripe_took = BigInt()
    stripe_created_at = at()
    due_date = at()
    next_attempt_at = at()
    kept_in_pause = Boolean()
    asked_at = at()
    void_asked_at = at()
    paid_at = at()
    given_up_at = at()
    giving_up = Text()
    looked_for_at = at()
    notes_read_at = at()
    balance_back = BigInt(default=None, null=True)
    names_rest = Text()
    rest_looked_for_at = at()
    collector = optional_text()
    collect_by = at()
    taken_at = at()
    created_at = at()
