"""Group commit: nobody is answered before COMMIT, and nobody pays for another's delivery."""

from __future__ import annotations

import asyncio
import contextvars
import time
from typing import Any

import asyncpg
import httpx
import pytest

from db import sql
from db.engine import DB
from gateway import group_commit
from gateway.group_commit import TooManyWaitError, UnavailableError
from gateway.inbox import intake as module
from gateway.inbox.envelope import Accepted
from gateway.inbox.intake import Intake
from gateway.runtime import Runtime
from tests.support.inbox import KEYRING, add_account, deliveries, signed, snapshot

EVENT = snapshot("invoice.finalized", {"id": "in_1", "object": "invoice"})


def notice(account: str, key: str, kind: str = "invoice.paid") -> Accepted:
    return Accepted(account, "stripe", key, kind, "", b"{}")


async def keys() -> set[str]:
    return {row["delivery_key"] for row in await deliveries()}


async def test_what_waits_together_shares_a_transaction_and_a_job(intake: Intake) -> None:
    account = await add_account()
    await asyncio.gather(*(intake.put([notice(account, f"evt_{n}")]) for n in range(40)))
    assert len(await keys()) == 40
    jobs = await sql.value("select count(*) from tollbridge_queue.pgqueuer")
    assert jobs <= 4, "one for each batch"


