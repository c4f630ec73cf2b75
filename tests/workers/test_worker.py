"""A worker among PostgreSQL's and its own disasters. Nothing here waits by guess: conditions have deadlines."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from db import poke, sql
from db.encryption import generate_key
from db.engine import DB
from db.poke import Kind, WakeUp
from gateway.clock import business_now
from gateway.collect import advance as collect
from gateway.inbox.route import Router
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.workers import entrypoints, lanes
from tests.support.inbox import add_account, add_invoice, cases, delivery, forward, snapshot, stored
from tests.workers.conftest import until, worker

NEW = {"id": "in_1", "object": "invoice"}
Seen = list[WakeUp]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """What was advanced; each is marked as seen, as a real advance does in the end."""
    seen: Seen = []

    async def mark(runtime: Runtime, wake_up: WakeUp) -> None:
        claim = await poke.take(wake_up, 1)  # it may die holding it
        if claim is None:
            return
        seen.append(wake_up)
        poked = await sql.value(f"select poked from tollbridge.{wake_up.kind} where id = $1", wake_up.id)
        async with DB.transaction():
            await poke.release(claim, seen=poked, due_at=None)

    monkeypatch.setattr(entrypoints, "ADVANCE", dict.fromkeys(Kind, mark))
    return seen


async def put(account: str, *ids: str) -> None:
    async with DB.transaction():
        await poke.poke(Kind.INVOICE, account, ids, await business_now())


async def at_rest() -> bool:
    return not await sql.value(
        "select exists (select 1 from tollbridge.invoice where seen < poked or claimed_by is not null)"
    )


async def queue_is_empty() -> bool:
    return not await sql.value("select exists (select 1 from tollbridge_queue.pgqueuer)")


async def test_a_delivery_goes_all_the_way(database: str, seen: Seen) -> None:
    account = await add_account()
    async with worker():
        [found] = await stored(account, snapshot("invoice.paid", NEW))

        async def done() -> bool:
            return (await delivery(found))["state"] == "done"

        await until(done)
        await until(at_rest)
        await until(queue_is_empty)
    assert seen[0] == WakeUp(Kind.INVOICE, account, "in_1")
    beats = await sql.rows("select id from tollbridge.worker")
    assert len(beats) == 1


async def test_a_poke_during_advance_is_not_lost(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker that holds the claim goes round again: it releases only what it has seen."""
    account = await add_account()
    await add_invoice(account, "in_1")
    await put(account, "in_1")
    load, turns = collect.load, []

    async def poking_load(claim: Any, for_s: float) -> Any:
        loaded = await load(claim, for_s)
        turns.append(loaded.poked)
        if len(turns) == 1:
            await put(account, "in_1")
            # Its own wake-up comes to nothing: the claim is held.
            await collect.advance_invoice(runtime, WakeUp(Kind.INVOICE, account, "in_1"))
        return loaded

    monkeypatch.setattr(collect, "load", poking_load)
    monkeypatch.setattr(collect, "decide", lambda view, now: collect.Done("nothing"))
    await collect.advance_invoice(runtime, WakeUp(Kind.INVOICE, account, "in_1"))
    assert turns == [1, 2]
    assert await at_rest()


