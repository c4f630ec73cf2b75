"""Wake-ups commit with their rows, and workers find them."""

# A transaction block that fails is what is tested here, so it stands inside `raises` whole.
# ruff: noqa: PT012

from __future__ import annotations

import asyncio
from datetime import timedelta

import asyncpg
import pytest
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.types import QueueExecutionMode

from db.engine import DB
from db.errors import TransactionMisuseError
from db.queue import enqueue, enqueue_many, purge_log, queries_over


async def jobs() -> list[tuple[str, bytes, int]]:
    sql = "select entrypoint, payload, priority from tollbridge_queue.pgqueuer order by id"
    return [tuple(row) for row in await DB._run_in_pool(sql)]


@pytest.mark.usefixtures("database")
async def test_a_job_commits_with_its_transaction() -> None:
    async with DB.transaction():
        await enqueue("advance", b"in_1", priority=3)
        assert await jobs() == []
    assert await jobs() == [("advance", b"in_1", 3)]


@pytest.mark.usefixtures("database")
async def test_a_job_is_rolled_back_with_its_transaction() -> None:
    with pytest.raises(LookupError):
        async with DB.transaction():
            await enqueue("advance", b"in_1")
            raise LookupError
    assert await jobs() == []


@pytest.mark.usefixtures("database")
async def test_many_at_once_and_equal_ones_twice() -> None:
    async with DB.transaction():
        await enqueue_many("advance", [b"1", b"2", b"1"])
        await enqueue_many("advance", [])
    assert [payload for _, payload, _ in await jobs()] == [b"1", b"2", b"1"]


@pytest.mark.usefixtures("database")
async def test_no_job_outside_a_transaction() -> None:
    with pytest.raises(RuntimeError, match=r"enqueueing 'advance' belongs inside `async with DB\.transaction\(\)`"):
        await enqueue("advance", b"in_1")


@pytest.mark.usefixtures("database")
async def test_no_job_from_a_child_task() -> None:
    async with DB.transaction():
        with pytest.raises(TransactionMisuseError):
            await asyncio.create_task(enqueue("advance", b"in_1"))


async def test_a_worker_takes_it(database: str) -> None:
    seen: list[bytes | None] = []
    async with DB.transaction():
        await enqueue_many("advance", [b"1", b"2"])
    connection = await asyncpg.connect(database)
    driver = AsyncpgDriver(connection)
    worker = PgQueuer(driver, queries=queries_over(driver))

    @worker.entrypoint("advance")
    async def advance(job: Job) -> None:
        seen.append(job.payload)

    try:
        await worker.run(mode=QueueExecutionMode.drain, dequeue_timeout=timedelta(seconds=1))
    finally:
        await connection.close()
    assert sorted(filter(None, seen)) == [b"1", b"2"]
    assert await jobs() == []


@pytest.mark.usefixtures("database")
async def test_purging_keeps_what_is_young() -> None:
    async with DB.transaction():
        await enqueue_many("advance", [b"x"] * 5)
    await DB.run_ddl("update tollbridge_queue.pgqueuer_log set created = now() - interval '8 days' where id % 2 = 0")
    await DB.run_ddl(
        "insert into tollbridge_queue.pgqueuer_statistics (created, count, priority, status, entrypoint) "
        "values (now() - interval '8 days', 1, 0, 'successful', 'advance'), (now(), 1, 0, 'successful', 'advance')"
    )
    old = int((await DB._run_in_pool("select count(*) from tollbridge_queue.pgqueuer_log where id % 2 = 0"))[0][0])
    assert await purge_log(timedelta(days=7)) == old + 1
    assert await purge_log(timedelta(days=7)) == 0
    assert len(await jobs()) == 5, "jobs themselves are never purged"


@pytest.mark.usefixtures("database")
async def test_purging_runs_outside_transactions() -> None:
    async with DB.transaction():
        with pytest.raises(TransactionMisuseError):
            await purge_log(timedelta(days=7))
