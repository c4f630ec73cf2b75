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


BEYOND: Final = """
    select t.id, t.currency,
        case when t.surplus then p.room else least(p.room, tollbridge.held_money($1, $2)) end as amount
    from tollbridge.paying($1, $2) p join tollbridge.attempt t on t.id = p.attempt
    where t.surplus = $3 and p.room > 0 and (t.surplus or tollbridge.held_money($1, $2) > 0)
    order by exists (select from tollbridge.recording r where r.account = $1 and r.attempt = t.id
                     and r.state = 'recorded' and r.target = 'invoice'), t.number desc
    limit 1
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


class Beyond(msgspec.Struct, frozen=True):
    """What of a capture no invoice took."""

    attempt: str
    amount: int
    currency: str


async def beyond(account: str, invoice: str, *, surplus: bool) -> Beyond | None:
    """What can go back without a credit note: of a capture that no invoice takes, or of the one of which this invoice,
    which is paid, did not take everything. None where nothing is left of it."""
    row = await sql.row(BEYOND, account, invoice, surplus)
    return None if row is None else Beyond(row["id"], row["amount"], row["currency"])


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