async def test_what_raises_ends_in_a_case_and_holds_up_nobody(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await add_account()

    def decide(view: Any, now: Any) -> Any:
        if view.id == "in_poison":
            raise ZeroDivisionError("sk_test_secret")
        return collect.Done("nothing")

    monkeypatch.setattr(collect, "decide", decide)
    for n in ("in_poison", *(f"in_{n}" for n in range(10))):
        await add_invoice(account, n)
    await put(account, "in_poison")
    async with worker():

        async def parked() -> bool:
            await forward(timedelta(minutes=30))
            return ("advance_failed", "in_poison") in await cases()

        await put(account, *(f"in_{n}" for n in range(10)))
        await until(at_rest)
        await until(parked)
    text = await sql.value("select string_agg(reason, '') from tollbridge.review_case")
    assert "secret" not in text
    traces = await sql.value("select count(*) from tollbridge_queue.pgqueuer_log where traceback is not null")
    assert traces == 0, "PgQueuer stores tracebacks, whose text may quote a secret"


async def test_a_job_that_raises_is_finished_and_logged_by_name_only(
    database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    account = await add_account()
    raised = 0

    async def raising(runtime: Runtime, wake_up: WakeUp) -> None:
        nonlocal raised
        raised += 1
        raise ValueError("tok_secret")

    monkeypatch.setattr(entrypoints, "ADVANCE", dict.fromkeys(Kind, raising))
    await put(account, "in_1")
    async with worker(Settings(sweep_interval_s=600, workers=4)):
        await until(queue_is_empty)
    assert raised >= 1
    assert "tok_secret" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("payload", [b"", b"\xff", b"{}", b'{"kind":"house","account":"a","id":"b"}'])
async def test_a_job_that_nobody_can_read_is_dropped(runtime: Runtime, payload: bytes) -> None:
    await entrypoints.advance_job(runtime, payload)
    await entrypoints.route_job(Router(runtime), payload)


async def test_backends_that_are_terminated_are_survived(database: str, seen: Seen) -> None:
    account = await add_account()
    killer = await asyncpg.connect(database)
    try:
        async with worker():
            await put(account, "in_0")
            await until(at_rest)
            for turn in range(3):
                await killer.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity "
                    "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
                )

                async def poked(turn: int = turn) -> bool:
                    await put(account, f"in_t{turn}")
                    return True

                await until(poked)

                async def advanced(turn: int = turn) -> bool:
                    return any(wake_up.id == f"in_t{turn}" for wake_up in seen) and await at_rest()

                await until(advanced)
    finally:
        await killer.close()


async def test_a_stopped_worker_finishes_what_is_under_way(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await add_account()
    started, gate, finished = asyncio.Event(), asyncio.Event(), []

    async def slow(runtime: Runtime, wake_up: WakeUp) -> None:
        started.set()
        await gate.wait()
        finished.append(wake_up.id)

    monkeypatch.setattr(entrypoints, "ADVANCE", dict.fromkeys(Kind, slow))
    await put(account, "in_1")
    async with worker(Settings(sweep_interval_s=600, workers=4)) as stop:
        await asyncio.wait_for(started.wait(), 20)
        stop.set()
        asyncio.get_running_loop().call_later(0.1, gate.set)
    assert set(finished) == {"in_1"}


async def test_a_stopped_worker_ends_in_bounded_time(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.workers.run.DRAIN_S", 0.3)
    account = await add_account()
    started = asyncio.Event()

    async def endless(runtime: Runtime, wake_up: WakeUp) -> None:
        started.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(entrypoints, "ADVANCE", dict.fromkeys(Kind, endless))
    await put(account, "in_1")
    began = time.monotonic()
    async with worker(Settings(sweep_interval_s=600, workers=4)) as stop:
        await asyncio.wait_for(started.wait(), 20)
        stop.set()
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not await at_rest(), "the sweep of another worker finds it"


async def test_slow_invoices_do_not_hold_up_routing(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await add_account()
    gate = asyncio.Event()

    async def slow(runtime: Runtime, wake_up: WakeUp) -> None:
        await gate.wait()

    monkeypatch.setattr(entrypoints, "ADVANCE", dict.fromkeys(Kind, slow))
    await put(account, *(f"in_{n}" for n in range(30)))
    async with worker():
        ids = await stored(
            account, *(snapshot("customer.created", {"id": "cus_9", "object": "customer"}) for _ in range(5))
        )

        async def routed() -> bool:
            return all([(await delivery(i))["state"] == "done" for i in ids])

        await until(routed)
        gate.set()


CHILD = """
import asyncio, sys
from db.engine import DB
from db.encryption import Keyring
from db.poke import Kind
from gateway.settings import Settings
from gateway.workers import entrypoints
from gateway.workers.run import work, stop_on_signals

async def stuck(runtime, wake_up):
    print("holding", wake_up.id, flush=True)
    await asyncio.Event().wait()

entrypoints.ADVANCE = dict.fromkeys(Kind, stuck)

async def main():
    DB.configure(sys.argv[1])
    stop = asyncio.Event()
    stop_on_signals(stop)
    await work(Settings(sweep_interval_s=600, workers=4), Keyring.parse(sys.argv[2], sys.argv[3]), stop)

asyncio.run(main())
"""


async def test_a_killed_workers_job_is_taken_over(database: str, seen: Seen, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the queue, since its heartbeat ends; the sweep is switched off."""
    monkeypatch.setattr(lanes, "HEARTBEAT", timedelta(seconds=1))
    account = await add_account()
    child = await _child(database)
    try:
        await put(account, "in_1")
        assert child.stdout is not None
        async with asyncio.timeout(30):
            while await child.stdout.readline() != b"holding in_1\n":
                assert child.returncode is None
        async with worker(Settings(sweep_interval_s=600, workers=4)):
            await asyncio.sleep(0)
            child.kill()
            await child.wait()

            async def taken_over() -> bool:
                return bool(seen)

            await until(taken_over, within_s=30)
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    assert msgspec.structs.asdict(seen[0])["id"] == "in_1"


async def test_sigterm_ends_a_worker_process(database: str) -> None:
    child = await _child(database)
    await until(_beats)
    child.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(child.wait(), 20) == 0


async def _beats() -> bool:
    return bool(await sql.rows("select 1 from tollbridge.worker"))


async def _child(database: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        database,
        f"child:{generate_key()}",
        generate_key(),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
