"""A whole world that is well: one account whose every check is good, for tests that break one thing each."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.settings import Settings
from tests.support.world import Doors, World
from tests.support.world import world as new_world


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    settings = Settings(outbound_private=True, public_url=doors.gateway.url)
    async with new_world(doors, settings=settings) as made:
        yield made
