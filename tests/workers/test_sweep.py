"""The sweep finds whatever lost its wake-up, once, and a drained world stays at rest."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from db import poke, sql
from db.engine import DB
from db.poke import Kind, WakeUp
from gateway.clock import business_now
from gateway.runtime import Runtime
from gateway.workers import sweep as module
from gateway.workers.purge import purge
from gateway.workers.sweep import sweep
from tests.support.inbox import add_account, add_invoice, delivery, snapshot, stored

NEW = {"id": "in_1", "object": "invoice"}


async def jobs() -> list[tuple[str, Any]]:
    rows = await sql.rows("select entrypoint, payload from tollbridge_queue.pgqueuer order by id")
    return [(row["entrypoint"], msgspec.json.decode(row["payload"])) for row in rows]


async def lose_all_jobs() -> None:
    await sql.rows("delete from tollbridge_queue.pgqueuer")


async def woken() -> set[str]:
    return {job["id"] for entrypoint, job in await jobs() if entrypoint == "advance"}


async def test_what_was_poked_and_never_seen(runtime: Runtime) -> None:
    account, now = await add_account(), await business_now()
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, ["in_1", "in_2"], now)
        await poke.poke(Kind.SUBSCRIPTION, account, ["sub_1"], now)
    await lose_all_jobs()
    assert await sweep(runtime, now) == 3
    assert await woken() == {"in_1", "in_2", "sub_1"}


async def test_what_is_due_and_nothing_before_its_time(runtime: Runtime) -> None:
    account, now = await add_account(), await business_now()
    await add_invoice(account, "in_1", due_at=now + timedelta(hours=1))
    assert await sweep(runtime, now) == 0
    assert await sweep(runtime, now + timedelta(hours=2)) == 1
    assert await woken() == {"in_1"}


async def test_a_claim_that_ran_out_and_not_one_that_holds(runtime: Runtime) -> None:
    account, now = await add_account(), await business_now()
    for n in (1, 2):
        await add_invoice(account, f"in_{n}")
    assert await poke.take(WakeUp(Kind.INVOICE, account, "in_1"), 0.0)
    assert await poke.take(WakeUp(Kind.INVOICE, account, "in_2"), 60.0)
    assert await sweep(runtime, now) == 1
    assert await woken() == {"in_1"}


async def test_deliveries_whose_wake_up_was_lost_or_whose_time_has_come(runtime: Runtime) -> None:
    account, now = await add_account(), await business_now()
    [old, waiting] = await stored(account, snapshot("invoice.paid", NEW), snapshot("invoice.sent", NEW))
    await sql.rows("update tollbridge.delivery set try_at = $2 where id = $1", waiting, now + timedelta(minutes=5))
    await lose_all_jobs()
    assert await sweep(runtime, now) == 0, "its own wake-up may still be on its way"
    assert await sweep(runtime, now + timedelta(minutes=1)) == 1
    assert await jobs() == [("route", [old])]
    await lose_all_jobs()
    assert await sweep(runtime, now + timedelta(minutes=6)) == 2


async def test_more_than_a_page(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    account, now = await add_account(), await business_now()
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, [f"in_{n}" for n in range(50)], now)
    await lose_all_jobs()
    assert await sweep(runtime, now) == 50
    assert len(await jobs()) == 50


async def test_more_than_a_page_of_one_kind_beside_few_of_another(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 7)
    account, now = await add_account(), await business_now()
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, [f"in_{n}" for n in range(21)], now)
        await poke.poke(Kind.SUBSCRIPTION, account, [f"sub_{n}" for n in range(8)], now)
        await poke.poke(Kind.USAGE, account, ["usage"], now)
    await lose_all_jobs()
    assert await sweep(runtime, now) == 30
    assert len(await woken()) == len(await jobs()) == 30


async def test_one_process_sweeps_and_another_takes_over(runtime: Runtime, database: str) -> None:
    account, now = await add_account(), await business_now()
    await add_invoice(account, "in_1", due_at=now)
    hanging = await asyncpg.connect(database, server_settings={"idle_in_transaction_session_timeout": "300ms"})
    try:
        await hanging.execute("begin")
        assert await hanging.fetchval(module.LOCK, module.LOCK_KEY)
        assert await sweep(runtime, now) == 0
        for _ in range(200):
            if await sweep(runtime, now):
                return
            await asyncio.sleep(0.02)
        raise AssertionError("nobody took over")
    finally:
        hanging.terminate()


async def test_no_more_wake_ups_while_the_workers_are_behind(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_QUEUED", 5)
    account, now = await add_account(), await business_now()
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, [f"in_{n}" for n in range(5)], now)
    assert await sweep(runtime, now) == 0


async def test_what_is_purged_and_what_is_kept(runtime: Runtime) -> None:
    account, now = await add_account(), await business_now()
    ids = await stored(account, *(snapshot("invoice.paid", NEW) for _ in range(5)))
    done, young, waiting, parked, closed = ids
    long_ago = now - timedelta(days=36)
    for found, state, at in (
        (done, "done", long_ago),
        (young, "done", now - timedelta(days=34)),
        (parked, "parked", long_ago),
        (closed, "parked", long_ago),
    ):
        await sql.rows(
            "update tollbridge.delivery set state = $2, reason = 'x', received_at = $3, finished_at = $3 where id = $1",
            found,
            state,
            at,
        )
    await sql.rows(
        "insert into tollbridge.review_case (id, account, kind, subject, reason, action, state, opened_at) "
        "values ('cas_1', $1, 'delivery_parked', $2, 'x', 'y', 'open', $3)",
        account,
        parked,
        now,
    )
    for key, age in (("old", 25), ("new", 23)):
        await sql.rows(
            "insert into tollbridge.idempotent_reply (account, principal, key, fingerprint, created_at, locked_until) "
            "values ($1, 'key', $2, '', $3, now())",
            account,
            key,
            now - timedelta(hours=age),
        )
    await purge(runtime, now)
    assert [found for found in ids if await delivery(found)] == [young, waiting, parked]
    assert [r["key"] for r in await sql.rows("select key from tollbridge.idempotent_reply")] == ["new"]


async def test_usage_is_kept_for_as_long_as_it_may_be_disputed(runtime: Runtime) -> None:
    account, now = await add_account(), await business_now()
    for number, (state, days) in enumerate((("sent", 181), ("refused", 181), ("sent", 179), ("accepted", 181))):
        at = now - timedelta(days=days)
        await sql.rows(
            "insert into tollbridge.usage_event (id, account, identifier, customer, event_name, value, used_at, state, "
            "created_at, resolved_at) values ($1, $2, $1, 'cus_1', 'calls', '1', $3, $4, $3, $5)",
            f"use_{number}",
            account,
            at,
            state,
            None if state == "accepted" else at,
        )
    await purge(runtime, now)
    assert [row["id"] for row in await sql.rows("select id from tollbridge.usage_event order by id")] == [
        "use_2",
        "use_3",
    ]