async def test_nobody_is_answered_before_the_commit(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process dies between the insert and COMMIT: nothing was acknowledged, and nothing is there."""
    account = await add_account()

    async def dies(*_: Any, **__: Any) -> None:
        raise ConnectionResetError("the process is gone")

    monkeypatch.setattr(module.queue, "enqueue", dies)
    results = await asyncio.gather(
        *(intake.put([notice(account, f"evt_{n}")]) for n in range(5)), return_exceptions=True
    )
    assert all(isinstance(result, UnavailableError) for result in results)
    assert await keys() == set()


async def test_the_answer_waits_for_the_commit(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await add_account()
    gate, commit = asyncio.Event(), type(DB.transaction()).commit

    async def slow(self: Any) -> None:
        await gate.wait()
        await commit(self)

    monkeypatch.setattr(type(DB.transaction()), "commit", slow)
    put = asyncio.create_task(intake.put([notice(account, "evt_1")]))
    done, _ = await asyncio.wait({put}, timeout=0.1)
    assert not done
    gate.set()
    await put
    assert await keys() == {"evt_1"}


async def test_a_poisoned_row_falls_alone(intake: Intake) -> None:
    account = await add_account()
    puts = [intake.put([notice(account, f"evt_{n}")]) for n in range(6)]
    puts.insert(3, intake.put([notice(account, "evt_poison", kind="a\0b")]))
    puts.insert(5, intake.put([notice("acc_nobody", "evt_nobody")]))
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(r) for r in results if r is not None] == [UnavailableError, UnavailableError]
    assert await keys() == {f"evt_{n}" for n in range(6)}


async def test_a_sender_that_goes_away_breaks_nobodys_batch(intake: Intake) -> None:
    account = await add_account()
    puts = [asyncio.create_task(intake.put([notice(account, f"evt_{n}")])) for n in range(10)]
    await asyncio.sleep(0)
    puts[4].cancel()
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [asyncio.CancelledError]
    assert await keys() >= {f"evt_{n}" for n in range(10) if n != 4}


async def test_two_batches_with_the_same_events_in_other_orders(intake: Intake) -> None:
    account = await add_account()
    for turn in range(10):
        names = [f"evt_{turn}_{n}" for n in range(30)]
        await asyncio.gather(
            intake.put([notice(account, name) for name in names]),
            module.store(KEYRING, [notice(account, name) for name in reversed(names)]),
        )
    assert len(await keys()) == 300


async def test_beyond_the_bound_the_answer_is_503(
    intake: Intake, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await add_account()
    gate, store = asyncio.Event(), module.store

    async def stuck(keyring: Any, notices: Any) -> list[str]:
        await gate.wait()
        return await store(keyring, notices)

    monkeypatch.setattr(module, "store", stuck)
    flying = []
    for n in range(2):  # one for each flusher to be stuck with
        flying.append(asyncio.create_task(intake.put([notice(account, f"evt_{n}")])))
        while intake.group.waiting or n >= len(flying):
            await asyncio.sleep(0)
        await asyncio.sleep(0)
    waiting = [asyncio.create_task(intake.put([notice(account, f"evt_w{n}")])) for n in range(50)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyWaitError):
        await intake.put([notice(account, "evt_too_many")])
    answer = await http.post("/webhooks/stripe/acme", content=EVENT, headers={"stripe-signature": signed(EVENT)})
    assert (answer.status_code, answer.text, answer.headers["retry-after"]) == (503, "busy", "5")
    gate.set()
    await asyncio.gather(*flying, *waiting)
    assert len(await keys()) == 52


async def test_a_sender_waits_for_a_bounded_time(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await add_account()
    monkeypatch.setattr(group_commit, "PUT_TIMEOUT_S", 0.05)
    gate = asyncio.Event()

    async def stuck(keyring: Any, notices: Any) -> list[str]:
        await gate.wait()
        return []

    monkeypatch.setattr(module, "store", stuck)
    with pytest.raises(UnavailableError):
        await intake.put([notice(account, "evt_1")])
    gate.set()


async def test_closing_commits_what_was_accepted_and_refuses_the_rest(runtime: Runtime) -> None:
    account = await add_account()
    async with Intake(runtime, batch=3) as intake:
        puts = [asyncio.create_task(intake.put([notice(account, f"evt_{n}")])) for n in range(20)]
        await asyncio.sleep(0)
    await asyncio.gather(*puts)
    assert len(await keys()) == 20
    with pytest.raises(UnavailableError):
        await intake.put([notice(account, "evt_late")])


async def test_flushers_inherit_nobodys_transaction(runtime: Runtime) -> None:
    account = await add_account()
    async with DB.transaction():
        intake = await Intake(runtime).__aenter__()
    put = asyncio.get_running_loop().create_task(intake.put([notice(account, "evt_1")]), context=contextvars.Context())
    await put
    await intake.__aexit__(None, None, None)
    assert await keys() == {"evt_1"}


async def test_a_database_that_is_away_is_503_and_comes_back(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_account()
    headers = {"stripe-signature": signed(EVENT)}
    real = DB.take_connection

    async def away() -> Any:
        raise ConnectionRefusedError

    # The account is not known yet; then it is, and only the COMMIT fails.
    for known in (False, True):
        if known:
            assert await http.post("/webhooks/stripe/acme", content=b"{}", headers={"stripe-signature": signed(b"{}")})
        monkeypatch.setattr(DB, "take_connection", away)
        answer = await http.post("/webhooks/stripe/acme", content=EVENT, headers=headers)
        assert (answer.status_code, answer.text) == (503, "unavailable")
        monkeypatch.setattr(DB, "take_connection", real)
    assert (await http.post("/webhooks/stripe/acme", content=EVENT, headers=headers)).status_code == 200


async def test_terminated_backends_cost_an_answer_but_no_event(http: httpx.AsyncClient, database: str) -> None:
    """What was acknowledged is there; what was not is sent again by Stripe."""
    await add_account()
    acknowledged: set[str] = set()
    asked = 0

    async def post(n: int) -> None:
        body = snapshot("invoice.paid", {"id": f"in_{n}"}, event=f"evt_{n}")
        answer = await http.post("/webhooks/stripe/acme", content=body, headers={"stripe-signature": signed(body)})
        assert answer.status_code in (200, 503), answer.text
        if answer.status_code == 200:
            acknowledged.add(f"evt_{n}")

    killer = await asyncpg.connect(database)
    try:
        end = time.monotonic() + 20
        while time.monotonic() < end and (len(acknowledged) < 30 or asked < 60):
            flying = [asyncio.create_task(post(n)) for n in range(asked, asked + 10)]
            asked += 10
            await asyncio.sleep(0.002)
            await killer.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'"
            )
            await asyncio.gather(*flying)
    finally:
        await killer.close()
    assert acknowledged
    assert await keys() >= acknowledged
