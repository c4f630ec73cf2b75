"""Cases: what a human must look at."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from db.states import CaseState
from gateway.accounts.errors import NotThereError
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SELECT: Final = "select t.* from tollbridge.review_case t"


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


async def find_cases(
    account: str,
    state: CaseState | None = None,
    *,
    invoice: str = "",
    subject: str = "",
    kind: str = "",
    owner: str = "",
    limit: int = DEFAULT,
    starting_after: str = "",
) -> Page[CaseBody]:
    """A page of an account's cases."""
    where = {"state": state, "invoice": invoice, "subject": subject, "kind": kind, "owner": owner}
    return listed(*await page(account, SELECT, "opened_at", where, limit=limit, starting_after=starting_after), shown)


async def find_case(account: str, case: str) -> CaseBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, case)
    if row is None:
        raise NotThereError("case", case)
    return shown(row)


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
