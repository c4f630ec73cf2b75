"""H. The payer gives another payment method while an invoice is being recovered."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from tests.support.world import World


def _token(call: Any) -> str:
    """The token that a charge request names."""
    return str(call.params["method"])


@pytest.mark.scenario(115)
async def test_new_token_charges_open_invoices_now(world: World) -> None:
    await world.set_policy(first_decline="retry")
    signup = await world.signup("decline_insufficient_funds", wait_s=0)
    await world.later(hours=25)
    assert await world.attempts(signup.invoice) == ["declined", "declined"]

    await world.repair_card(signup)
    await world.settle()

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert (len(world.captures()), len(world.charge_calls())) == (1, 3)
    old, new = world.methods_at_processor()
    assert [_token(c) for c in world.charge_calls()] == [old.token, old.token, new.token]
    shown = await world.gateway_invoice(signup.invoice)
    assert [a["reason"] for a in shown["attempts"]] == ["first", "retry", "method_stored"]
    assert (shown["state"], shown["next_attempt"]) == ("paid", None)
    await world.later(days=6)
    assert len(world.charge_calls()) == 3, "the ladder is cleared"


@pytest.mark.scenario(116)
@pytest.mark.parametrize("first", ["pending", "unknown"])
async def test_new_token_while_the_old_one_is_not_resolved(world: World, first: str) -> None:
    if first == "unknown":
        world.practice.delivery.set(drop=True)
        world.practice.faults.add("lost_after", method="POST", path="/v1/charges")
    signup = await world.signup("pending_then_ok" if first == "pending" else "ok", wait_s=0)
    assert await world.attempts(signup.invoice) == [first]

    await world.repair_card(signup)
    await world.settle()
    assert len(world.charge_calls()) == 1
    assert await world.attempts(signup.invoice) == [first]
    await world.later(hours=25)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 1


@pytest.mark.scenario(119)
async def test_new_token_fails_too(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.later(hours=25)
    await world.repair_card(signup, "decline_do_not_honor")
    await world.settle()
    assert await world.attempts(renewal) == ["declined"] * 3, "at once, whatever the ladder says"

    await world.later(hours=72)
    assert len(await world.attempts(renewal)) == 3, "the step of 72 hours is used"
    await world.later(hours=24)
    assert await world.attempts(renewal) == ["declined"] * 4
    for _ in range(5):
        await world.later(days=1)

    assert await world.attempts(renewal) == ["declined"] * 4, "it went on from the invoice's count"
    old, new = world.methods_at_processor()
    assert [_token(c) for c in world.charge_calls()[1:]] == [old.token, old.token, new.token, new.token]
    assert (await world.gateway_invoice(renewal))["state"] == "exhausted"
    assert world.stripe_invoice(renewal)["status"] == "open"
    assert len(world.captures()) == 1, "the signup's"


@pytest.mark.scenario(122)
async def test_late_cancel_notice_for_the_old_agreement(world: World) -> None:
    signup = await world.signup("ok")
    kept = await world.repair_card(signup)
    old, new = world.methods_at_processor()

    world.practice.revoke_method(old.token)
    await world.settle()

    rows = await sql.rows("select id, status, reference from tollbridge.payment_method order by created_at")
    assert [(r["status"], r["reference"] is None) for r in rows] == [("revoked", True), ("active", False)]
    assert rows[1]["id"] == kept
    assert await world.open_cases() == []
    await world.later(days=31)
    assert [i["status"] for i in world.invoices_of(signup.subscription)] == ["paid", "paid"]
    assert [_token(c) for c in world.charge_calls()] == [old.token, new.token]
