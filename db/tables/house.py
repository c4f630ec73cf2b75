"""What the house itself keeps: the audit log, replies to repeated requests, business time, living workers,
downtime, and how far the walks through Stripe's lists have come."""

from __future__ import annotations

from piccolo.columns import JSONB, BigInt, Boolean, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, blob, optional_text


class AuditLog(Table, tablename="audit_log", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = optional_text()
    actor = Text()
    action = Text()
    object = Text()
    reason = Text()
    before = JSONB(default=None, null=True)
    after = JSONB(default=None, null=True)
    created_at = at()


class IdempotentReply(Table, tablename="idempotent_reply", schema=SCHEMA, db=DB):
    key = Text(primary_key=True)
    account = Text()
    principal = Text()
    fingerprint = Bytea()
    status = Integer(default=None, null=True)
    headers = JSONB()
    body = blob()
    created_at = at()
    locked_until = at()


class BusinessClock(Table, tablename="business_clock", schema=SCHEMA, db=DB):
    one = Boolean(primary_key=True, default=True)
    offset_s = BigInt()
    moved_at = at()


class Worker(Table, tablename="worker", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    started_at = at()
    beat_at = at()


class CatchUp(Table, tablename="catch_up", schema=SCHEMA, db=DB):
    walk = Text(primary_key=True)
    account = Text()
    connection = Text()
    done_to = at()
    began_at = at()
    page_after = Text()
    failures = Integer(default=0)
    failing_since = at()
    error = Text()
    claim_until = at()


class Downtime(Table, tablename="downtime", schema=SCHEMA, db=DB):
    from_at = Timestamptz(primary_key=True, default=None, null=True)
    connection = Text()
    until_at = at()
