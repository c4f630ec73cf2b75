"""The books: settlement files and their rows, Stripe's credit notes, comparisons and what they found."""

from __future__ import annotations

from piccolo.columns import JSONB, BigInt, Boolean, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, optional_text


class SettlementFormat(Table, tablename="settlement_format", schema=SCHEMA, db=DB):
    connection = Text(primary_key=True)
    account = Text()
    format = JSONB()
    updated_at = at()


class SettlementFile(Table, tablename="settlement_file", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    connection = Text()
    processor_id = Text()
    name = Text()
    rows = BigInt()
    new_rows = BigInt()
    from_at = at()
    until_at = at()
    totals = JSONB()
    taken_by = Text()
    taken_at = at()


class SettlementRow(Table, tablename="settlement_row", schema=SCHEMA, db=DB):
    row_id = Text(primary_key=True)
    account = Text()
    connection = Text()
    file = Text()
    kind = Text()
    processor_id = Text()
    charge_id = Text()
    reference = Text()
    amount = BigInt()
    currency = Text()
    settled = BigInt()
    fee = BigInt()
    net = BigInt()
    settled_currency = Text()
    occurred_at = at()
    taken_at = at()


class Reconciliation(Table, tablename="reconciliation", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    number = Integer()
    state = Text()
    asked_by = Text()
    whole = Boolean()
    live = Boolean()
    since_at = at()
    summary = JSONB()
    error = Text()
    created_at = at()
    began_at = at()
    finished_at = at()
    claim_until = at()


class ReconciliationBreak(Table, tablename="reconciliation_break", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    kind = Text()
    subject = Text()
    connection = optional_text()
    invoice = Text()
    attempt = Text()
    movement = Text()
    settlement_row = Text()
    credit_notes = Text()
    processor_id = Text()
    amount = BigInt()
    currency = Text()
    ledger_amount = BigInt(default=None, null=True)
    other_amount = BigInt(default=None, null=True)
    reason = Text()
    repair = Text()
    occurred_at = at()
    first_seen_at = at()
    from_run = Integer()
    seen_run = Integer()
    to_run = Integer(default=None, null=True)
    repair_asked_at = at()
    repaired_at = at()
    repaired_by = Text()
    repair_outcome = Text()
