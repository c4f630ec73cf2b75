"""What a transaction must not do: leak, pretend to be stored, or be shared between tasks."""

# A transaction block that fails is what is tested here, so it stands inside `raises` whole.
# ruff: noqa: PT012

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest
from piccolo.columns import BigInt
from piccolo.table import Table

from db.engine import TollbridgeEngine
from db.errors import DatabaseUnavailableError, TransactionAbortedError, TransactionMisuseError


async def run(engine: TollbridgeEngine, sql: str) -> None:
    await engine.current("a test").connection.execute(sql)


async def count(engine: TollbridgeEngine) -> int:
    return int((await engine._run_in_pool("select count(*) from thing"))[0][0])


@pytest.fixture
async def things(small: TollbridgeEngine) -> TollbridgeEngine:
    await small.run_ddl("create table thing (id bigint, constraint once unique (id) deferrable initially deferred)")
    return small


def idle(engine: TollbridgeEngine) -> int:
    """Connections of the pool that nobody holds, those not yet opened included."""
    pool = engine.pool
    assert pool is not None
    return pool.get_max_size() - pool.get_size() + pool.get_idle_size()


async def test_commit_stores(things: TollbridgeEngine) -> None:
    async with things.transaction():
        await run(things, "insert into thing values (1)")
    assert await count(things) == 1


async def test_an_exception_rolls_back_and_goes_on(things: TollbridgeEngine) -> None:
    with pytest.raises(LookupError):
        async with things.transaction():
            await run(things, "insert into thing values (1)")
            raise LookupError
    assert await count(things) == 0
    assert idle(things) == 2


async def test_a_commit_that_fails_leaks_neither_connection_nor_context(things: TollbridgeEngine) -> None:
    for _ in range(5):
        with pytest.raises(asyncpg.UniqueViolationError):
            async with things.transaction():
                await run(things, "insert into thing values (1), (1)")
        assert not things.in_transaction()
        assert idle(things) == 2
    assert await count(things) == 0


async def test_a_connection_that_dies_inside_is_replaced(things: TollbridgeEngine) -> None:
    for _ in range(3):
        with pytest.raises(asyncpg.PostgresError):
            async with things.transaction():
                await run(things, "select pg_terminate_backend(pg_backend_pid())")
        assert not things.in_transaction()
    assert idle(things) == 2
    assert await count(things) == 0


async def test_a_connection_lost_before_commit_is_told(things: TollbridgeEngine) -> None:
    with pytest.raises(DatabaseUnavailableError, match="nothing of this transaction is stored"):
        async with things.transaction():
            await run(things, "insert into thing values (1)")
            await things._run_in_pool(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid()"
            )
            await asyncio.sleep(0.1)
    assert idle(things) == 2
    assert await count(things) == 0


async def test_a_cancelled_block_rolls_back_and_gives_back(things: TollbridgeEngine) -> None:
    async def work() -> None:
        async with things.transaction():
            await run(things, "insert into thing values (1)")
            await run(things, "select pg_sleep(30)")

    task = asyncio.create_task(work())
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert idle(things) == 2
    assert await count(things) == 0


async def test_a_begin_that_fails_gives_back(things: TollbridgeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: object) -> None:
        raise asyncpg.CannotConnectNowError("shutting down")

    monkeypatch.setattr("db.transaction.Transaction.begin", refuse)
    for _ in range(3):
        with pytest.raises(asyncpg.CannotConnectNowError):
            async with things.transaction():
                pytest.fail("the block must not run")
    assert idle(things) == 2
    assert not things.in_transaction()


async def test_a_swallowed_statement_error_cannot_pass_for_a_commit(things: TollbridgeEngine) -> None:
    with pytest.raises(TransactionAbortedError, match="nothing of this transaction is stored"):
        async with things.transaction():
            await run(things, "insert into thing values (1)")
            with pytest.raises(asyncpg.UndefinedTableError):
                await run(things, "select * from nothing")
    assert await count(things) == 0
    assert idle(things) == 2


async def test_a_nested_block_joins_the_outer_one(things: TollbridgeEngine) -> None:
    async with things.transaction() as outer:
        with pytest.raises(LookupError):
            async with things.transaction() as inner:
                assert inner is outer
                await run(things, "insert into thing values (1)")
                raise LookupError
        assert things.in_transaction()
    assert await count(things) == 1, "an inner block is no savepoint"


async def test_a_savepoint_undoes_its_part_alone(things: TollbridgeEngine) -> None:
    async with things.transaction():
        await run(things, "insert into thing values (1)")
        with pytest.raises(asyncpg.UndefinedTableError):
            async with things.savepoint():
                await run(things, "insert into thing values (2)")
                await run(things, "select * from nothing")
        async with things.savepoint():
            await run(things, "insert into thing values (3)")
    assert [row["id"] for row in await things._run_in_pool("select id from thing order by id")] == [1, 3]


async def test_a_savepoint_needs_a_transaction(things: TollbridgeEngine) -> None:
    with pytest.raises(TransactionMisuseError, match="a savepoint belongs inside"):
        async with things.savepoint():
            pass


async def test_a_child_task_may_not_use_the_transaction(things: TollbridgeEngine) -> None:
    class Thing(Table, tablename="thing", db=things):
        id = BigInt(primary_key=True)

    async def nested() -> None:
        async with things.transaction():
            pass

    async def query() -> None:
        await Thing.select().run()

    async def current() -> None:
        things.current("enqueueing")

    async with things.transaction():
        await run(things, "insert into thing values (1)")
        for use in (nested, query, current):
            results = await asyncio.gather(use(), use(), return_exceptions=True)
            assert [type(result) for result in results] == [TransactionMisuseError] * 2
            assert "cannot be used from task" in str(results[0])
        assert await Thing.count() == 1, "the task that opened it goes on undisturbed"
    assert await count(things) == 1


async def test_a_task_that_outlives_the_block_may_not_either(things: TollbridgeEngine) -> None:
    ended = asyncio.Event()

    async def late() -> None:
        await ended.wait()
        assert not things.in_transaction()
        things.current("a late statement")

    async with things.transaction():
        task = asyncio.create_task(late())
    ended.set()
    with pytest.raises(TransactionMisuseError):
        await task


async def test_two_tasks_have_two_transactions(things: TollbridgeEngine) -> None:
    async def work(n: int) -> None:
        async with things.transaction():
            await run(things, f"insert into thing values ({n})")
            await asyncio.sleep(0.01)

    await asyncio.gather(work(1), work(2))
    assert await count(things) == 2


async def test_calls_outside_are_refused_inside(things: TollbridgeEngine) -> None:
    call: Callable[[], None] = lambda: things.assert_no_transaction("POST /v1/refunds")  # noqa: E731

    async def child() -> None:
        call()

    call()
    async with things.transaction():
        with pytest.raises(TransactionMisuseError, match="POST /v1/refunds was called inside a transaction"):
            call()
        with pytest.raises(TransactionMisuseError):
            await asyncio.gather(child())
        with pytest.raises(TransactionMisuseError):
            await asyncio.to_thread(call)
    call()


async def test_allow_nested_false_is_piccolos_own(things: TollbridgeEngine) -> None:
    from piccolo.engine.exceptions import TransactionError

    async with things.transaction():
        with pytest.raises(TransactionError):
            things.transaction(allow_nested=False)
