"""Searches that people keep, for themselves or for everybody of the account: their makers' to share and to delete."""

from __future__ import annotations

from typing import Final

import msgspec

from db import sql
from db.engine import DB
from db.ids import new_id
from gateway.accounts.audit import CHANGED, Author
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now

LONGEST_NAME: Final = 100
LONGEST_QUERY: Final = 2000
MOST: Final = 50
"""So many does one user keep for one page."""

# A view that somebody shares is seen by whoever works in the account, also once its maker does not any more.
LIST: Final = """
    select v.id, v.name, v.query, v.shared, v.console_user = $2 as own, u.name as maker
    from tollbridge.console_view v join tollbridge.console_user u on u.id = v.console_user
    where v.account = $1 and v.page = $3 and (v.console_user = $2 or v.shared)
    order by v.console_user <> $2, lower(v.name), v.id limit 200
"""
COUNT: Final = """
    select count(*) from tollbridge.console_view where account = $1 and console_user = $2 and page = $3 and name <> $4
"""
KEPT: Final = """
    select query, shared from tollbridge.console_view
    where account = $1 and console_user = $2 and page = $3 and name = $4 for no key update
"""
SAVE: Final = """
    insert into tollbridge.console_view (id, account, console_user, page, name, query, shared, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
    on conflict (account, console_user, page, name) do update set query = $6, shared = $7
    returning id
"""
SHARE: Final = """
    with before as (select id, shared from tollbridge.console_view
                    where account = $1 and console_user = $2 and id = $3 for no key update)
    update tollbridge.console_view t set shared = $4 from before
    where t.account = $1 and t.id = before.id returning before.shared
"""
DELETE: Final = """
    delete from tollbridge.console_view where account = $1 and id = $3 and (console_user = $2 or shared and $4)
    returning name
"""


class SavedView(msgspec.Struct, frozen=True):
    """`query`: what stands behind the `?` of the page's address; `own`: whoever asks has made it."""

    id: str
    name: str
    query: str
    shared: bool
    own: bool
    maker: str


async def views_of(account: str, user: str, page: str) -> list[SavedView]:
    """Somebody's own of a page, and then what others share."""
    return [SavedView(**dict(row)) for row in await sql.rows(LIST, account, user, page)]


async def save(by: Author, account: str, page: str, name: str, query: str, *, shared: bool) -> str:
    """Keep it under a name; one of the same name takes its place. Raises FieldError."""
    name = " ".join(name.split())
    if not 0 < len(name) <= LONGEST_NAME:
        raise FieldError("name", f"must have 1 to {LONGEST_NAME} letters")
    if len(query) > LONGEST_QUERY:
        raise FieldError("query", "is too long to be kept")
    if await sql.value(COUNT, account, by.name, page, name) >= MOST:
        raise FieldError("name", f"would be one more than the {MOST} that can be kept: delete another first")
    async with DB.transaction():
        kept = await sql.row(KEPT, account, by.name, page, name)
        view = await sql.value(SAVE, new_id("cvw"), account, by.name, page, name, query, shared, await business_now())
        # Not what it looks for, which may be a payer's address: the log outlives an erasure.
        before = None if kept is None else {"name": name, "shared": kept["shared"]}
        after: dict[str, object] = {"name": name, "shared": shared}
        if kept is not None and kept["query"] != query:
            after["query"] = CHANGED
        await by.note(account, "console_view.saved", view, before=before, after=after)
    return str(view)


async def share(by: Author, account: str, view: str, *, shared: bool) -> None:
    """Show it to everybody of the account, or to oneself alone again. Raises NotThereError."""
    async with DB.transaction():
        row = await sql.row(SHARE, account, by.name, view, shared)
        if row is None:
            raise NotThereError("view", view)
        before, after = {"shared": row["shared"]}, {"shared": shared}
        await by.note(account, "console_view.shared", view, before=before, after=after)


async def delete(by: Author, account: str, view: str, *, anybodys: bool = False) -> None:
    """Forget one's own, or, with `anybodys`, one that is shared, whose maker may have left. Raises NotThereError."""
    async with DB.transaction():
        row = await sql.row(DELETE, account, by.name, view, anybodys)
        if row is None:
            raise NotThereError("view", view)
        await by.note(account, "console_view.deleted", view, before={"name": row["name"]})
