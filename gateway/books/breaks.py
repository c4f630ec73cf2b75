"""Breaks as rows: opened when first found, as old as that over all runs, and closed by the run that finds them gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import asyncpg
import msgspec

from db import cases, sql
from db.engine import DB
from db.ids import new_id
from gateway.domain.breaks import Finding
from gateway.domain.case_kinds import CaseKind
from gateway.turns.cases import open_case
from processors.errors import MoneyError
from processors.money import to_text

SUBJECT: Final = "books"
"""What the cases about all of an account's books are about."""
TOLD: Final = (
    "kind", "subject", "invoice", "attempt", "movement", "settlement_row", "credit_notes", "processor_id", "amount",
    "currency", "ledger_amount", "other_amount", "reason", "repair", "occurred_at",
)  # fmt: skip
LONGEST: Final = 500

OPEN: Final = """
    select * from tollbridge.reconciliation_break
    where account = $1 and kind = any($2) and subject = any($3) and to_run is null for no key update
"""
SEEN: Final = "update tollbridge.reconciliation_break set seen_run = $3 where account = $1 and id = any($2)"
# One of this very run was written by a holder that died.
FORGET: Final = "delete from tollbridge.reconciliation_break where account = $1 and id = any($2) and from_run = $3"
REPLACED: Final = """
    update tollbridge.reconciliation_break set to_run = $3 where account = $1 and id = any($2) and from_run < $3
"""
INSERT: Final = """
    insert into tollbridge.reconciliation_break (id, account, kind, subject, connection, invoice, attempt, movement,
        settlement_row, credit_notes, processor_id, amount, currency, ledger_amount, other_amount, reason, repair,
        occurred_at, first_seen_at, from_run, seen_run)
    select b.id, $1, b.kind, b.subject, nullif(b.connection, ''), b.invoice, b.attempt, b.movement, b.settlement_row,
        b.credit_notes, b.processor_id, b.amount, b.currency, b.ledger_amount, b.other_amount, b.reason, b.repair,
        b.occurred_at, b.first_seen_at, $2, $2
    from jsonb_to_recordset($3::jsonb) as b (id text, kind text, subject text, connection text, invoice text,
        attempt text, movement text, settlement_row text, credit_notes text, processor_id text, amount bigint,
        currency text, ledger_amount bigint, other_amount bigint, reason text, repair text, occurred_at timestamptz,
        first_seen_at timestamptz)
"""
KEEP: Final = """
    update tollbridge.reconciliation_break set seen_run = $4
    where account = $1 and connection = $2 and kind = $3 and to_run is null
"""
GONE: Final = """
    with gone as (update tollbridge.reconciliation_break set to_run = $2
                  where account = $1 and to_run is null and seen_run < $2 returning 1)
    select count(*) from gone
"""
EXPLAINED: Final = """
    select r.subject from tollbridge.review_case r
    join tollbridge.reconciliation_break b on b.account = r.account and b.id = r.subject
    where r.account = $1 and r.state = 'open' and r.kind = $2 and b.to_run is not null
"""
# What nobody was asked about by a case of its own.
UNEXPLAINED: Final = """
    select b.kind, b.currency, count(*) as breaks, sum(b.amount)::bigint as amount
    from tollbridge.reconciliation_break b
    where b.account = $1 and b.to_run is null and not exists (
        select 1 from tollbridge.review_case r
        where r.account = b.account and r.subject = b.id and r.kind = $2 and r.state = 'open')
    group by b.kind, b.currency order by b.kind, b.currency
"""
# There may be very many, after a file that was read wrongly.
PATIENCE: Final = "set local statement_timeout = '10min'"


async def store(account: str, run: int, findings: Sequence[Finding], now: datetime) -> None:
    """What the run of this number has found. What is told of a break never changes: where it would, another takes its
    place, as old as the first."""
    # A processor's texts stand in some of them.
    wanted = {(one.kind.value, one.subject): _storable(one) for one in findings}
    if not wanted:
        return
    async with DB.transaction():
        kinds, subjects = zip(*wanted, strict=True)
        rows = await sql.rows(OPEN, account, sorted(set(kinds)), sorted(set(subjects)))
        standing = {(row["kind"], row["subject"]): row for row in rows if (row["kind"], row["subject"]) in wanted}
        same = [row["id"] for key, row in standing.items() if _same(wanted[key], row)]
        other = [row["id"] for row in standing.values() if row["id"] not in same]
        await sql.rows(SEEN, account, same, run)
        await sql.rows(FORGET, account, other, run)
        await sql.rows(REPLACED, account, other, run)
        kept = set(same)
        new = [
            _fields(one, row["first_seen_at"] if row else now)
            for key, one in wanted.items()
            if (row := standing.get(key)) is None or row["id"] not in kept
        ]
        await sql.rows(INSERT, account, run, msgspec.json.encode(new).decode())


async def keep(account: str, run: int, connection: str, kind: str) -> None:
    """The run could not look: what stood there stands."""
    await sql.rows(KEEP, account, connection, kind, run)


async def close(account: str, run: int, now: datetime) -> int:
    """Close those that the run has not found any more, and the cases that ask about them, in the caller's transaction;
    how many breaks."""
    DB.current("closing breaks")
    await sql.rows(PATIENCE)
    gone = int(await sql.value(GONE, account, run))
    for row in await sql.rows(EXPLAINED, account, CaseKind.BREAK_TO_EXPLAIN):
        await cases.close_by_itself(account, row["subject"], [CaseKind.BREAK_TO_EXPLAIN], now)
    return gone


async def see_to_case(account: str, now: datetime) -> None:
    """A case while the books differ, of the breaks that have none of their own; in the caller's transaction."""
    DB.current("the case of the books")
    rows = await sql.rows(UNEXPLAINED, account, CaseKind.BREAK_TO_EXPLAIN)
    if not rows:
        await cases.close_by_itself(account, SUBJECT, [CaseKind.BOOKS_DIFFER], now)
        return
    told = [f"{row['breaks']} {row['kind'].replace('_', ' ')}{_sum(row)}" for row in rows]
    await open_case(account, CaseKind.BOOKS_DIFFER, SUBJECT, f"the books differ: {', '.join(told)}", now)


async def ask_human(row: asyncpg.Record, now: datetime) -> None:
    """A case of its own for a break, in the caller's transaction."""
    reason = f"{row['reason']}{_sum(row)}"
    await open_case(row["account"], CaseKind.BREAK_TO_EXPLAIN, row["id"], reason, now, invoice=row["invoice"])
    await see_to_case(row["account"], now)


def _sum(row: asyncpg.Record) -> str:
    try:
        return f" ({to_text(row['amount'], row['currency'])})" if row["amount"] and row["currency"] else ""
    except MoneyError:
        return ""


def _storable(one: Finding) -> Finding:
    texts = {
        name: sql.storable(getattr(one, name), LONGEST)
        for name in ("reason", "processor_id", "settlement_row", "credit_notes")
    }
    return msgspec.structs.replace(one, **texts)


def _same(one: Finding, row: asyncpg.Record) -> bool:
    return all(getattr(one, name) == row[name] for name in TOLD)


def _fields(one: Finding, first_seen_at: datetime) -> dict[str, Any]:
    return {"id": new_id("brk"), **msgspec.structs.asdict(one), "first_seen_at": first_seen_at}
