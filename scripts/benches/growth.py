"""`growth`: does it stay as fast when years of invoices and events lie behind it?

Two houses, one empty and one with 200,000 old invoices and 2,000,000 old events (made inside its PostgreSQL, gone with
it), settle the same renewals in turns; the figures are medians. Meanwhile PostgreSQL counts for the grown one how often
a large table was read from end to end: never is right. Then every named statement of ours is explained.
"""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import ExitStack
from statistics import median
from typing import Any, Final

import asyncpg

import db
import gateway
from scripts.benches.ground import Ground
from scripts.benches.settle import ZERO, settled, settling

OLD_INVOICES: Final = 200_000
OLD_EVENTS: Final = 2_000_000
"""Handled in days to come: every round moves the clock by a month, and what is old would be purged."""
FIGURES: Final = ("gateway_cpu_ms_per_invoice", "database_cpu_ms_per_invoice", "settled_s")
WORSE_AT_MOST: Final = 1.20
LARGE: Final = 10_000
STATEMENT: Final = re.compile(r"\s*(select|insert|update|delete|with)\b", re.IGNORECASE)

GROW: Final = """
    insert into tollbridge.customer (account, id, created_at)
    select '{account}', 'cus_old' || n, '{then}' from generate_series(1, {customers}) n;
    insert into tollbridge.subscription (account, id, customer, status, collection_method, digest, stale, created_at)
    select '{account}', 'sub_old' || n, 'cus_old' || n, 'active', 'send_invoice', 'old', false, '{then}'
    from generate_series(1, {customers}) n;
    insert into tollbridge.payment_method (id, account, customer, connection, reference, token_hash, vault_hash, status,
        created_at)
    select 'pm_old' || n, '{account}', 'cus_old' || n, c.id, '\\x00', 'old' || n, 'old' || n, 'active', '{then}'
    from generate_series(1, {customers}) n, tollbridge.connection c where c.account = '{account}';
    insert into tollbridge.invoice (account, id, state, snapshot, stale, status, customer, subscription, digest,
        currency, amount_due, total, stripe_created_at, created_at)
    select '{account}', 'in_old' || n, 'paid', convert_to(repeat(md5(n::text), 60), 'UTF8'), false, 'paid',
        'cus_old' || n % {customers} + 1, 'sub_old' || n % {customers} + 1, '4:old', 'eur', 1900, 1900,
        timestamptz '{then}' + n * interval '1 minute', '{then}'
    from generate_series(1, {invoices}) n;
    insert into tollbridge.attempt (id, account, invoice, number, connection, payment_method, amount, currency, state,
        reason, idempotency_key, reference, processor_id, amount_captured, created_at, sent_at, resolved_at)
    select 'att_old' || n, '{account}', 'in_old' || n, 1, c.id, 'pm_old' || n % {customers} + 1, 1900, 'eur',
        'succeeded', 'first', gen_random_uuid(), 'in_old' || n || '.1', 'old' || n, 1900, '{then}', '{then}', '{then}'
    from generate_series(1, {invoices}) n, tollbridge.connection c where c.account = '{account}';
    insert into tollbridge.movement (id, account, connection, invoice, attempt, kind, processor_id, amount, currency,
        occurred_at, created_at)
    select 'mov_old' || n, '{account}', c.id, 'in_old' || n, 'att_old' || n, 'capture', 'old' || n, 1900, 'eur',
        '{then}', '{then}'
    from generate_series(1, {invoices}) n, tollbridge.connection c where c.account = '{account}';
    insert into tollbridge.recording (id, account, invoice, attempt, amount, currency, state, idempotency_key, how,
        created_at, resolved_at)
    select 'rec_old' || n, '{account}', 'in_old' || n, 'att_old' || n, 1900, 'eur', 'recorded', 'old' || n, 'ours',
        '{then}', '{then}'
    from generate_series(1, {invoices}) n;
    insert into tollbridge.delivery (id, account, source, delivery_key, kind, object_id, body, state, received_at,
        finished_at)
    select 'dlv_old' || n, '{account}', 'stripe', 'evt_old' || n, 'invoice.updated', 'in_old' || n % {invoices} + 1,
        convert_to(md5(n::text), 'UTF8'), 'done', now() + interval '60 days', now() + interval '60 days'
    from generate_series(1, {events}) n
"""
SCANS: Final = """
    select relname, seq_scan from pg_stat_user_tables where schemaname = 'tollbridge' and n_live_tup > $1
"""


