"""J. Refunds of money that pays another invoice than the one it came for: taken back, billed anew, and here again."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from tests.support.disputes import becomes, disputed
from tests.support.moves import rest_of, taken_back, tell, told_of_moves
from tests.support.returning import (
    cases,
    credit_and_wait,
    credited,
    in_dashboard,
    notes,
    post,
    refund,
    refund_calls,
    refund_later,
    returned,
    the_refund,
)
from tests.support.world import World


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    told_of_moves(monkeypatch)


async def reopened(world: World, **policy: str) -> tuple[str, str]:
    """The invoice that a charge was made for, and the one that its money pays in the end."""
    charge, first = await taken_back(world, **policy)
    tell(world, "test.given_again", charge)
    await world.settle()
    await world.later(minutes=11)
    anew = rest_of(world, first)
    assert anew["status"] == "paid"
    return first, str(anew["id"])


async def capture_of(invoice: str) -> dict[str, Any]:
    """The capture that came for an invoice, and what law 8 leaves of it."""
    row = await sql.row(
        "select id, tollbridge.refundable(id) as left from tollbridge.attempt where invoice = $1", invoice
    )
    assert row is not None
    return dict(row)


async def test_drawn_from_the_capture_that_pays_it(world: World) -> None:
    first, second = await reopened(world)
    done = await refund(world, second, amount=400)
    await world.settle()

    capture = await capture_of(first)
    assert (done["state"], [part["attempt"] for part in done["parts"]]) == ("recorded", [capture["id"]])
    assert (returned(world), capture["left"]) == ([400], 600)
    assert (credited(world, first), credited(world, second)) == ([1000], [400])
    moved = await sql.rows("select invoice, attempt from tollbridge.movement where kind = 'refund'")
    assert [tuple(row) for row in moved] == [(second, capture["id"])]
    assert await world.open_cases() == []


async def test_all_of_it_once(world: World) -> None:
    first, second = await reopened(world)
    done = await refund(world, second)
    await world.settle()
    assert (done["state"], done["amount"], returned(world)) == ("recorded", 1000, [1000])

    for invoice in (first, second):
        refused = await post(world, "/v1/refunds", {"invoice": invoice, "amount": 1})
        assert refused.status_code == 409, refused.text
    assert (await capture_of(first))["left"] == 0


async def test_the_invoice_that_it_came_for_says_where_it_is(world: World) -> None:
    first, second = await reopened(world)
    refused = await post(world, "/v1/refunds", {"invoice": first})
    assert refused.status_code == 409
    assert f"pays {second}" in refused.json()["detail"]
    shown = await world.call("POST", "/v1/refunds/preview", {"invoice": second, "amount": 400})
    assert (shown.json()["refundable"], shown.json()["obstacles"]) == (1000, [])
    assert refund_calls(world) == []


async def test_asked_of_the_capture(world: World) -> None:
    first, second = await reopened(world)
    capture = await capture_of(first)
    done = await refund(world, second, amount=400, attempt=capture["id"])
    await world.settle()
    assert (done["origin"], done["state"], credited(world, second)) == ("request", "recorded", [400])


async def test_by_a_credit_note_in_stripe(world: World) -> None:
    first, second = await reopened(world)
    await credit_and_wait(world, second, 400)
    done = await the_refund(world, second)
    assert (done["origin"], done["state"]) == ("stripe", "recorded")
    assert (returned(world), (await capture_of(first))["left"]) == ([400], 600)


async def test_in_the_processors_dashboard(world: World) -> None:
    first, second = await reopened(world)
    in_dashboard(world, 400)
    await world.settle()
    await world.later(minutes=6)
    done = await the_refund(world, second)
    assert (done["origin"], done["state"]) == ("processor", "recorded")
    assert (credited(world, first), credited(world, second)) == ([1000], [400])
    assert await world.open_cases() == []


async def test_refused_before_it_pays_the_other_one(world: World) -> None:
    charge, first = await taken_back(world)
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=500, times=1000)
    tell(world, "test.given_again", charge)
    await world.settle()
    refused = await post(world, "/v1/refunds", {"invoice": first, "amount": 400})
    assert refused.status_code == 409
    assert "came again" in refused.json()["detail"]
    assert len(notes(world, first)) == 1
    world.stripe.faults.clear()
    await world.later(hours=2)


async def test_queued_while_the_capture_is_disputed(world: World) -> None:
    _, second = await reopened(world, refund_in_dispute="queue")
    dispute = await disputed(world, stage="funds_withdrawn")
    await refund_later(world, second, amount=400)
    assert (await the_refund(world, second))["state"] == "deferred"
    await becomes(world, dispute, "won")
    assert (await the_refund(world, second))["state"] == "recorded"
    assert returned(world) == [400]
    assert await cases(world) == {}
