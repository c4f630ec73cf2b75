"""The settlement files that were taken in, as they are shown: by the API and the command line."""

from __future__ import annotations

from typing import Final, Literal

import asyncpg
import msgspec

from db import sql
from gateway.accounts.errors import NotThereError
from gateway.books.totals import Total, net_of
from gateway.readers.pages import DEFAULT, Page, listed, page, unix

SELECT: Final = """
    select t.*, c.name as connection_name from tollbridge.settlement_file t
    join tollbridge.connection c on c.account = t.account and c.id = t.connection
"""
OF_ROW: Final = """
    select t.id, t.name from tollbridge.settlement_row r
    join tollbridge.connection c on c.account = r.account and c.id = r.connection and c.name = $2
    join tollbridge.settlement_file t on t.account = r.account and t.connection = r.connection and t.id = r.file
    where r.account = $1 and r.row_id = $3
"""


class RowFile(msgspec.Struct, frozen=True):
    """The file by which a row came first."""

    id: str
    name: str


class SettlementBody(msgspec.Struct, frozen=True):
    """A settlement file of a processor's. `new_rows`: as many of its rows had come by no file before; `from` and
    `until`: the first and the last move of money in it. `totals`: what its rows come to by kind and currency, and
    `net`: what they settle by currency, without the payouts. `taken_by` is empty where its processor gave it.
    """

    id: str
    connection: str
    name: str
    rows: int
    new_rows: int
    first: int | None = msgspec.field(name="from")
    until: int | None
    totals: list[Total]
    net: dict[str, int]
    taken_by: str
    taken: int
    object: Literal["settlement"] = "settlement"


async def find_settlements(
    account: str, *, connection: str = "", limit: int = DEFAULT, starting_after: str = ""
) -> Page[SettlementBody]:
    """A page of an account's files; `connection` by its id."""
    rows = await page(
        account, SELECT, "taken_at", {"connection": connection}, limit=limit, starting_after=starting_after
    )
    return listed(*rows, _shown)


async def find_settlement(account: str, settlement: str) -> SettlementBody:
    """Raises NotThereError."""
    row = await sql.row(f"{SELECT} where t.account = $1 and t.id = $2", account, settlement)
    if row is None:
        raise NotThereError("settlement", settlement)
    return _shown(row)


async def file_of_row(account: str, connection: str, row_id: str) -> RowFile | None:
    """None where it is forgotten. `connection` by its name."""
    row = await sql.row(OF_ROW, account, connection, row_id)
    return None if row is None else RowFile(row["id"], row["name"] or row["id"])


def _shown(row: asyncpg.Record) -> SettlementBody:
    totals = msgspec.json.decode(row["totals"], type=list[Total])
    return SettlementBody(
        id=row["id"],
        connection=row["connection_name"],
        name=row["name"],
        rows=row["rows"],
        new_rows=row["new_rows"],
        first=unix(row["from_at"]),
        until=unix(row["until_at"]),
        totals=totals,
        net=net_of(totals),
        taken_by=row["taken_by"],
        taken=unix(row["taken_at"]),
    )
