"""Money that goes back: refunds and their parts, disputes, and the credit notes at Stripe."""

from __future__ import annotations

from piccolo.columns import UUID, BigInt, Boolean, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, Pokable, at, blob, optional_text


class CreditNote(Table, tablename="credit_note", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    invoice = Text()
    origin = Text()
    subject = Text()
    stripe_id = optional_text()
    number = Text()
    state = Text()
    amount = BigInt()
    out_of_band = BigInt()
    pre_payment = BigInt()
    post_payment = BigInt()
    currency = Text()
    reason = Text()
    memo = Text()
    params = Text()
    tries = Integer()
    error = Text()
    created_at = at()
    sent_at = at()
    issued_at = at()


class Refund(Pokable, tablename="refund", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    invoice = Text()
    origin = Text()
    base = Text()
    state = Text()
    amount = BigInt()
    currency = Text()
    attempt = optional_text()
    reason = Text()
    memo = Text()
    note = Text()
    lines = Text()
    wants_note = Boolean()
    credit_note = optional_text()
    requested_by = Text()
    approval = Text()
    approved_by = Text()
    failure = Text()
    message = Text()
    created_at = at()
    resolved_at = at()


class RefundPart(Table, tablename="refund_part", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    refund = Text()
    number = Integer()
    attempt = Text()
    connection = Text()
    charge_id = Text()
    amount = BigInt()
    currency = Text()
    state = Text()
    is_external = Boolean()
    idempotency_key = UUID(default=None, null=True)
    reference = Text()
    request = blob()
    processor_id = optional_text()
    refusal = Text()
    code = Text()
    message = Text()
    lookups = Integer(default=0)
    looked_at = at()
    resolve_at = at()
    retry_after = at()
    created_at = at()
    sent_at = at()
    resent_at = at()
    resolved_at = at()


class Dispute(Pokable, tablename="dispute", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    connection = Text()
    invoice = Text()
    attempt = Text()
    processor_id = Text()
    charge_id = Text()
    state = Text()
    amount = BigInt()
    currency = Text()
    reason = Text()
    evidence_due_by = at()
    evidence_url = Text()
    withdrawn = BigInt(default=0)
    credit_note = optional_text()
    told_at = at()
    told_moves = Integer(default=0)
    created_at = at()
    resolved_at = at()
