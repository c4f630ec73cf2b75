"""The audit log: who did what to what, and why.

An account's own rows, and what people did of no account (signing in, choosing a password) while they had a role in it:
the log itself tells since when and until when. What they did for other accounts, or before and after, is not to be
found, nor is the name of somebody who never had a role here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import asyncpg
import msgspec

from db import sql
from gateway.accounts.errors import FieldError
from gateway.books.report import row as csv_row
from gateway.domain.audit_words import Difference, differences, what, who
from gateway.readers.about import about
from gateway.readers.pages import DEFAULT, Page, listed, unix

PERSONAL: Final = ("console_session.", "console_user.")
"""Begin the actions of no account that are a person's own, or about one."""
CSV_PAGE: Final = 1_000
CSV_PAGES: Final = 10_000
COLUMNS: Final = ("id", "at", "who", "actor", "did", "action", "object", "reason", "before", "after")

# $1 the account. Rows of no account are those whose person, who did it or to whom it was done, had a role then.
ROLES: Final = """
    select object as person, created_at as since, action,
        lead(created_at) over (partition by object order by created_at, id) as until
    from tollbridge.audit_log where account = $1 and action in ('console_role.set', 'console_role.take')
"""
WHERE: Final = """
    and (cardinality($2::text[]) = 0 or t.actor = any($2)) and ($3 = '' or t.action = $3) and ($4 = '' or t.object = $4)
    and ($5::timestamptz is null or t.created_at >= $5) and ($6::timestamptz is null or t.created_at < $6)
    and ($7::timestamptz is null or (t.created_at, t.id) < ($7, $8)) and ($9 = '' or t.id = $9)
    order by t.created_at desc, t.id desc limit $10
"""
FIND: Final = f"""
    with roles as materialized ({ROLES}), entry as (
        (select t.* from tollbridge.audit_log t where t.account = $1 {WHERE})
        union all
        (select t.* from tollbridge.audit_log t
         where t.account is null and (starts_with(t.action, '{PERSONAL[0]}') or starts_with(t.action, '{PERSONAL[1]}'))
           and exists (select 1 from roles r where r.action = 'console_role.set' and r.since <= t.created_at
                       and (r.until is null or t.created_at < r.until)
                       and r.person = case when starts_with(t.action, '{PERSONAL[1]}') then t.object else t.actor end)
           {WHERE})
    )
    select t.*, coalesce(u.name || ' <' || u.email || '>', k.name, '') as name,
        case when starts_with(t.actor, 'usr_') then 'user' when k.id is null then ''
             when k.account is null then 'platform' else 'key' end as kind,
        coalesce(su.name || ' <' || su.email || '>', sk.name, sc.name, sa.name, '') as subject_name
    from entry t
    left join tollbridge.console_user u on u.id = t.actor and u.id in (select person from roles)
    left join tollbridge.api_key k on k.id = t.actor and (k.account = $1 or k.account is null)
    left join tollbridge.console_user su on su.id = t.object and su.id in (select person from roles)
    left join tollbridge.api_key sk on sk.id = t.object and sk.account = $1
    left join tollbridge.connection sc on sc.id = t.object and sc.account = $1
    left join tollbridge.account sa on sa.id = t.object and sa.id = $1
    order by t.created_at desc, t.id desc limit $10
"""  # noqa: S608 (constants of ours)
# Whom people mean: an id as it stands, a user's mail address, a name of somebody who had a role here or how a word of
# it begins, a key's name, who sat at the command line.
ACTORS: Final = """
    select $2::text as id
    union select id from tollbridge.console_user where email = lower($2)
    union select u.id from tollbridge.console_user u
        where position(' ' || lower($2) in ' ' || lower(u.name)) > 0 and exists (
            select 1 from tollbridge.audit_log r where r.account = $1 and r.object = u.id
              and r.action in ('console_role.set', 'console_role.take'))
    union select id from tollbridge.api_key where (account = $1 or account is null) and name = $2
    union select 'cli:' || $2::text
"""


class Wanted(msgspec.Struct, frozen=True):
    """Which entries; what is empty is no condition. `since` and `until` bound their time, the latter not included."""

    actor: str = ""
    action: str = ""
    subject: str = ""
    since: datetime | None = None
    until: datetime | None = None


class AuditEntry(msgspec.Struct, frozen=True):
    """One entry. `before` and `after` hold what differs; secrets stand in neither."""

    id: str
    created: int
    actor: Annotated[str, about("The id of a user or a key, `cli:` and the name of whoever sat there, or timer.")]
    who: Annotated[str, about("The same in words.")]
    action: str
    did: Annotated[str, about("The same in words.")]
    subject: Annotated[str, about("The id of what it was done to.")]
    subject_name: Annotated[str, about("What that is called, of a user, a key, a connection or the account.")]
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    object: Literal["audit_entry"] = "audit_entry"

    @property
    def differences(self) -> list[Difference]:
        return differences(self.before, self.after)


Place = tuple[datetime, str]


async def find_entries(
    account: str, wanted: Wanted, *, limit: int = DEFAULT, starting_after: str = ""
) -> Page[AuditEntry]:
    """A page of what an account may see of the log, the newest first. Raises FieldError for a place not in it."""
    place = None
    if starting_after:
        found = await _rows(account, wanted, 1, only=starting_after)
        if not found:
            raise FieldError("starting_after", "names no object of this list")
        place = found[0]["created_at"], found[0]["id"]
    rows = await _rows(account, wanted, limit + 1, place)
    return listed(rows[:limit], len(rows) > limit, _entry)


async def as_csv(account: str, wanted: Wanted) -> AsyncIterator[str]:
    """All of them as CSV, the newest first, a page at a time."""
    yield csv_row(COLUMNS)
    place: Place | None = None
    for _ in range(CSV_PAGES):
        found = await _rows(account, wanted, CSV_PAGE, place)
        yield "".join(csv_row(_cells(row)) for row in found)
        if len(found) < CSV_PAGE:
            return
        place = found[-1]["created_at"], found[-1]["id"]


async def _rows(
    account: str, wanted: Wanted, limit: int, place: Place | None = None, *, only: str = ""
) -> list[asyncpg.Record]:
    actors = [row["id"] for row in await sql.rows(ACTORS, account, wanted.actor)] if wanted.actor else []
    at, after = place or (None, "")
    conditions = (actors, wanted.action, wanted.subject, wanted.since, wanted.until, at, after, only)
    return await sql.rows(FIND, account, *conditions, limit)


def _entry(row: asyncpg.Record) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        created=unix(row["created_at"]),
        actor=row["actor"],
        who=who(row["actor"], row["name"], row["kind"]),
        action=row["action"],
        did=what(row["action"]),
        subject=row["object"],
        subject_name=row["subject_name"],
        reason=row["reason"],
        before=_side(row["before"]),
        after=_side(row["after"]),
    )


def _side(text: str | None) -> dict[str, Any] | None:
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])


def _cells(row: asyncpg.Record) -> tuple[object, ...]:
    entry = _entry(row)
    at = row["created_at"].astimezone(UTC).isoformat(timespec="seconds")
    said = (entry.who, entry.actor, entry.did, entry.action, entry.subject, entry.reason)
    return (entry.id, at, *said, row["before"] or "", row["after"] or "")
