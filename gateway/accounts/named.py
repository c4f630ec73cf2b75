"""A connection as people and programs call it: by its name."""

from __future__ import annotations

from typing import Final

from db import sql

NAMED: Final = "select id from tollbridge.connection where account = $1 and name = $2 and enabled"


async def connection_named(account: str, name: str) -> str | None:
    """The id of the enabled connection of this name; None where there is none."""
    found: str | None = await sql.value(NAMED, account, name)
    return found
