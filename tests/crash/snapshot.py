"""The state that a path begins with, made once and put back for each of its histories: tables and sandboxes."""

from __future__ import annotations

import copy
from typing import Any

from db.engine import DB
from gateway.sandbox.kit.calls import CallLog
from gateway.sandbox.practice import PracticeProcessor
from gateway.sandbox.stripe import StripeSandbox

TABLES = """
    select schemaname || '.' || tablename from pg_tables
    where schemaname in ('tollbridge', 'tollbridge_queue') and tablename <> 'migration'
"""
COLUMNS = """
    select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = $1::text::regclass and attnum > 0 and not attisdropped and attgenerated = ''
"""
# The triggers that forbid emptying the ledger are for the gateway, not for its tests.
UNGUARDED = "set local session_replication_role = replica"


class Snapshot:
    """One state under a name."""

    def __init__(self, name: str) -> None:
        self._copies = f"snapshot_{name}"
        self._tables: list[str] = []
        self._kept: dict[str, str] = {}
        """Each table that is not empty, and its columns but those that PostgreSQL computes."""
        self._sandboxes: tuple[StripeSandbox, PracticeProcessor] | None = None
        self._notes: Any = None

    async def take(self, stripe: StripeSandbox, practice: PracticeProcessor, notes: Any) -> None:
        """Keep what is there now. `notes` is whatever the path wants to know of it."""
        connection = await DB.take_connection()
        try:
            self._tables = [row[0] for row in await connection.fetch(TABLES)]
            await connection.execute(f"drop schema if exists {self._copies} cascade; create schema {self._copies}")
            for table in self._tables:
                if await connection.fetchval(f"select exists (select from {table})"):
                    await connection.execute(f"create table {self._copy(table)} as table {table}")
                    self._kept[table] = await connection.fetchval(COLUMNS, table)
        finally:
            await DB.give_back(connection)
        self._sandboxes, self._notes = _copied((stripe, practice)), copy.deepcopy(notes)

    async def put_back(self) -> tuple[StripeSandbox, PracticeProcessor, Any]:
        """The database as it was, and new sandboxes in the state of then."""
        connection = await DB.take_connection()
        try:
            full = " union all ".join(f"select '{t}' where exists (select from {t})" for t in self._tables)
            emptied = [f"delete from {row[0]}" for row in await connection.fetch(full)]
            filled = [
                f"insert into {table} ({columns}) select {columns} from {self._copy(table)}"
                for table, columns in self._kept.items()
            ]
            await connection.execute(";".join(["begin", UNGUARDED, *emptied, *filled, "commit"]))
        finally:
            await DB.give_back(connection)
        assert self._sandboxes is not None
        stripe, practice = _copied(self._sandboxes)
        return stripe, practice, copy.deepcopy(self._notes)

    def _copy(self, table: str) -> str:
        return f"{self._copies}.{table.replace('.', '_')}"


def _copied(sandboxes: tuple[StripeSandbox, PracticeProcessor]) -> tuple[StripeSandbox, PracticeProcessor]:
    """Both with all their timers; their clients are made anew when they are needed, and their calls begin again."""
    memo: dict[int, Any] = {}
    for sandbox in sandboxes:
        sandbox.delivery._http = None
        sandbox.delivery._slots.clear()
        memo[id(sandbox.calls)] = CallLog()
    return copy.deepcopy(sandboxes, memo)
