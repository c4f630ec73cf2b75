"""J. Refunds: by the API, by a credit note in Stripe, in the processor's dashboard; all end in the same state."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World


async def refund(world: World, invoice: str, **body: Any) -> dict[str, Any]:
    """Finance staff ask for a refund; its state when the answer came."""
    headers = {"idempotency-key": uuid4().hex}
    answer = await world.call("POST", "/v1/refunds", {"invoice": invoice, **body}, headers=headers)
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())


async def refunds(world: World, invoice: str) -> list[dict[str, Any]]:
    """The refunds of an invoice, oldest first."""
    answer = await world.call("GET", f"/v1/refunds?invoice={invoice}&limit=100")
    return list(answer.json()["data"])[::-1]


async def credit(world: World, invoice: str, **params: Any) -> Any:
    """Staff make a credit note in Stripe."""
    return await world.shop.client.v1.credit_notes.create_async({"invoice": invoice, **params})


def returned(world: World) -> list[int]:
    """`r`: what went back at the processor, oldest first."""
    account = world.practice.account(world.shop.practice_key)
    return [one.amount for one in account.refunds.values() if one.status == "succeeded"]


def notes(world: World, invoice: str) -> list[dict[str, Any]]:
    account = world.stripe_account()
    return [account.credit_notes[id_] for id_ in account.credit_notes_of_invoice.get(invoice, [])]


def refund_calls(world: World) -> list[Any]:
    return [c for c in world.practice.calls if c.method == "POST" and c.path.endswith("/refunds")]


async def in_dashboard(world: World, amount: int | None = None) -> Any:
    """Staff refund the last charge in the processor's dashboard."""
    return world.practice.refund_from_dashboard(world.captures()[-1].id, amount)


@pytest.mark.scenario(140)
async def test_full(world: World) -> None:
    signup = await world.signup("ok")
    done = await refund(world, signup.invoice, reason="order_change", memo="Sorry.")
    await world.settle()

    assert (done["state"], done["amount"]) == ("recorded", 1000)
    assert returned(world) == [1000]
    [note] = notes(world, signup.invoice)
    assert (note["total"], note["out_of_band_amount"], note["reason"]) == (1000, 1000, "order_change")
    assert done["credit_note"]["stripe_id"] == note["id"]
    assert done["parts"][0]["processor_id"] in world.practice.account(world.shop.practice_key).refunds
    assert note["metadata"]["tollbridge_refund"] == done["id"]
    movements = (await world.gateway_invoice(signup.invoice))["movements"]
    assert [(m["kind"], m["amount"]) for m in movements] == [("capture", 1000), ("refund", 1000)]


@pytest.mark.scenario(140)
async def test_by_a_credit_note_in_stripe(world: World) -> None:
    signup = await world.signup("ok")
    made = await credit(world, signup.invoice, amount=1000, out_of_band_amount=1000)
    await world.settle()
    assert returned(world) == [], "somebody may have made it in the dashboard already"

    await world.later(minutes=6)

    assert returned(world) == [1000]
    [done] = await refunds(world, signup.invoice)
    assert (done["origin"], done["state"]) == ("stripe", "recorded")
    assert done["credit_note"]["stripe_id"] == made.id
    assert len(notes(world, signup.invoice)) == 1


@pytest.mark.scenario(140)
async def test_in_the_processors_dashboard(world: World) -> None:
    signup = await world.signup("ok")
    await in_dashboard(world, 400)
    await world.settle()
    [found] = await refunds(world, signup.invoice)
    assert (found["origin"], found["state"], found["credit_note"]) == ("processor", "succeeded", None)

    await world.later(minutes=6)

    [note] = notes(world, signup.invoice)
    assert (note["total"], note["out_of_band_amount"]) == (400, 400)
    [done] = await refunds(world, signup.invoice)
    assert (done["state"], done["credit_note"]["stripe_id"]) == ("recorded", note["id"])
    assert returned(world) == [400]


_ = (sql, Signup)
