"""Money that was taken back, billed anew and came again: each invoice's books are whole at every step."""

from __future__ import annotations

import pytest

from tests.books.conftest import Books
from tests.support.moves import rest_of, taken_back, tell, told_of_moves
from tests.support.returning import refund
from tests.support.world import World


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    told_of_moves(monkeypatch)


async def test_taken_back_and_billed_anew(world: World, books: Books) -> None:
    await taken_back(world)
    await world.later(hours=2)
    assert await books.kinds() == []


async def test_it_came_again_and_pays_the_new_invoice(world: World, books: Books) -> None:
    charge, first = await taken_back(world)
    tell(world, "test.given_again", charge)
    await world.settle()
    await world.later(minutes=11)
    assert rest_of(world, first)["status"] == "paid"
    await world.later(hours=2)
    assert await books.kinds() == []


async def test_some_of_that_is_returned(world: World, books: Books) -> None:
    charge, first = await taken_back(world)
    tell(world, "test.given_again", charge)
    await world.settle()
    await world.later(minutes=11)
    await refund(world, rest_of(world, first)["id"], amount=400)
    await world.later(days=2)
    found = [row for row in await _stripe_breaks(books)]
    assert found == []


async def _stripe_breaks(books: Books) -> list[str]:
    """Without what concerns settlement files, of which the reversal told here knows nothing."""
    kinds = await books.kinds()
    return [kind for kind in kinds if not kind.startswith(("missing", "duplicate", "amount"))]
