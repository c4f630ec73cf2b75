"""Who did something, by name: users of the console, and API keys. The command line and we ourselves have names."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from db import sql

NAMES: Final = """
    select id, name from tollbridge.console_user where id = any($2)
    union all
    select id, 'the API key ' || name from tollbridge.api_key where id = any($2) and (account = $1 or account is null)
"""


async def names_of(account: str, actors: Collection[str]) -> Mapping[str, str]:
    """What to show for each of these, as the rows of an account name them."""
    wanted = sorted({actor for actor in actors if actor})
    found = {row["id"]: str(row["name"]) for row in await sql.rows(NAMES, account, wanted)} if wanted else {}
    return {actor: found.get(actor, actor) for actor in wanted}
