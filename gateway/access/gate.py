"""The answer about a subscription's access: worked out from the rows, stored, and the merchant told of a change.

It asks nobody, and needs no claim: the subscription's row is locked first and everything is read afterwards, so that
who comes last has seen it all. What changes a fact of it pokes the subscription in the same transaction; so a worker
that dies in between is followed by another's turn, and nothing is told twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

import asyncpg
import msgspec

from db import outbox, sql
from db.engine import DB
from db.outbox import Announcement
from db.states import AccessState
from gateway.access.money import money_of
from gateway.domain.gate import Gate, Grant, followed, gate
from gateway.domain.subscription_news import access_news

ROW: Final = """
    select s.*, not exists (
            select 1 from tollbridge.checkout_session w where w.account = s.account and w.subscription = s.id
              and w.subscription <> '' and w.state <> 'complete' and not (w.state = 'processing' and w.told_stripe)
        ) as confirmed,
        exists (
            select 1 from tollbridge.payment_method p where p.account = s.account and p.customer = s.customer
              and p.status <> 'revoked' and p.revoke_asked_at is null and tollbridge.serves(p.account, p.id, s.id)
        ) as method,
        array(select g from tollbridge.access_grant g
              where g.account = s.account and g.subscription = s.id and g.revoked_at is null) as grants
    from tollbridge.subscription s where s.account = $1 and s.id = $2
"""
HELD: Final = "select 1 from tollbridge.subscription where account = $1 and id = $2 for no key update"
STORE: Final = """
    update tollbridge.subscription set access = $3, access_reason = $4, access_invoice = $5, access_closes_at = $6,
        access_closing = $7, access_since = $8, access_seen_at = $9, access_changes = access_changes + $10
    where account = $1 and id = $2
"""


async def settle(account: str, subscription: str, now: datetime) -> Gate | None:
    """Bring the answer up to date, and tell the merchant where it changed; None for a subscription without a row.

    In the caller's transaction, if there is one, after the fact that changes it.
    """
    async with DB.transaction():
        if await sql.row(HELD, account, subscription) is None:
            return None
        row = await sql.row(ROW, account, subscription)
        assert row is not None, "it is locked"
        stored = stored_gate(row)
        found = followed(stored, await worked_out(row, now), now)
        news = access_news(row["id"], row["customer"], row["access_changes"], found)
        if found != stored or news is not None:
            told = [] if news is None else [Announcement(news.type, news.step, news.data)]
            await outbox.announce(account, "subscription", subscription, told, now)
            await sql.rows(STORE, account, subscription, *msgspec.structs.astuple(found), now, len(told))
    return found


async def worked_out(row: asyncpg.Record, now: datetime) -> Gate:
    """What the rows say at `now`, by the subscription's (`ROW`); since when, only the stored answer knows."""
    grants = [Grant(one["until_at"], one["after_end"]) for one in row["grants"]]
    return gate(await money_of(row, now), grants, now)


def stored_gate(row: asyncpg.Record) -> Gate:
    """The answer as it stands on the row."""
    return Gate(
        AccessState(row["access"]),
        row["access_reason"],
        row["access_invoice"],
        row["access_closes_at"],
        row["access_closing"],
        row["access_since"],
    )
