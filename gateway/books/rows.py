"""Taking a settlement file in: its rows stream through a temporary table into ours, each once however often it comes.

Files overlap, and are given twice: a row is known by the processor's id of it, or, where a file has none, by all that
it says and its number among those that say the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from datetime import datetime
from typing import Any, Final

import msgspec
from asyncpg import UniqueViolationError

from db.ids import new_id
from gateway.accounts.audit import Author
from gateway.books import sources
from gateway.books.session import own_session
from gateway.books.totals import Row, Totals
from gateway.domain.moves import MOVES

COLUMNS: Final = (
    "row_id", "kind", "processor_id", "charge_id", "reference", "amount", "currency", "settled", "fee", "net",
    "settled_currency", "occurred_at",
)  # fmt: skip

KNOWN: Final = """
    select id, rows, new_rows from tollbridge.settlement_file
    where account = $1 and connection = $2 and processor_id = $3
"""
STAGE: Final = """
    create temporary table taking (row_id text, kind text, processor_id text, charge_id text, reference text,
        amount bigint, currency text, settled bigint, fee bigint, net bigint, settled_currency text,
        occurred_at timestamptz) on commit drop
"""
SAYS: Final = "concat_ws(' ', kind, processor_id, charge_id, reference, amount, currency, settled, fee, occurred_at)"
NAME: Final = f"""
    update taking t set row_id = n.named from (
        select ctid, md5({SAYS}) || '.' || row_number() over (partition by md5({SAYS}) order by ctid) as named
        from taking where row_id = '') n
    where t.ctid = n.ctid
"""  # noqa: S608
UNNAMED: Final = "select exists (select from taking where row_id = '')"
# Rows that share an id say the same, in a file and over all of them.
CHANGED: Final = """
    select t.row_id from taking t left join tollbridge.settlement_row r
        on r.account = $1 and r.connection = $2 and r.row_id = t.row_id
    group by t.row_id
    having min(t.kind) <> max(t.kind) or min(t.amount) <> max(t.amount) or min(t.currency) <> max(t.currency)
        or min(t.net) <> max(t.net) or min(r.kind) <> min(t.kind) or min(r.amount) <> min(t.amount)
        or min(r.currency) <> min(t.currency) or min(r.net) <> min(t.net)
    limit 1
"""
SPAN: Final = """
    select count(*) as rows, min(occurred_at) filter (where kind = any($1)) as from_at,
        max(occurred_at) filter (where kind = any($1)) as until_at from taking
"""
FILE: Final = """
    insert into tollbridge.settlement_file (id, account, connection, processor_id, name, rows, new_rows, from_at,
        until_at, totals, taken_by, taken_at)
    values ($1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, $11)
"""
INSERT: Final = """
    insert into tollbridge.settlement_row (account, connection, row_id, file, kind, processor_id, charge_id, reference,
        amount, currency, settled, fee, net, settled_currency, occurred_at, taken_at)
    select $1, $2, row_id, $3, kind, coalesce(nullif(processor_id, ''), nullif(reference, ''), row_id), charge_id,
        reference, amount, currency, settled, fee, net, settled_currency, occurred_at, $4
    from taking on conflict do nothing
"""
AT_ONCE: Final = 500
"""So many rows are read before others have their turn: a file is read where requests are answered, too."""
COUNT: Final = "update tollbridge.settlement_file set new_rows = $2 where id = $1"


class RowChangedError(Exception):
    """A row of the file is here already, and says otherwise: nothing of the file was taken in."""


class Taken(msgspec.Struct, frozen=True):
    """A file that was taken in. `new` is how many of its rows had not come before; `again`: it was here already."""

    id: str
    rows: int
    new: int
    again: bool = False


async def take(
    account: str, of: str, processor_id: str, rows: Iterable[Row], *, name: str, by: Author | None, now: datetime
) -> Taken:
    """Take a file of the connection `of` in, whole or not at all, and once. `by`: who has given it; None for its
    processor.

    Raises RowChangedError, and whatever `rows` raises.
    """
    async with own_session() as connection:
        if (before := await known(connection, account, of, processor_id)) is not None:
            return before
        try:
            async with connection.transaction():
                return await _take(connection, account, of, rows, (processor_id, name), (by, now))
        except UniqueViolationError:
            # Somebody else has taken the same file in meanwhile.
            before = await known(connection, account, of, processor_id)
            if before is None:
                raise
            return before


async def known(connection: Any, account: str, of: str, processor_id: str) -> Taken | None:
    """The file, if it is here."""
    row = await connection.fetchrow(KNOWN, account, of, processor_id)
    return None if row is None else Taken(row["id"], row["rows"], row["new_rows"], again=True)


async def _take(
    connection: Any,
    account: str,
    of: str,
    rows: Iterable[Row],
    named: tuple[str, str],
    asked: tuple[Author | None, datetime],
) -> Taken:
    totals = Totals()
    await connection.execute(STAGE)
    await connection.copy_records_to_table("taking", records=in_turns(totals.over(rows)), columns=COLUMNS)
    if await connection.fetchval(UNNAMED):
        await connection.execute(NAME)
    await connection.execute("analyze taking")
    if (changed := await connection.fetchval(CHANGED, account, of)) is not None:
        raise RowChangedError(f"row {changed} stands there already, and says something else")
    span = await connection.fetchrow(SPAN, sorted(MOVES))
    file, (by, now) = new_id("sfl"), asked
    sums, taken_by = msgspec.json.encode(totals.told()).decode(), by.name if by is not None else ""
    told = (account, of, *named, span["rows"], span["from_at"], span["until_at"], sums, taken_by, now)
    await connection.execute(FILE, file, *told)
    inserted = await connection.execute(INSERT, account, of, file, now)
    new = int(inserted.rpartition(" ")[2])
    await connection.execute(COUNT, file, new)
    await connection.execute(sources.NAME_ROWS, account, of)
    if by is not None:
        after = {"name": named[1], "connection": of, "rows": span["rows"], "new_rows": new}
        await by.note_on(connection, account, "settlement_file.taken", file, now, after)
    return Taken(file, int(span["rows"]), new)


async def in_turns(rows: Iterable[Row]) -> AsyncIterator[Row]:
    """The same, with turns for others in between."""
    for number, row in enumerate(rows):
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        yield row
