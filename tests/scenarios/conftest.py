"""Every scenario runs in a world of its own, and ends with the invariants."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db import sql
from tests.sandbox.spec import FILE, SpecChecked
from tests.support.canaries import check_secrets
from tests.support.invariants import check_invariants
from tests.support.world import Doors, World
from tests.support.world import world as new_world


def _description_is_here() -> bool:
    """Stripe's description can't ship with the project; where it lies beside it, every call is held to it."""
    folder = Path(os.environ.get("TOLLBRIDGE_SPECS") or Path(__file__).parents[3] / "shared" / "specs")
    return (folder / FILE).exists() or os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1"


@pytest.fixture
async def world(database: str, doors: Doors, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The reference tenant: 10.00 EUR a month, ten days until due, drafts finalized at once."""
    checked: list[SpecChecked] = []

    def wrap(app: object) -> object:
        if not _description_is_here():
            return app
        checked.append(SpecChecked(app))
        return checked[0]

    shops = 2 if request.node.get_closest_marker("two_shops") else 1
    async with new_world(doors, shops=shops, stripe_wrapper=wrap) as made:
        yield made
        await made.settle()
        calls = len(made.stripe.calls) + len(made.practice.calls)
        events = await sql.value("select count(*) from tollbridge.delivery")
        assert calls, "a scenario that made no outside call shows nothing"
        assert events, "a scenario that saw no event shows nothing"
        await check_invariants(made)
        await check_secrets(made)
    for checker in checked:
        checker.raise_violations()
