"""A world whose days are over, so that its processor has settled them; and runs of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from db import sql
from gateway.accounts.audit import Author
from gateway.books import runs
from gateway.books.reconcile import reconcile
from gateway.books.runs import Summary
from gateway.clock import business_now
from tests.support.world import World

OPEN = "select * from tollbridge.reconciliation_break where to_run is null order by id"


@dataclass
class Books:
    """Comparisons of the first shop's books."""

    world: World

    async def compare(self, *, whole: bool = False, live: bool = False) -> Summary:
        now = await business_now()
        asked = await runs.ask(Author("test"), self.world.shop.account, now, whole=whole, live=live)
        holding = await runs.take(now, asked.id)
        assert holding is not None
        return await reconcile(self.world.runtime, holding)

    async def open(self) -> list[Any]:
        return list(await sql.rows(OPEN))

    async def kinds(self, **how: bool) -> list[str]:
        """Compare, and say what kinds of breaks stand."""
        await self.compare(**how)
        return sorted(row["kind"] for row in await self.open())


@pytest.fixture
def books(world: World) -> Books:
    return Books(world)
