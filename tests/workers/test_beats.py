"""Heartbeats: when nobody worked for longer than a minute, whoever comes first writes it down, once."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from db import sql
from gateway.clock import business_now, move_clock
from gateway.workers.timers import beating
from tests.support.inbox import forward

pytestmark = pytest.mark.usefixtures("database")

DIED = "update tollbridge.worker set beat_at = clock_timestamp() - $1::interval"
SOON = timedelta(seconds=20)
"""Nothing here takes so long."""


async def down() -> list[tuple[datetime, datetime]]:
    rows = await sql.rows("select from_at, until_at from tollbridge.downtime where connection = '' order by from_at")
    return [(row["from_at"], row["until_at"]) for row in rows]


async def test_the_first_worker_of_all_was_not_down() -> None:
    await beating()()
    assert await down() == []


async def test_one_living_worker_is_enough() -> None:
    dead, living = beating(), beating()
    await dead()
    await living()
    await sql.rows(f"{DIED} where id = (select min(id) from tollbridge.worker)", timedelta(hours=1))
    await living()
    await dead()
    assert await down() == []


async def test_a_missed_beat_or_two_is_no_downtime() -> None:
    beat = beating()
    await beat()
    await sql.rows(DIED, timedelta(seconds=30))
    await beat()
    assert await down() == []


async def test_who_beats_first_writes_down_how_long_nobody_did() -> None:
    await beating()()
    await sql.rows(DIED, timedelta(minutes=10))
    back = await business_now()
    await asyncio.gather(*(beating()() for _ in range(4)))
    [(since, until)] = await down()
    assert timedelta(minutes=10) <= until - since < timedelta(minutes=10) + SOON
    assert timedelta(0) <= until - back < SOON


async def test_a_leap_of_business_time_is_no_downtime() -> None:
    beat = beating()
    await beat()
    await move_clock(timedelta(days=30))
    await beat()
    assert await down() == []


async def test_a_gap_stands_in_business_time() -> None:
    beat = beating()
    await beat()
    await forward(timedelta(days=30))
    await sql.rows(DIED, timedelta(minutes=10))
    await beat()
    [(since, until)] = await down()
    assert timedelta(minutes=10) <= until - since < timedelta(minutes=10) + SOON
    assert abs(until - await business_now()) < SOON
