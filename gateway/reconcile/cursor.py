"""How far each walk of each account has come: rows, so that another process can go on in the middle."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from db import sql
from db.engine import DB
from db.states import Walk
from gateway.connections import adapter_classes
from gateway.reconcile.walks import is_due

# What only thin events tell is about usage that was reported here, and there is none from before the first.
PREPARE: Final = """
    insert into tollbridge.catch_up (account, walk, done_to)
    select a.id, w, case w when 'thin_events' then s.created_at else a.created_at end
    from tollbridge.account a cross join unnest($1::text[]) as w
    left join tollbridge.usage_stream s on s.account = a.id and s.id = a.id
    where a.enabled and (w <> 'thin_events' or s.id is not null)
    on conflict do nothing
"""
PREPARE_NOTICES: Final = """
    insert into tollbridge.catch_up (account, walk, connection, done_to)
    select n.account, 'notices', n.id, n.created_at from tollbridge.connection n where n.enabled and n.adapter = any($1)
    on conflict do nothing
"""
# A disabled connection is walked from where it was once it is enabled again.
ALL: Final = """
    select c.*, n.name as connection_name, coalesce(c.claim_until >= clock_timestamp(), false) as held
    from tollbridge.catch_up c join tollbridge.account a on a.id = c.account
    left join tollbridge.connection n on n.account = c.account and n.id = c.connection
    where a.enabled and (c.connection = '' or (n.enabled and n.adapter = any($1))) and ($2 in ('', c.account))
    order by c.account, c.connection, c.walk
"""
TAKE: Final = """
    update tollbridge.catch_up set began_at = coalesce(began_at, $4),
        claim_until = clock_timestamp() + make_interval(secs => $5)
    where account = $1 and walk = $2 and connection = $3
        and (claim_until is null or claim_until < clock_timestamp()) and done_to = $6
    returning *
"""
# A holder that was slower than its claim finds another cursor, and writes nothing over it.
TURN_PAGE: Final = """
    update tollbridge.catch_up set page_after = $6, claim_until = clock_timestamp() + make_interval(secs => $7)
    where account = $1 and walk = $2 and connection = $3 and began_at = $4 and page_after = $5 returning walk
"""
FINISH: Final = """
    update tollbridge.catch_up set done_to = began_at, began_at = null, page_after = '', claim_until = null,
        failures = 0, failing_since = null, error = ''
    where account = $1 and walk = $2 and connection = $3 and began_at = $4 and page_after = $5 returning walk
"""
LET_GO: Final = """
    update tollbridge.catch_up set claim_until = null
    where account = $1 and walk = $2 and connection = $3 and began_at = $4 and page_after = $5
"""
FAIL: Final = """
    update tollbridge.catch_up set claim_until = null, page_after = $6, failures = failures + $7,
        failing_since = coalesce(failing_since, $8), error = $9
    where account = $1 and walk = $2 and connection = $3 and began_at = $4 and page_after = $5 returning failures
"""
REWIND: Final = """
    update tollbridge.catch_up set done_to = least(done_to, $4), began_at = null, page_after = ''
    where account = $1 and walk = $2 and connection = $3 and (claim_until is null or claim_until < clock_timestamp())
    returning done_to
"""


class LostError(Exception):
    """Another process walks on: what this one has read is there already, or will be."""


class Standing(msgspec.Struct, frozen=True):
    """Where a walk stands: everything up to `done_to` is here; `began_at` is that of the one under way.

    `connection` is empty for Stripe's lists. `failing_since`: the first failure since it last came to an end.
    """

    account: str
    walk: Walk
    connection: str
    connection_name: str
    done_to: datetime
    began_at: datetime | None
    held: bool
    failures: int
    failing_since: datetime | None
    error: str


class Cursor(msgspec.Struct, frozen=True):
    """One walk under way."""

    account: str
    walk: Walk
    connection: str
    done_to: datetime
    began_at: datetime
    page_after: str

    @property
    def subject(self) -> str:
        """What a case calls it."""
        return self.connection or self.walk

    @property
    def _key(self) -> tuple[object, ...]:
        return (self.account, self.walk, self.connection, self.began_at, self.page_after)


async def standing(account: str = "") -> list[Standing]:
    """Every walk of an enabled account, or of all of them."""
    pollable = _pollable()
    await sql.rows(PREPARE, [walk.value for walk in Walk if walk is not Walk.NOTICES])
    if pollable:
        await sql.rows(PREPARE_NOTICES, pollable)
    return [
        Standing(
            row["account"],
            Walk(row["walk"]),
            row["connection"],
            row["connection_name"] or "",
            row["done_to"],
            row["began_at"],
            row["held"],
            row["failures"],
            row["failing_since"],
            row["error"],
        )
        for row in await sql.rows(ALL, pollable, account)
    ]


async def due(now: datetime) -> list[Standing]:
    """The walks that are to begin or to go on, of every enabled account."""
    return [
        one
        for one in await standing()
        if not one.held and (one.began_at is not None or is_due(one.walk, one.done_to, now))
    ]


async def take(one: Standing, now: datetime, for_s: float) -> Cursor | None:
    """Hold a walk, and begin it unless it is under way; None where somebody else was quicker."""
    row = await sql.row(TAKE, one.account, one.walk, one.connection, now, for_s, one.done_to)
    if row is None:
        return None
    return Cursor(one.account, one.walk, one.connection, row["done_to"], row["began_at"], row["page_after"])


async def rewind(one: Standing, since: datetime) -> datetime | None:
    """Walk everything since then once more, from its beginning; None while somebody holds the walk."""
    done_to: datetime | None = await sql.value(REWIND, one.account, one.walk, one.connection, since)
    return done_to


async def turn_page(cursor: Cursor, last: str, for_s: float) -> Cursor:
    """The page is taken in, in the caller's transaction; raises LostError."""
    DB.current("turning a page")
    if await sql.row(TURN_PAGE, *cursor._key, last, for_s) is None:
        raise LostError(cursor.walk)
    return msgspec.structs.replace(cursor, page_after=last)


async def finish(cursor: Cursor) -> None:
    """The last page is taken in, in the caller's transaction; raises LostError."""
    DB.current("finishing a walk")
    if await sql.row(FINISH, *cursor._key) is None:
        raise LostError(cursor.walk)


async def let_go(cursor: Cursor) -> None:
    """The turn is over in the middle of the walk."""
    await sql.rows(LET_GO, *cursor._key)


async def fail(cursor: Cursor, error: str, now: datetime, *, page_after: str, counts: bool) -> int:
    """The turn came to nothing; the next one starts after `page_after`. Returns how often it failed since it last
    came to an end: pages in between don't count, since a walk that begins again and again takes in some each time."""
    told = sql.storable(error, 500)
    return int(await sql.value(FAIL, *cursor._key, page_after, int(counts), now, told) or 0)


def _pollable() -> Sequence[str]:
    """The adapters that tell something to whoever asks and in no other way, or a second time."""
    declared = {name: adapter.capabilities for name, adapter in adapter_classes().items()}
    return sorted(name for name, one in declared.items() if one.polled_events or one.tells_again)
