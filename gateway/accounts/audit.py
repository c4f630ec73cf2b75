"""The audit log: who changed what, from what to what, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from db import sql
from db.engine import DB
from db.ids import new_id
from gateway.accounts.errors import FieldError
from gateway.clock import business_now

LONGEST_REASON: Final = 2000

SET = "(set)"
"""Stands in the log for every secret."""
CHANGED = "(changed)"

INSERT = """
    insert into tollbridge.audit_log (id, account, actor, action, object, reason, before, after, created_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""


class Change(msgspec.Struct, frozen=True):
    """One change. `before` and `after` hold only the fields that differ; None where the object was made or removed."""

    action: str
    object: str
    name: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class Author:
    """Who makes changes, and the list of those made; `reason` is the author's own and may be empty."""

    def __init__(self, name: str, reason: str = "") -> None:
        self.name = name
        self.reason = reason
        self.changes: list[Change] = []

    async def note(
        self,
        account: str | None,
        action: str,
        object_id: str,
        *,
        name: str = "",
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the row, in the caller's transaction. Raises FieldError for a reason that is too long."""
        DB.current("the audit log")
        change = Change(action, object_id, name, _plain(before), _plain(after))
        await sql.rows(INSERT, *self._row(account, change, await business_now()))
        self.changes.append(change)

    async def note_on(
        self, connection: Any, account: str, action: str, object_id: str, now: datetime, after: Mapping[str, Any]
    ) -> None:
        """The same for what was made, in a transaction of a connection outside the pool."""
        change = Change(action, object_id, "", None, _plain(after))
        await connection.execute(INSERT, *self._row(account, change, now))
        self.changes.append(change)

    def _row(self, account: str | None, change: Change, now: datetime) -> tuple[object, ...]:
        shown = [None if side is None else msgspec.json.encode(side).decode() for side in (change.before, change.after)]
        return (new_id("aud"), account, self.name, change.action, change.object, bounded(self.reason), *shown, now)


def required(reason: str, longest: int = LONGEST_REASON) -> str:
    """A reason that must be given, without the white space around it; raises FieldError."""
    if not can_be_read(reason):
        raise FieldError("reason", f"must have 1 to {longest} letters")
    return bounded(reason.strip(), longest)


def bounded(reason: str, longest: int = LONGEST_REASON) -> str:
    """A reason that may be given; raises FieldError for one that is too long."""
    if len(reason) > longest:
        raise FieldError("reason", f"must have at most {longest} letters")
    return reason


def can_be_read(text: str) -> bool:
    """Whether it shows anything: neither spaces nor characters without width do."""
    return any(one.isprintable() and not one.isspace() for one in text)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields that differ, as they were and as they are."""
    changed = [name for name in after if before.get(name) != after[name]]
    return {name: before.get(name) for name in changed}, {name: after[name] for name in changed}


def _plain(side: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if side is None else dict(side)
