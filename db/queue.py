"""Wake-ups: PgQueuer jobs that commit with the rows they are about.

A job here says "look at this object again" and nothing else. What must happen, and when, stands in rows; a sweep
finds every row whose wake-up was lost. Therefore a job is never deduplicated (PgQueuer's key covers the running job
too, so the next poke would be swallowed) and never delayed (waiting is a column), and losing the queue loses nothing.

PgQueuer lives in the schema `tollbridge_queue` of the same database. Its queue table is logged, its log and its
statistics are not: they are no evidence, and would otherwise cost more writing than the jobs. For its own command
line set PGQUEUER_SCHEMA=tollbridge_queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.ports.driver import Driver
from pgqueuer.queries import Queries

from db.engine import DB

QUEUE_SCHEMA = "tollbridge_queue"
PURGE_BATCH = 10_000
PURGE_ROUNDS = 1_000

SETTINGS = DBSettings(db_schema=QUEUE_SCHEMA, durability=Durability.balanced)

_environment = QueryBuilderEnvironment(SETTINGS)
_queue = QueryQueueBuilder(SETTINGS)
_scheduler = QuerySchedulerBuilder(SETTINGS)


def queries(connection: Any) -> Queries:
    """PgQueuer's statements over an asyncpg connection, in our schema."""
    return queries_over(AsyncpgDriver(connection))


def queries_over(driver: Driver) -> Queries:
    """The same over a PgQueuer driver; a worker starts with `PgQueuer(driver, queries=queries_over(driver))`."""
    return Queries(driver, qbe=_environment, qbq=_queue, qbs=_scheduler)


async def enqueue(entrypoint: str, payload: bytes, *, priority: int = 0) -> None:
    """Wake `entrypoint` once the transaction of this task commits; higher priority is taken first.

    Raises `TransactionMisuseError` (a RuntimeError) outside a transaction: a job sent apart from its row can be
    lost, or seen before it.
    """
    await enqueue_many(entrypoint, [payload], priority=priority)


async def enqueue_many(entrypoint: str, payloads: Sequence[bytes], *, priority: int = 0) -> None:
    """Wake `entrypoint` once for each payload, in one statement. Raises as `enqueue` does."""
    tx = DB.current(f"enqueueing {entrypoint!r}")
    if payloads:
        n = len(payloads)
        await queries(tx.connection).enqueue([entrypoint] * n, list(payloads), [priority] * n)


async def purge_log(older_than: timedelta) -> int:
    """Delete what PgQueuer logged and counted longer ago than this, by the database's clock; returns rows deleted.

    PgQueuer writes three rows for every job and deletes none. Runs in small batches outside any transaction, so that it
    neither holds locks for long nor leaves much to do again.
    """
    DB.assert_no_transaction("purging the queue's log")
    names = SETTINGS.qualified
    return await _purge(names.queue_table_log, older_than) + await _purge(names.statistics_table, older_than)


async def _purge(table: str, older_than: timedelta) -> int:
    # The table's name is a constant of ours.
    sql = f"""
        delete from {table} where ctid = any (array(
            select ctid from {table} where created < now() - $1::interval limit {PURGE_BATCH}
        ))
    """  # noqa: S608
    total = 0
    for _ in range(PURGE_ROUNDS):
        connection = await DB.take_connection()
        try:
            deleted = int((await connection.execute(sql, older_than)).rpartition(" ")[2])
        finally:
            await DB.give_back(connection)
        total += deleted
        if deleted < PURGE_BATCH:
            break
    return total
