"""Reports that come while a transaction runs share the next one: each has its own answer, after COMMIT."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from db import sql
from db.engine import DB
from db.errors import DatabaseUnavailableError
from gateway import group_commit
from gateway.clock import business_now
from gateway.domain.usage import Reported
from gateway.group_commit import TooManyWaitError, UnavailableError
from gateway.runtime import running
from gateway.settings import Settings
from gateway.usage import accept as accepting
from gateway.usage.errors import UsageRefusedError
from gateway.usage.intake import LIMITS, UsageIntake
from tests.support.inbox import KEYRING, add_account

CUSTOMER = "insert into tollbridge.customer (account, id, created_at) values ($1, $2, now())"
METER = """
    insert into tollbridge.meter (account, id, event_name, active, formula, customer_key, value_key)
    values ($1, 'mtr_1', 'calls', true, 'sum', 'stripe_customer_id', 'value')
"""
LOCK_WAITED_FOR = """
    select exists (select from pg_stat_activity
                   where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0)
"""


@pytest.fixture
async def usage(database: str) -> AsyncIterator[UsageIntake]:
    async with running(Settings(), KEYRING) as runtime, UsageIntake(runtime) as usage:
        yield usage


async def merchant(name: str = "acme") -> str:
    """An account with a customer of its own, and a meter."""
    account = await add_account(name)
    await sql.rows(CUSTOMER, account, f"cus_{name}")
    await sql.rows(METER, account)
    await sql.rows(
        "insert into tollbridge.usage_stream (account, id, stale, read_at, created_at) values ($1, $1, false, $2, $2)",
        account,
        await business_now(),
    )
    return account


def calls(identifier: str, customer: str = "cus_acme", value: Any = 1) -> Reported:
    return Reported(identifier, "calls", customer, value=value)


async def stored() -> set[str]:
    return {row["identifier"] for row in await sql.rows("select identifier from tollbridge.usage_event")}


def hold_commits(monkeypatch: pytest.MonkeyPatch) -> tuple[asyncio.Event, asyncio.Event]:
    """Set when a transaction is about to commit; and no transaction commits before this one is set."""
    reached, gate, commit = asyncio.Event(), asyncio.Event(), type(DB.transaction()).commit

    async def slow(self: Any) -> None:
        reached.set()
        await gate.wait()
        await commit(self)

    monkeypatch.setattr(type(DB.transaction()), "commit", slow)
    return reached, gate


async def test_what_waits_together_shares_a_transaction(usage: UsageIntake) -> None:
    account = await merchant()
    results = await asyncio.gather(*(usage.accept_one(account, calls(f"u-{n}")) for n in range(40)))
    assert [(one.identifier, one.status) for one in results] == [(f"u-{n}", "accepted") for n in range(40)]
    assert await stored() == {f"u-{n}" for n in range(40)}
    assert await sql.value("select poked from tollbridge.usage_stream") <= 3, "one poke for each transaction"


async def test_the_answer_waits_for_the_commit(usage: UsageIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await merchant()
    reached, gate = hold_commits(monkeypatch)
    put = asyncio.create_task(usage.accept_one(account, calls("u-1")))
    await reached.wait()
    assert not put.done()
    gate.set()
    assert (await put).status == "accepted"


async def test_each_caller_has_its_own_answer(usage: UsageIntake) -> None:
    account = await merchant()
    told = [calls("u-1"), calls("u-1"), calls("u-1", value=2), calls("u-2", "cus_nobody"), calls("u-3", value="many")]
    results = await asyncio.gather(*(usage.accept(account, [one]) for one in told))
    found = [(one.status, one.refused.code if one.refused else "") for [one] in results]
    assert found == [
        ("accepted", ""),
        ("duplicate", ""),
        ("refused", "already_exists"),
        ("refused", "not_found"),
        ("refused", "invalid_request"),
    ]
    assert await stored() == {"u-1"}


async def test_what_cant_be_stored_falls_alone(usage: UsageIntake) -> None:
    account = await merchant()
    await sql.rows("alter table tollbridge.usage_event add constraint unlucky check (identifier <> 'u-13')")
    try:
        puts = [usage.accept(account, [calls(f"u-{n}")]) for n in range(20)]
        results = await asyncio.gather(*puts, return_exceptions=True)
    finally:
        await sql.rows("alter table tollbridge.usage_event drop constraint unlucky")
    assert [n for n, one in enumerate(results) if isinstance(one, UnavailableError)] == [13]
    assert await stored() == {f"u-{n}" for n in range(20)} - {"u-13"}


async def test_a_database_that_is_away_is_told_to_all_who_shared(
    usage: UsageIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await merchant()
    tried = 0

    async def lost(*_: Any, **__: Any) -> None:
        nonlocal tried
        tried += 1
        raise DatabaseUnavailableError("gone before COMMIT")

    monkeypatch.setattr(accepting.poke, "poke", lost)
    puts = [usage.accept(account, [calls(f"u-{n}")]) for n in range(10)]
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert all(isinstance(one, UnavailableError) for one in results)
    assert (tried, await stored()) == (1, set()), "nobody tries a database that is away for each"


async def test_a_caller_that_goes_away_cancels_no_other(usage: UsageIntake, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await merchant()
    reached, gate = hold_commits(monkeypatch)
    first = asyncio.create_task(usage.accept(account, [calls("u-0")]))
    await reached.wait()
    puts = [asyncio.create_task(usage.accept(account, [calls(f"u-{n}")])) for n in range(1, 10)]
    await asyncio.sleep(0)
    first.cancel()
    puts[4].cancel()
    gate.set()
    results = await asyncio.gather(*puts, return_exceptions=True)
    assert [n for n, one in enumerate(results) if isinstance(one, BaseException)] == [4]
    assert await stored() == {f"u-{n}" for n in range(10)} - {"u-5"}


async def test_an_account_shares_with_itself_alone(usage: UsageIntake) -> None:
    """The other's stream is locked: nobody but the other waits."""
    ours, theirs = await merchant(), await merchant("other")
    lock = await DB.take_connection()
    try:
        async with lock.transaction():
            await lock.execute("select from tollbridge.usage_stream where account = $1 for update", theirs)
            held = asyncio.create_task(usage.accept_one(theirs, calls("u-1", "cus_other")))
            while not await sql.value(LOCK_WAITED_FOR):
                await asyncio.sleep(0.01)
            [foreign, own] = await usage.accept(ours, [calls("u-1", "cus_other"), calls("u-1")])
            assert (foreign.refused and foreign.refused.code, own.status) == ("not_found", "accepted")
            assert not held.done()
    finally:
        await DB.give_back(lock)
    assert (await held).status == "accepted"


