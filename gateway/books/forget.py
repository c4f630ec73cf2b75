"""Taking a settlement file back that was read wrongly."""

from __future__ import annotations

from typing import Final

from db import sql
from db.engine import DB
from gateway.accounts.audit import Author, required
from gateway.accounts.errors import FieldError, NotThereError
from gateway.clock import business_now

FILE: Final = "select * from tollbridge.settlement_file where account = $1 and id = $2 for update"
PATIENCE: Final = "set local statement_timeout = '10min'"
ROWS: Final = "delete from tollbridge.settlement_row where account = $1 and connection = $2 and file = $3"
FORGET: Final = "delete from tollbridge.settlement_file where account = $1 and connection = $2 and id = $3"


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
