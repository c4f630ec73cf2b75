"""What belongs to one account, as a whole."""

from __future__ import annotations

from typing import Final

from db import sql

TABLES: Final = """
    select table_name from information_schema.columns where table_schema = 'tollbridge' and column_name = 'account'
"""
ROWS: Final = """
    select coalesce(md5(string_agg(t::text, '|' order by t::text)), '') from tollbridge.{} t where account = $1
"""


async def rows_of(account: str) -> dict[str, str]:
    """A fingerprint of everything that an account has, by table."""
    tables = [row["table_name"] for row in await sql.rows(TABLES)]
    return {table: await sql.value(ROWS.format(table), account) for table in tables}
