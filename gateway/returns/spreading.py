"""From which captures a refund is taken: one part for each, under their locks (law 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import uuid5

import asyncpg
import msgspec

from db import sql
from db.engine import DB
from db.ids import NAMESPACE, new_id

LOCK: Final = """
    select id from tollbridge.attempt
    where account = $1 and (invoice = $2 or id in (select attempt from tollbridge.paying($1, $2)))
    order by id for update
"""
# A capture is one charge at the processor; an attempt may have made several under one reference.
CAPTURES: Final = """
    select t.id as attempt, t.connection, m.processor_id as charge_id, c.room as room_of_all,
        tollbridge.refundable(t.id, m.processor_id) as room
    from tollbridge.paying($1, $2) c join tollbridge.attempt t on t.id = c.attempt
    join tollbridge.movement m on m.attempt = t.id and m.kind = 'capture'
    where t.id = $3 or $3::text is null and not t.surplus
    group by t.id, t.connection, m.processor_id, t.number, c.room
    order by t.invoice = $2 desc, t.number desc, m.processor_id
"""
NUMBER: Final = "select coalesce(max(number), 0) from tollbridge.refund_part where refund = $1"
PART: Final = """
    insert into tollbridge.refund_part (id, account, refund, number, attempt, connection, charge_id, amount, currency,
        state, idempotency_key, reference, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, 'requested', $10, $11, $12)
"""


async def lock_captures(account: str, invoice: str) -> None:
    """Lock the captures that pay an invoice, in the one order; in the caller's transaction."""
    await sql.rows(LOCK, account, invoice)


class Share(msgspec.Struct, frozen=True):
    """What is taken from one charge at a processor."""

    attempt: str
    connection: str
    charge_id: str
    amount: int


async def shares_of(account: str, invoice: str, attempt: str | None, amount: int) -> tuple[list[Share], int]:
    """From which charges `amount` is taken, the newest first, and what they have no room for."""
    shares: list[Share] = []
    left = amount
    for capture in await sql.rows(CAPTURES, account, invoice, attempt):
        taken = sum(share.amount for share in shares if share.attempt == capture["attempt"])
        part = min(left, capture["room"], capture["room_of_all"] - taken)
        if part > 0:
            shares.append(Share(capture["attempt"], capture["connection"], capture["charge_id"], part))
            left -= part
    return shares, left


async def spread_over_captures(account: str, refund: asyncpg.Record, now: datetime, amount: int | None = None) -> int:
    """Make the parts of a refund (or of `amount` of it), the newest capture first; in the caller's transaction.

    Returns what the captures had no room for: then nothing was made.
    """
    DB.current("spreading a refund")
    await lock_captures(account, refund["invoice"])
    wanted = refund["amount"] if amount is None else amount
    shares, left = await shares_of(account, refund["invoice"], refund["attempt"], wanted)
    if left:
        return left
    made = int(await sql.value(NUMBER, refund["id"]))
    for number, share in enumerate(shares, made + 1):
        await add_part(account, refund, number, share, now)
    return 0


async def add_part(account: str, refund: asyncpg.Record, number: int, share: Share, now: datetime) -> None:
    """One part, whose key and reference come out the same after the database was restored (law 2)."""
    key = uuid5(NAMESPACE, f"refund\n{account}\n{refund['base']}\n{number}")
    place = (share.attempt, share.connection, share.charge_id)
    reference = f"{refund['base']}.{number}"
    await sql.rows(
        PART,
        new_id("rfp"),
        account,
        refund["id"],
        number,
        *place,
        share.amount,
        refund["currency"],
        key,
        reference,
        now,
    )
