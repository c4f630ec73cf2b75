"""Where the money of a refund would come from: which captures, how each was paid, and what of each can go back."""

from __future__ import annotations

from typing import Final

import msgspec

from db import sql
from gateway.returns.spreading import shares_of
from processors.values import Card

SOURCES: Final = """
    select t.id, c.name as connection, c.adapter, m.card, t.amount_captured, p.room
    from tollbridge.paying($1, $2) p join tollbridge.attempt t on t.id = p.attempt
    join tollbridge.connection c on c.id = t.connection
    join tollbridge.payment_method m on m.account = t.account and m.id = t.payment_method
    where t.id = $3 or $3::text is null and not t.surplus
    order by t.invoice = $2 desc, t.number desc
"""


class Source(msgspec.Struct, frozen=True):
    """A capture that a refund may be taken from. `method`: what its payer knows it by. `taken`: by this refund."""

    attempt: str
    connection: str
    processor: str
    method: str
    captured: int
    refundable: int
    taken: int = 0


async def sources(account: str, invoice: str, attempt: str | None, amount: int) -> list[Source]:
    """The captures that pay an invoice (or the one), and what a refund of `amount` would take of each."""
    shares, left = await shares_of(account, invoice, attempt, amount) if amount > 0 else ([], 0)
    taken: dict[str, int] = {}
    for share in () if left else shares:
        taken[share.attempt] = taken.get(share.attempt, 0) + share.amount
    return [
        Source(
            attempt=row["id"],
            connection=row["connection"],
            processor=row["adapter"],
            method=msgspec.json.decode(row["card"], type=Card).shown,
            captured=row["amount_captured"],
            refundable=row["room"],
            taken=taken.get(row["id"], 0),
        )
        for row in await sql.rows(SOURCES, account, invoice, attempt)
    ]
