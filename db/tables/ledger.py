"""The ledger: movements (append-only), and what was recorded at Stripe."""

from __future__ import annotations

from piccolo.columns import BigInt, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, optional_text


class Movement(Table, tablename="movement", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    connection = optional_text()
    invoice = Text()
    attempt = optional_text()
    refund = optional_text()
    kind = Text()
    processor_id = Text()
    occurrence = Text()
    amount = BigInt()
    currency = Text()
    evidence = Text()
    occurred_at = at()
    created_at = at()


class Recording(Table, tablename="recording", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    invoice = Text()
    attempt = optional_text()
    receipt = optional_text()
    target = Text(default="invoice")
    amount = BigInt()
    currency = Text()
    state = Text()
    idempotency_key = Text()
    how = Text()
    created_at = at()
    resolved_at = at()
