"""Connections: one configured processor in one account, and those whose processor does not answer."""

from __future__ import annotations

from piccolo.columns import JSONB, Boolean, Bytea, Integer, Text
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, texts


class Connection(Table, tablename="connection", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    name = Text()
    adapter = Text()
    credentials = Bytea()
    credential_fields = texts()
    options = JSONB()
    currencies = texts()
    priority = Integer()
    record_on = Text(default="confirmed")
    routing = JSONB()
    display = JSONB()
    declines = JSONB()
    enabled = Boolean(default=True)
    created_at = at()


class Circuit(Table, tablename="circuit", schema=SCHEMA, db=DB):
    connection = Text(primary_key=True)
    account = Text()
    failures = Integer()
    failing_since = at()
    failed_at = at()
    opened_at = at()
    probe_at = at()
    probes = Integer(default=0)
