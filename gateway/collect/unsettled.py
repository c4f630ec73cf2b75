"""The invoices of customers or subscriptions about which something is still expected: they hear of a change."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal

from db import sql
from db.states import SETTLED

UNSETTLED: Final = """
    select id from tollbridge.invoice where account = $1 and {} = any($2) and state <> all($3) order by id
"""


async def unsettled(account: str, column: Literal["customer", "subscription"], of: Collection[str]) -> list[str]:
    """The ids of those of these customers, or of these subscriptions."""
    if not of:
        return []
    return [row["id"] for row in await sql.rows(UNSETTLED.format(column), account, sorted(of), sorted(SETTLED))]
