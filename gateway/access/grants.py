"""Access that somebody grants by hand: until a time, with a reason, and taken back before it where need be.

It moves no money and changes nothing at Stripe, so it holds at once: the answer is worked out in the same transaction.
The subscription's turn only sets the clock to its end.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import asyncpg

from db import poke, sql
from db.engine import DB
from db.ids import new_id
from db.poke import Kind
from gateway.access import gate
from gateway.access.errors import AccessGrantError
from gateway.accounts.audit import Author, required
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now

SUBSCRIPTION: Final = """
    select ended_at from tollbridge.subscription where account = $1 and id = $2 for no key update
"""
INSERT: Final = """
    insert into tollbridge.access_grant (id, account, subscription, reason, granted_by, until_at, after_end, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
GRANT: Final = "select * from tollbridge.access_grant where account = $1 and subscription = $2 and id = $3"
REVOKE: Final = """
    update tollbridge.access_grant set revoked_at = $3, revoked_by = $4 where account = $1 and id = $2
"""


async def grant(by: Author, account: str, subscription: str, until: datetime, *, after_end: bool = False) -> str:
    """Open access until then, whatever the money says; `by` names who, and its reason why. The grant's id.

    It ends with the subscription, unless `after_end`. Raises NotThereError, FieldError, AccessGrantError.
    """
    reason, now = required(by.reason), await business_now()
    if until <= now:
        raise FieldError("until", "must be in the future")
    made = new_id("agr")
    async with DB.transaction():
        if (await _held(account, subscription))["ended_at"] is not None and not after_end:
            raise AccessGrantError(
                "the subscription has ended: a grant that is to hold all the same says so (after_end)"
            )
        await sql.rows(INSERT, made, account, subscription, reason, by.name, until, after_end, now)
        after: dict[str, Any] = {"grant": made, "until": until.isoformat(), "after_end": after_end}
        await by.note(account, "subscription.access_granted", subscription, after=after)
        await _changed(account, subscription, now)
    return made


async def revoke(by: Author, account: str, subscription: str, granted: str) -> None:
    """End a grant now. Raises NotThereError, FieldError, AccessGrantError."""
    required(by.reason)
    now = await business_now()
    async with DB.transaction():
        await _held(account, subscription)
        row = await sql.row(GRANT, account, subscription, granted)
        if row is None:
            raise NotThereError("access grant", granted)
        if row["revoked_at"] is not None or row["until_at"] <= now:
            raise AccessGrantError("the grant is over already")
        await sql.rows(REVOKE, account, granted, now, by.name)
        before = {"grant": granted, "until": row["until_at"].isoformat()}
        await by.note(account, "subscription.access_grant_revoked", subscription, before=before)
        await _changed(account, subscription, now)


async def _held(account: str, subscription: str) -> asyncpg.Record:
    """The subscription's row, locked: grants of one are made and revoked one after the other."""
    row = await sql.row(SUBSCRIPTION, account, subscription)
    if row is None:
        raise NotThereError("subscription", subscription)
    return row


async def _changed(account: str, subscription: str, now: datetime) -> None:
    await gate.settle(account, subscription, now)
    await poke.poke(Kind.SUBSCRIPTION, account, [subscription], now)
