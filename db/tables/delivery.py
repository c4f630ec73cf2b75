"""The inbox: webhooks that were accepted, raw."""

from __future__ import annotations

from piccolo.columns import BigInt, Bytea, Integer, Text, Timestamptz
from piccolo.table import Table

from db.engine import DB
from db.tables.columns import SCHEMA, at, optional_text


class Delivery(Table, tablename="delivery", schema=SCHEMA, db=DB):
    id = Text(primary_key=True)
    account = Text()
    source = Text()
    delivery_key = optional_text()
    kind = Text()
    object_id = Text()
    body = Bytea()
    state = Text(default="stored")
    reason = Text()
    tries = Integer()
    try_at = at()
    received_at = at()
    finished_at = at()


class RefusedDelivery(Table, tablename="refused_delivery", schema=SCHEMA, db=DB):
    minute = Timestamptz(primary_key=True, default=None)
    account = Text()
    source = Text()
    reason = Text()
    refused = BigInt()
