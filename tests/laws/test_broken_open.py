"""What is not mended yet: it fails."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db import sql
from gateway.cases import close_case
from tests.support.world import BY, Doors, World
from tests.support.world import world as new_world


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


async def test_a_case_that_a_human_has_closed(world: World) -> None:
    """Somebody marked the invoice paid while we captured it; finance keeps both and closes the case: it is back."""
    _, invoice = await world.renew_unseen()
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}", status=500, times=1)
    await world.settle()
    await world.shop.client.v1.invoices.pay_async(invoice, {"paid_out_of_band": True})
    await world.later(minutes=1)
    case = await sql.row("select id, kind from tollbridge.review_case where state = 'open'")
    assert case is not None
    assert case["kind"] == "paid_by_hand"
    await close_case(BY, world.shop.account, case["id"], "both are kept")
    await world.settle()
    assert await world.open_cases() == []
