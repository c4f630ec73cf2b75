"""Collection that somebody pauses here, of a customer or of one invoice: nothing is charged, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx

from db import sql
from gateway.clock import business_now
from tests.support.world import World

WHY = {"reason": "pays by transfer, see ticket 4711"}


async def _pause(world: World, what: str, **more: Any) -> httpx.Response:
    return await world.call("POST", f"/v1/{what}/pause_collection", WHY | more)


async def _resume(world: World, what: str) -> httpx.Response:
    return await world.call("POST", f"/v1/{what}/resume_collection", {"reason": "no transfer came"})


async def test_a_paused_customer_is_charged_when_it_is_resumed(world: World) -> None:
    signup = await world.signup("ok")
    paused = await _pause(world, f"customers/{signup.customer}")
    assert paused.json()["pause"]["of"] == signup.customer
    await world.later(days=31)

    renewal = world.invoices_of(signup.subscription)[-1]["id"]
    shown = await world.gateway_invoice(renewal)
    assert shown["status"] == "open", "it is finalized as ever"
    assert shown["reason"] == f"its collection is paused: {WHY['reason']}"
    assert shown["pause"]["reason"] == WHY["reason"]
    assert shown["pause"]["by"]
    for _ in range(12):
        await world.later(days=1)
    assert len(world.charge_calls()) == 1, "the signup's"
    assert (await world.gateway_invoice(renewal))["state"] == "due"
    assert await world.open_cases() == [], "nothing is exhausted by a pause"

    resumed = await _resume(world, f"customers/{signup.customer}")
    assert resumed.json()["pause"] is None
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 2
    noted = "select action, reason from tollbridge.audit_log where object = $1 order by created_at, id"
    notes = await sql.rows(noted, signup.customer)
    assert [tuple(note) for note in notes] == [
        ("customer.collection_paused", WHY["reason"]),
        ("customer.collection_resumed", "no transfer came"),
    ]


async def test_a_pause_ends_by_itself(world: World) -> None:
    _, renewal = await world.renew_unseen()
    await world.hear()
    until = int((await business_now() + timedelta(days=2)).timestamp())
    assert (await _pause(world, f"invoices/{renewal}", until=until)).json()["pause"]["until"] == until
    await world.settle()
    assert (await world.gateway_invoice(renewal))["next_attempt"] == until
    await world.later(days=1)
    assert await world.attempts(renewal) == []
    await world.later(days=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert (await world.gateway_invoice(renewal))["pause"] is None


async def test_a_pause_in_the_past_is_refused(world: World) -> None:
    signup = await world.signup("ok")
    answer = await _pause(world, f"invoices/{signup.invoice}", until=1)
    assert (answer.status_code, answer.json()["param"]) == (400, "until")


async def test_what_is_under_way_comes_to_its_end_in_a_pause(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    assert await world.attempts(signup.invoice) == ["pending"]
    await _pause(world, f"invoices/{signup.invoice}")
    await world.later(hours=25)
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert len(world.captures()) == len(world.charge_calls()) == 1


async def test_a_button_is_refused_in_a_pause(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    await _pause(world, f"invoices/{renewal}")
    calls = len(world.charge_calls())
    answer = await world.collect_now(renewal)
    assert answer.status_code == 409
    assert WHY["reason"] in answer.json()["detail"]
    for _ in range(3):
        await world.later(days=1)
    assert len(world.charge_calls()) == calls

    await _resume(world, f"invoices/{renewal}")
    await world.settle()
    assert len(world.charge_calls()) == calls + 1, "the try that became due meanwhile"


async def test_a_paused_invoice_does_not_hold_up_the_younger_ones(world: World) -> None:
    signup, older = await world.renew_unseen()
    await world.hear()
    await _pause(world, f"invoices/{older}")
    await world.later(days=31)
    younger = world.invoices_of(signup.subscription)[-1]["id"]
    assert world.stripe_invoice(younger)["status"] == "paid"
    assert world.stripe_invoice(older)["status"] == "open"


async def test_a_payment_is_recorded_by_hand_in_a_pause(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    await _pause(world, f"invoices/{renewal}")
    assert (await world.record_payment(renewal)).status_code == 200
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert len(world.captures()) == 1
