"""Announcements: with their fact, once for each step, numbered within their object."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from db import sql
from db.engine import DB
from db.errors import TransactionMisuseError
from db.outbox import Announcement, announce
from tests.db.rows import account as add_account

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


def said(*steps: str) -> list[Announcement]:
    return [Announcement("tollbridge.invoice.overdue", step, {"id": "in_1"}) for step in steps]


async def tell(account: str, *steps: str, about: str = "in_1") -> list[str]:
    async with DB.transaction():
        return await announce(account, "invoice", about, said(*steps), NOW)


async def told() -> list[tuple[str, str, int]]:
    rows = await sql.rows("select object, step, sequence from tollbridge.outbound_event order by object, sequence")
    return [tuple(row) for row in rows]


async def test_a_step_is_told_once() -> None:
    account = await add_account()
    assert len(await tell(account, "a", "b")) == 2
    assert await tell(account, "a", "b") == []
    assert len(await tell(account, "b", "c")) == 1
    assert await told() == [("in_1", "a", 1), ("in_1", "b", 2), ("in_1", "c", 3)]


async def test_each_object_counts_for_itself() -> None:
    account, other = await add_account(), await add_account()
    for owner, about in ((account, "in_1"), (account, "in_2"), (other, "in_1")):
        await tell(owner, "a", about=about)
    assert [sequence for *_, sequence in await told()] == [1, 1, 1]


async def test_what_is_not_committed_was_not_told() -> None:
    account = await add_account()

    async def fail() -> None:
        async with DB.transaction():
            await announce(account, "invoice", "in_1", said("a"), NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await told() == []
    await tell(account, "a")
    assert await told() == [("in_1", "a", 1)], "the number was not used up"


async def test_outside_a_transaction_nothing_is_told() -> None:
    account = await add_account()
    with pytest.raises(TransactionMisuseError):
        await announce(account, "invoice", "in_1", said("a"), NOW)


async def test_two_that_tell_the_same_at_once_tell_it_once() -> None:
    account = await add_account()
    told_by = await asyncio.gather(*(tell(account, "a") for _ in range(8)), return_exceptions=True)
    # Who comes second fails at the constraint, and its turn comes again.
    assert sum(one != [] and not isinstance(one, BaseException) for one in told_by) == 1
    assert await told() == [("in_1", "a", 1)]
