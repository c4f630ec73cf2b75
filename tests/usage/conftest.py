"""A world in which one customer has a metered plan."""

from __future__ import annotations

import pytest

from tests.scenarios.conftest import world
from tests.support.metered import Metered, sell_metered
from tests.support.world import World

__all__ = ["world"]


@pytest.fixture
async def plan(world: World) -> Metered:
    """The customer and the plan."""
    return await sell_metered(world)
