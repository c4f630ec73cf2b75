"""What was changed of one object, by whom and why: its lines of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from db import sql
from gateway.readers.actors import names_of

MOST: Final = 100
OF_OBJECT: Final = """
    select id, actor, action, reason, before, after, created_at from tollbridge.audit_log
    where account = $1 and object = $2 order by created_at desc, id desc limit $3
"""


class HistoryLine(msgspec.Struct, frozen=True):
    """One change. `who`: the user's name, or what else the log knows it by."""

    who: str
    action: str
    reason: str
    before: dict[str, Any]
    after: dict[str, Any]
    at: datetime


async def history_of(account: str, object_id: str, *, limit: int = MOST) -> list[HistoryLine]:
    """The newest first."""
    rows = await sql.rows(OF_OBJECT, account, object_id, limit)
    names = await names_of(account, [row["actor"] for row in rows])
    return [
        HistoryLine(
            names[row["actor"]],
            row["action"],
            row["reason"],
            _side(row["before"]),
            _side(row["after"]),
            row["created_at"],
        )
        for row in rows
    ]


def _side(text: str | None) -> dict[str, Any]:
    return {} if text is None else msgspec.json.decode(text, type=dict[str, Any])
