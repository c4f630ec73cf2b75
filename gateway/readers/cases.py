"""Cases: what a human must look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import CaseState
from gateway.accounts.errors import NotThereError
from gateway.clock import business_now
from gateway.domain.case_age import Age, edges, opened_within
from gateway.readers.pages import DEFAULT, Condition, Page, listed, page, unix

SELECT: Final = "select t.* from tollbridge.review_case t"
OPEN_ABOUT: Final = f"{SELECT} where t.account = $1 and t.subject = $2 and t.state = 'open' order by t.opened_at, t.id"
UNOWNED: Final[Condition] = ("t.owner = ''", ())
NOTES: Final = "select t.* from tollbridge.case_note t"
COUNTED: Final = """
    select kind, width_bucket(opened_at, $5::timestamptz[]) as since, count(*) as n from tollbridge.review_case
    where account = $1 and ($2 = '' or state = $2) and ($3 = '' or owner = $3) and (not $4 or owner = '')
    group by kind, since
"""
# A case names a connection itself, or what was tried there.
CONNECTION: Final = """
    select coalesce(
        (select c.id from tollbridge.connection c where c.account = $1 and c.id = $2),
        (select a.connection from tollbridge.attempt a where a.account = $1 and a.id = $2),
        (select p.connection from tollbridge.refund_part p where p.account = $1 and p.refund = $2
         order by p.number desc limit 1))
"""


class CaseBody(msgspec.Struct, frozen=True):
    """One case: `subject` is the object it is about, `action` says in words what to do, `owner` sees to it."""

    id: str
    kind: str
    subject: str
    invoice: str | None
    reason: str
    action: str
    owner: str | None
    state: CaseState
    created: int
    closed: int | None
    closed_by: str | None
    closed_reason: str | None
    object: Literal["case"] = "case"


class CaseNoteBody(msgspec.Struct, frozen=True):
    """What somebody has written about a case; it never changes. `author`: by the name that the audit log knows."""

    id: str
    case: str
    author: str
    text: str
    created: int
    object: Literal["case_note"] = "case_note"


async def find_cases(
    account: str,
    state: CaseState | None = None,
    *,
    invoice: str = "",
    subject: str = "",
    kind: str = "",
    owner: str = "",
    unowned: bool = False,
    age: Age | None = None,
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[CaseBody]:
    """A page of an account's cases. `unowned`: only those that nobody sees to."""
    where = {"state": state, "invoice": invoice, "subject": subject, "kind": kind, "owner": owner}
    since, before = opened_within(age, await business_now()) if age else (None, None)
    rows = await page(
        account,
        SELECT,
        "opened_at",
        where,
        limit=limit,
        starting_after=starting_after,
        since=since,
        before=before,
        also=[UNOWNED] if unowned else [],
    )
    return listed(*rows, shown)


class CaseCount(msgspec.Struct, frozen=True):
    """Cases of one kind, by their age."""

    kind: str
    ages: Mapping[Age, int]

    @property
    def total(self) -> int:
        return sum(self.ages.values())


async def count_cases(
    account: str, state: CaseState | None = CaseState.OPEN, *, owner: str = "", unowned: bool = False
) -> list[CaseCount]:
    """How many cases there are of each kind and age; the kind of which there are most first."""
    oldest_first = edges(await business_now())[::-1]
    ages, found = list(Age)[::-1], dict[str, Counter[Age]]()
    for row in await sql.rows(COUNTED, account, state or "", owner, unowned, oldest_first):
        found.setdefault(row["kind"], Counter())[ages[row["since"]]] += row["n"]
    return sorted((CaseCount(*one) for one in found.items()), key=lambda one: (-one.total, one.kind))


async def find_notes(account: str, case: str, *, limit: int = DEFAULT, starting_after: str = "") -> Page[CaseNoteBody]:
    """A page of what was written about a case; raises NotThereError."""
    await find_case(account, case)
    within = {"review_case": case}
    found = await page(account, NOTES, "written_at", {}, limit=limit, starting_after=starting_after, within=within)
    return listed(*found, note_shown)


async def find_note(account: str, note: str) -> CaseNoteBody:
    """Raises NotThereError."""
    row = await sql.row(f"{NOTES} where t.account = $1 and t.id = $2", account, note)
    if row is None:
        raise NotThereError("note", note)
    return note_shown(row)


async def find_case(account: str, case: str) -> CaseBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, case)
    if row is None:
        raise NotThereError("case", case)
    return shown(row)


async def open_about(account: str, subject: str) -> list[CaseBody]:
    """The open cases about an object, the oldest first."""
    return [shown(row) for row in await sql.rows(OPEN_ABOUT, account, subject)]


async def connection_of(account: str, subject: str) -> str:
    """The connection of what a case is about; raises NotThereError where it has none (yet)."""
    found: str | None = await sql.value(CONNECTION, account, subject)
    if found is None:
        raise NotThereError("connection", subject)
    return found


def note_shown(row: asyncpg.Record) -> CaseNoteBody:
    """A note's row as it stands in JSON."""
    return CaseNoteBody(row["id"], row["review_case"], row["author"], row["text"], unix(row["written_at"]))


def shown(row: asyncpg.Record) -> CaseBody:
    """A case's row as it stands in JSON."""
    return CaseBody(
        id=row["id"],
        kind=row["kind"],
        subject=row["subject"],
        invoice=row["invoice"] or None,
        reason=row["reason"],
        action=row["action"],
        owner=row["owner"] or None,
        state=CaseState(row["state"]),
        created=unix(row["opened_at"]),
        closed=unix(row["closed_at"]),
        closed_by=row["closed_by"] or None,
        closed_reason=row["closed_reason"] or None,
    )
