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
