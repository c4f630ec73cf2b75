"""Somebody voids an invoice by hand: at Stripe, after a last look, and never while a charge may still succeed."""

from __future__ import annotations

from db import sql
from tests.support.staff import clerk, text_of
from tests.support.world import World

NOTED = "select actor, reason from tollbridge.audit_log where action = $1 and object = $2"


async def test_an_invoice_is_voided_by_hand_and_never_charged_again(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    charged = len(world.charge_calls())
    done = await world.void(renewal, reason="ordered twice")
    assert done.status_code in (200, 202), done.text
    assert world.stripe_invoice(renewal)["status"] == "void"
    assert (await world.gateway_invoice(renewal))["state"] == "closed"
    await world.later(days=9)
    assert (len(world.charge_calls()), await world.open_cases()) == (charged, [])
    assert (await sql.row(NOTED, "invoice.void", renewal))["reason"] == "ordered twice"
    again = await world.void(renewal)
    assert (again.status_code, again.json()["detail"]) == (409, "the invoice is void in Stripe")


async def test_nothing_is_voided_while_a_charge_may_still_succeed(world: World) -> None:
    _, renewal = await world.renew("pending_then_ok")
    refused = await world.void(renewal)
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:tollbridge:error:state_conflict")
    await world.later(hours=25)
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_what_stripe_refuses_to_void_stays_as_it_is_and_is_told(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    world.stripe.faults.add("error_before", status=400, method="POST", path="/v1/invoices/{id}/void", times=None)
    await world.void(renewal)
    assert world.stripe_invoice(renewal)["status"] == "open"
    assert (await sql.row(NOTED, "invoice.void_refused", renewal))["actor"] == "tollbridge"
    calls = [call for call in world.stripe.calls if call.path.endswith("/void")]
    await world.later(hours=1)
    assert [call for call in world.stripe.calls if call.path.endswith("/void")] == calls, "it is not tried again"


async def test_a_void_whose_answer_was_lost_is_void(world: World) -> None:
    _, renewal = await world.renew("decline_insufficient_funds")
    world.stripe.faults.add("lost_after", method="POST", path="/v1/invoices/{id}/void")
    await world.void(renewal)
    await world.later(hours=1)
    shown = await world.gateway_invoice(renewal)
    assert (shown["state"], shown["status"]) == ("closed", "void")


async def test_what_somebody_wants_void_is_void_or_they_are_told_why_not(world: World) -> None:
    """A debit was begun on Stripe's page as the worker got there, and failed later: the wish is not forgotten unsaid,
    and above all nothing is charged for it."""
    await world.set_policy(ladder_hours=[0, 72, 120, 168])
    _, renewal = await world.renew("decline_insufficient_funds")
    await world.pay_at_stripe(renewal, "sepaDebit_fails")
    asking = await clerk(world)
    voiding = await asking.post(f"/invoices/{renewal}/void", {"reason": "ordered twice"})
    charged = len(world.charge_calls())
    await world.settle()
    refused = await sql.value("select count(*) from tollbridge.audit_log where action = 'invoice.void_refused'")

    for _ in range(6):
        await world.later(days=1)

    assert voiding.status_code == 303, text_of(voiding)
    live = world.stripe_invoice(renewal)["status"]
    assert len(world.charge_calls()) == charged, "it was charged, though somebody wanted it void"
    assert (live, refused) in (("void", 0), ("open", 1)), "it was asked for, was not done, and nobody was told"
