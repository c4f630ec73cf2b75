"""Files that people take away: so many at once, and no more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.books.session import MOST_READERS, own_session, taken_away
from gateway.domain.roles import Role
from tests.api.seed import seed
from tests.console.conftest import Console
from tests.support.staff import text_of

FILES = [
    "/invoices.csv",
    "/exports/journal?from=2027-03-01&to=2027-03-01&format=csv",
    "/reconciliations/{reconciliation}/report",
]


async def _slow() -> AsyncGenerator[str, None]:
    """A file of which somebody reads a line, and then no more."""
    yield "line"
    yield "line"


@pytest.fixture
async def reading() -> AsyncGenerator[list[AsyncGenerator[str, None]], None]:
    """Files that somebody is taking away."""
    opened: list[AsyncGenerator[str, None]] = []
    yield opened
    for one in opened:
        await one.aclose()


@pytest.mark.parametrize("path", FILES)
async def test_who_reads_slowly_leaves_room_for_others(
    console: Console, path: str, reading: list[AsyncGenerator[str, None]]
) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    path = path.format(reconciliation=seeded.reconciliation)
    finance = console[Role.FINANCE]
    assert (await finance.get(path)).status_code == 200, "and its place is free again"
    reading += [await taken_away(_slow()) for _ in range(MOST_READERS)]
    refused = await finance.get(path)
    assert (refused.status_code, "ask again in a while" in text_of(refused)) == (503, True)
    await reading[0].aclose()
    assert (await finance.get(path)).status_code == 200
    reading.clear()
    await asyncio.sleep(0.01)  # what nobody reads on is closed by the loop
    reading += [await taken_away(_slow()) for _ in range(MOST_READERS)]
    async for _ in reading[0]:
        pass
    assert (await finance.get(path)).status_code == 200


async def test_a_program_is_told_in_a_problem(console: Console, reading: list[AsyncGenerator[str, None]]) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    reading += [await taken_away(_slow()) for _ in range(MOST_READERS)]
    for path in ("/v1/exports/journal", f"/v1/reconciliations/{seeded.reconciliation}/report"):
        answer = await console.api.get(path, "finance")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:tollbridge:error:overloaded")
        assert answer.headers["retry-after"] == "10"


async def test_the_database_waits_for_a_reader_only_for_a_while(console: Console) -> None:
    async with own_session(for_reader=True) as session:
        assert await session.fetchval("show idle_in_transaction_session_timeout") == "2min"
    async with own_session() as session:
        assert await session.fetchval("show idle_in_transaction_session_timeout") == "0"
