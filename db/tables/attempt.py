"""Attempts: the row exists before the call does."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, blob, optional_text


class Attempt(Table, tablename="attempt", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    invoice = Text()
    number = Integer()
    connection = Text()
    payment_method = Text()
    fingerprint = Text()
    amount = BigInt()
    currency = Text()
    state = Text()
    reason = Text()
    idempotency_key = UUID(default=None, null=True)
    reference = Text()
    request = blob()
    processor_id = optional_text()
    amount_captured = BigInt()
    surplus_at = at()
    surplus_reason = Text()
    surplus = Boolean(default=False)
    decline_class = Text()
    advice = Text()
    processor_code = Text()
    network_code = Text()
    network_advice = Text()
    message = Text()
    action_url = Text()
    lookups = Integer()
    withdrawn = Boolean(default=False)
    looked_at = at()
    resolve_at = at()
    retry_after = at()
    created_at = at()
    sent_at = at()
    resent_at = at()
    resolved_at = at()
    settled_at = at()
