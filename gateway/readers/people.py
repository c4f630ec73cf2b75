"""Who somebody is that a row names: users of the console by their name, keys and others as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from db import sql

NAMES: Final = "select id, name from tollbridge.console_user where id = any($1)"


async def names_of(actors: Iterable[str]) -> Mapping[str, str]:
    """The users among these, by id; `actors` come out of rows of an account that the caller may see."""
    users = sorted({one for one in actors if one.startswith("usr_")})
    return {row["id"]: row["name"] for row in await sql.rows(NAMES, users)} if users else {}