def run(*, invoices: int, rounds: int) -> dict[str, Any]:
    """Settle so many renewals in each round, in the empty house and in the grown one."""
    with ExitStack() as stack:
        empty, grown = (stack.enter_context(settling(ZERO)) for _ in range(2))
        asyncio.run(_grow(grown))
        before = asyncio.run(scans(grown))
        runs: dict[str, list[dict[str, Any]]] = {"empty": [], "grown": []}
        for _ in range(rounds):
            for name, house in (("empty", empty), ("grown", grown)):
                runs[name].append(_figures(asyncio.run(settled(house, ZERO, invoices))))
        after = asyncio.run(scans(grown))
        medians = {name: {f: median(run[f] for run in of) for f in FIGURES} for name, of in runs.items()}
        ratios = {f: round(medians["grown"][f] / medians["empty"][f], 2) for f in FIGURES}
        explained, unindexed = asyncio.run(_explained(grown))
        return {
            "bench": "growth",
            "old_invoices": OLD_INVOICES,
            "old_events": OLD_EVENTS,
            "invoices": invoices,
            "rounds": rounds,
            "medians": medians,
            "ratios": ratios,
            "worst_ratio": max(ratios.values()),
            "within": max(ratios.values()) <= WORSE_AT_MOST,
            "large_tables_read_whole": {t: after[t] - n for t, n in before.items() if after.get(t, n) > n},
            "named_statements": explained,
            "named_without_an_index": unindexed,
        }


def _figures(result: dict[str, Any]) -> dict[str, float]:
    assert (result["lost"], result["doubled"]) == (0, 0)
    return {**result, "database_cpu_ms_per_invoice": result["cpu_ms_per_invoice"]["database"]}


async def _grow(house: Ground) -> None:
    connection = await asyncpg.connect(house.dsn, command_timeout=600)
    try:
        await connection.execute(
            GROW.format(
                account=house.wired.account,
                customers=OLD_INVOICES // 10,
                invoices=OLD_INVOICES,
                events=OLD_EVENTS,
                then="2026-01-01T00:00:00Z",
            )
        )
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


async def scans(house: Ground) -> dict[str, int]:
    """How often each large table was read from end to end."""
    await asyncio.sleep(1.5)  # PostgreSQL's statistics come a second late
    return {row["relname"]: row["seq_scan"] for row in await house.rows(SCANS, LARGE)}


async def _explained(house: Ground) -> tuple[int, dict[str, str]]:
    """How many named statements there are, and those whose plan reads a large table from end to end."""
    large = await scans(house)
    bad: dict[str, str] = {}
    count = 0
    connection = await asyncpg.connect(house.dsn, server_settings={"plan_cache_mode": "force_generic_plan"})
    try:
        for name, statement in _named():
            try:
                lines = await _plan_of(connection, statement)
            except asyncpg.PostgresError:
                continue  # a part of a statement, or one with a name to be filled in: the counters above saw those
            count += 1
            for table in re.findall(r"Seq Scan on (\w+)", "\n".join(line[0] for line in lines)):
                if table in large:
                    bad[name] = table
        return count, bad
    finally:
        await connection.close()


async def _plan_of(connection: Any, statement: str) -> list[Any]:
    """The plan for any values, which is what our sessions use."""
    nulls = ", ".join("null" for _ in (await connection.prepare(statement)).get_parameters())
    await connection.execute(f"prepare named as {statement}")
    try:
        return list(await connection.fetch(f"explain execute named{f'({nulls})' if nulls else ''}"))
    finally:
        await connection.execute("deallocate named")


def _named() -> Iterator[tuple[str, str]]:
    """Every constant of ours that is a statement."""
    for package in (db, gateway):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".sandbox" in module.name or module.name.endswith("__main__"):
                continue
            for name, value in vars(importlib.import_module(module.name)).items():
                if name.isupper() and isinstance(value, str) and STATEMENT.match(value):
                    yield f"{module.name}.{name}", value
