"""How far each walk of each account has come: rows, so that another process can go on in the middle."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from db import sql
from db.engine import DB
from db.states import Walk
from gateway.reconcile.walks import is_due

PREPARE: Final = """
    insert into tollbridge.catch_up (account, walk, done_to)
    select a.id, w, a.created_at from tollbridge.account a cross join unnest($1::text[]) as w where a.enabled
    on conflict do nothing
"""
ALL: Final = """
    select c.* from tollbridge.catch_up c join tollbridge.account a on a.id = c.account
    where a.enabled and (c.claim_until is null or c.claim_until < clock_timestamp()) order by c.account, c.walk
"""
TAKE: Final = """
    update tollbridge.catch_up set began_at = coalesce(began_at, $3),
        claim_until = clock_timestamp() + make_interval(secs => $4)
    where account = $1 and walk = $2 and (claim_until is null or claim_until < clock_timestamp())
        and done_to = $5
    returning *
"""
# A holder that was slower than its claim finds another cursor, and writes nothing over it.
TURN_PAGE: Final = """
    update tollbridge.catch_up set page_after = $5, claim_until = clock_timestamp() + make_interval(secs => $6)
    where account = $1 and walk = $2 and began_at = $3 and page_after = $4 returning walk
"""
FINISH: Final = """
    update tollbridge.catch_up set done_to = began_at, began_at = null, page_after = '', claim_until = null,
        failures = 0
    where account = $1 and walk = $2 and began_at = $3 and page_after = $4 returning walk
"""
LET_GO: Final = """
    update tollbridge.catch_up set claim_until = null
    where account = $1 and walk = $2 and began_at = $3 and page_after = $4
"""
FAIL: Final = """
    update tollbridge.catch_up set claim_until = null, page_after = $5, failures = failures + $6
    where account = $1 and walk = $2 and began_at = $3 and page_after = $4 returning failures
"""


class LostError(Exception):
    """Another process walks on: what this one has read is there already, or will be."""


class Cursor(msgspec.Struct, frozen=True):
    """One walk under way."""

    account: str
    walk: Walk
    done_to: datetime
    began_at: datetime
    page_after: str
    failures: int


async def due(now: datetime) -> list[tuple[str, Walk, datetime]]:
    """The walks that are to begin or to go on, of every enabled account: account, walk, and what is done."""
    await sql.rows(PREPARE, [walk.value for walk in Walk])
    rows = await sql.rows(ALL)
    return [
        (row["account"], Walk(row["walk"]), row["done_to"])
        for row in rows
        if row["began_at"] is not None or is_due(Walk(row["walk"]), row["done_to"], now)
    ]


async def take(account: str, walk: Walk, done_to: datetime, now: datetime, for_s: float) -> Cursor | None:
    """Hold a walk, and begin it unless it is under way; None where somebody else was quicker."""
    row = await sql.row(TAKE, account, walk, now, for_s, done_to)
    if row is None:
        return None
    return Cursor(account, walk, row["done_to"], row["began_at"], row["page_after"], row["failures"])


async def turn_page(cursor: Cursor, last: str, for_s: float) -> Cursor:
    """The page is taken in, in the caller's transaction; raises LostError."""
    DB.current("turning a page")
    key = (cursor.account, cursor.walk, cursor.began_at, cursor.page_after)
    if await sql.row(TURN_PAGE, *key, last, for_s) is None:
        raise LostError(cursor.walk)
    return msgspec.structs.replace(cursor, page_after=last)


async def finish(cursor: Cursor) -> None:
    """The last page is taken in, in the caller's transaction; raises LostError."""
    DB.current("finishing a walk")
    if await sql.row(FINISH, cursor.account, cursor.walk, cursor.began_at, cursor.page_after) is None:
        raise LostError(cursor.walk)


async def let_go(cursor: Cursor) -> None:
    """The turn is over in the middle of the walk."""
    await sql.rows(LET_GO, cursor.account, cursor.walk, cursor.began_at, cursor.page_after)


async def fail(cursor: Cursor, *, page_after: str, counts: bool) -> int:
    """The turn came to nothing; the next one starts after `page_after`. Returns how often in a row it failed."""
    key = (cursor.account, cursor.walk, cursor.began_at, cursor.page_after)
    return int(await sql.value(FAIL, *key, page_after, int(counts)) or 0)
