"""The settlement files that were taken in, and taking one back that was read wrongly."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

import msgspec

from db import sql
from db.engine import DB
from gateway.accounts.audit import Author, required
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now

FILES: Final = """
    select f.*, c.name as connection_name from tollbridge.settlement_file f
    join tollbridge.connection c on c.account = f.account and c.id = f.connection
    where f.account = $1 order by f.taken_at desc, f.id desc limit $2
"""
FILE: Final = "select * from tollbridge.settlement_file where account = $1 and id = $2 for update"
PATIENCE: Final = "set local statement_timeout = '10min'"
ROWS: Final = "delete from tollbridge.settlement_row where account = $1 and connection = $2 and file = $3"
FORGET: Final = "delete from tollbridge.settlement_file where account = $1 and connection = $2 and id = $3"


class File(msgspec.Struct, frozen=True):
    """A settlement file. `taken_by` is empty where its processor gave it."""

    id: str
    connection: str
    name: str
    rows: int
    new_rows: int
    from_at: datetime | None
    until_at: datetime | None
    taken_by: str
    taken_at: datetime
    object: Literal["settlement_file"] = "settlement_file"


async def listed(account: str, limit: int) -> list[File]:
    """The files, the newest first."""
    return [
        File(
            row["id"],
            row["connection_name"],
            row["name"],
            row["rows"],
            row["new_rows"],
            row["from_at"],
            row["until_at"],
            row["taken_by"],
            row["taken_at"],
        )
        for row in await sql.rows(FILES, account, limit)
    ]


async def forget(by: Author, account: str, file: str, *, anyway: bool = False) -> int:
    """Delete a file that was read wrongly, with the rows that came by it first; how many. A file that overlaps with it
    and came later is to be forgotten too, and both given again. Raises NotThereError, FieldError.

    Once the day on which it came is over the journal of that day may be in somebody's books: then only `anyway`.
    """
    required(by.reason)
    now = await business_now()
    async with DB.transaction():
        await sql.rows(PATIENCE)
        row = await sql.row(FILE, account, file)
        if row is None:
            raise NotThereError("settlement file", file)
        if row["taken_at"].date() != now.date() and not anyway:
            day = row["taken_at"].date()
            raise FieldError("file", f"it came on {day}: the journal of that day would change, so it must be meant so")
        await sql.rows(ROWS, account, row["connection"], file)
        await sql.rows(FORGET, account, row["connection"], file)
        before = {"name": row["name"], "connection": row["connection"], "rows": row["new_rows"]}
        await by.note(account, "settlement_file.forgotten", file, before=before)
    return int(row["new_rows"])