async def test_nobody_waits_while_stripe_is_asked_for_anothers_meter(
    usage: UsageIntake, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await merchant()
    asking, answer = asyncio.Event(), asyncio.Event()

    async def slow(*_: Any) -> bool:
        asking.set()
        await answer.wait()
        return False

    monkeypatch.setattr("gateway.usage.meters.asked", slow)
    unknown = asyncio.create_task(usage.accept(account, [Reported("u-1", "new", "cus_acme", value=1), calls("u-2")]))
    async with asyncio.timeout(10):
        await asking.wait()
    assert (await usage.accept_one(account, calls("u-3"))).status == "accepted"
    answer.set()
    with pytest.raises(UsageRefusedError):
        await unknown
    assert await stored() == {"u-2", "u-3"}


async def test_what_waits_is_bounded(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    account = await merchant()
    reached, gate = hold_commits(monkeypatch)
    limits = group_commit.Limits(2, LIMITS.waiting_bytes, 1, LIMITS.batch_bytes, 1, 1)
    async with running(Settings(), KEYRING) as runtime, UsageIntake(runtime, limits=limits) as usage:
        puts = [asyncio.create_task(usage.accept(account, [calls("u-0")]))]
        await reached.wait()
        puts += [asyncio.create_task(usage.accept(account, [calls(f"u-{n}")])) for n in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyWaitError):
            await usage.accept(account, [calls("u-3")])
        gate.set()
        await asyncio.gather(*puts)
    with pytest.raises(UnavailableError):
        await usage.accept(account, [calls("u-4")])
    assert await stored() == {"u-0", "u-1", "u-2"}
