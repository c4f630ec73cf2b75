"""H. The payer gives another payment method while an invoice is being recovered."""

from __future__ import annotations

import asyncio
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

    session = await world.new_card(signup.customer)

    assert (session["status"], session["due"]) == ("complete", [])
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert (len(world.captures()), len(world.charge_calls())) == (1, 3)
    old, new = world.methods_at_processor()
    assert [_token(c) for c in world.charge_calls()] == [old.token, old.token, new.token]
    shown = await world.gateway_invoice(signup.invoice)
    assert [a["reason"] for a in shown["attempts"]] == ["first", "retry", "method_stored"]
    assert (shown["state"], shown["next_attempt"]) == ("paid", None)
    metadata = world.stripe_account().customers[signup.customer]["metadata"]
    assert metadata["third_party_payment_method_id"] == new.token
    await world.later(days=6)
    assert len(world.charge_calls()) == 3, "the ladder is cleared"


@pytest.mark.scenario(115)
async def test_all_open_invoices_are_tried_once_each_oldest_first(world: World) -> None:
    # Nothing is told to Stripe either, whose echo would poke the invoices once more.
    await world.set_policy(token_metadata="none")
    signup, first = await world.renew("decline_insufficient_funds")
    await world.later(days=31)
    second = str(world.invoices_of(signup.subscription)[-1]["id"])
    before = len(world.charge_calls())

    await world.new_card(signup.customer, "decline_do_not_honor")

    tried = [call.params["reference"].rpartition(".")[0] for call in world.charge_calls()[before:]]
    assert tried == [first, second]
    await world.new_card(signup.customer, "ok")
    assert [i["status"] for i in world.invoices_of(signup.subscription)] == ["paid"] * 3


@pytest.mark.scenario(116)
@pytest.mark.parametrize("first", ["pending", "unknown"])
async def test_new_token_while_the_old_one_is_not_resolved(world: World, first: str) -> None:
    if first == "unknown":
        world.practice.delivery.set(drop=True)
        world.practice.faults.add("lost_after", method="POST", path="/v1/charges")
    signup = await world.signup("pending_then_ok" if first == "pending" else "ok", wait_s=0)
    assert await world.attempts(signup.invoice) == [first]

    assert (await world.new_card(signup.customer))["status"] == "complete"
    assert len(world.charge_calls()) == 1
    assert await world.attempts(signup.invoice) == [first]
    await world.later(hours=25)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == len(world.charge_calls()) == 1


@pytest.mark.scenario(118)
async def test_draft_when_the_token_changes(world: World) -> None:
    await world.set_policy(finalize="leave")
    signup = await world.signup("ok")
    [item] = world.stripe_subscription(signup.subscription)["items"]["data"]
    await world.later(seconds=item["current_period_end"] - int(world.stripe.now()) + 60)
    draft = str(world.invoices_of(signup.subscription)[-1]["id"])

    await world.new_card(signup.customer)
    assert world.stripe_invoice(draft)["status"] == "draft", "a draft is not hurried"
    await world.later(hours=2)

    old, new = world.methods_at_processor()
    assert [_token(c) for c in world.charge_calls()] == [old.token, new.token]
    assert world.stripe_invoice(draft)["status"] == "paid"


@pytest.mark.scenario(119)
async def test_new_token_fails_too(world: World) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    await world.later(hours=25)
    await world.new_card(signup.customer, "decline_do_not_honor")
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


@pytest.mark.scenario(121)
async def test_update_asked_for_twice(world: World) -> None:
    """Two clicks make one session; two windows make two agreements at the processor, of which one is kept."""
    signup = await world.signup("ok")
    first, second = await asyncio.gather(*(world.method_session(signup.customer) for _ in range(2)))
    assert first["id"] == second["id"]
    setups = await asyncio.gather(*(world.method_setup(first) for _ in range(2)))

    for setup in setups:
        await world.method_done(first, setup=setup)
    await world.settle()

    [old, *made] = world.methods_at_processor()
    assert sorted(method.status for method in made) == ["active", "revoked"]
    kept, before = await world.methods_of(signup.customer)
    assert (kept["status"], kept["first"], before["status"]) == ("active", True, "active")
    assert old.status == "active", "only what is surplus is cancelled"
    await world.later(days=31)
    assert _token(world.charge_calls()[-1]) == next(m.token for m in made if m.status == "active")


@pytest.mark.scenario(121)
async def test_a_second_window_that_is_used_days_later(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer)
    other = await world.begin_method(session)
    await world.later(hours=3)
    await world.method_setup(session)
    await world.method_done(session)
    await world.later(hours=20)

    await world.complete_at_processor(other, "ok")
    await world.later(hours=2)

    assert [m.status for m in world.methods_at_processor()] == ["active", "active", "revoked"]
    assert len(await world.methods_of(signup.customer)) == 2


@pytest.mark.scenario(122)
async def test_late_cancel_notice_for_the_old_agreement(world: World) -> None:
    signup = await world.signup("ok")
    kept = (await world.new_card(signup.customer))["payment_method"]
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


@pytest.mark.scenario(122)
async def test_late_notices_find_the_method_they_are_about(world: World) -> None:
    """Replaced by the payer's bank: the new card stays first; the old one goes on behind it under another token."""
    signup = await world.signup("ok")
    kept = (await world.new_card(signup.customer))["payment_method"]
    old, new = world.methods_at_processor()

    moved = world.practice.replace_method(old.token)
    world.practice.expire_method(new.token)
    world.practice.reinstate_method(new.token)
    await world.settle()

    assert [(m["id"] == kept, m["status"], m["first"]) for m in await world.methods_of(signup.customer)] == [
        (True, "active", True),
        (False, "active", False),
    ]
    world.practice.revoke_method(moved.token)
    await world.settle()
    assert [m["status"] for m in await world.methods_of(signup.customer)] == ["active", "revoked"]
    await world.later(days=31)
    assert _token(world.charge_calls()[-1]) == new.token


@pytest.mark.scenario(134)
async def test_the_agreement_is_gone_and_nobody_told_us(world: World) -> None:
    await world.listen()
    signup = await world.signup("wallet")
    [agreement] = world.methods_at_processor()
    world.practice.delivery.set(drop=True)
    world.practice.revoke_method(agreement.token)
    await world.practice.flush()
    world.practice.delivery.set(drop=False)
    await world.later(days=31)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])

    [method] = await world.methods_of(signup.customer)
    assert method["status"] == "revoked"
    assert await sql.value("select reference from tollbridge.payment_method") is None
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
    assert [event["data"]["id"] for event in world.merchant.of("payment_method_needed")] == [renewal]
    assert world.merchant.of("payment_failed") == [], "no card was declined"
    assert not [k for k in world.stripe_account().customers[signup.customer]["metadata"] if k.startswith("third_")]
    for _ in range(6):
        await world.later(days=1)
    assert len(world.charge_calls()) == 2, "no more calls with it"
    assert len(world.merchant.of("payment_method_needed")) == 1

    await world.new_card(signup.customer, "decline_insufficient_funds")
    [*_, told] = world.merchant.of("payment_failed")
    assert told["data"]["next_attempt_reason"] == "try 2 of 4", "the agreement's try has used no step"
    await world.new_card(signup.customer)
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_a_card_that_is_never_to_be_tried_again(world: World) -> None:
    await world.listen()
    signup, renewal = await world.renew("decline_lost_stolen")
    [method] = await world.methods_of(signup.customer)
    assert (method["status"], method["stopped_reason"], method["first"]) == ("stopped", "lost_stolen", False)
    assert (await world.gateway_invoice(renewal))["state"] == "needs_payment_method"
    for _ in range(4):
        await world.later(days=1)
    assert len(world.charge_calls()) == 2
    [told] = world.merchant.of("payment_failed", renewal)
    assert told["data"]["payment_method_needed"]
    assert world.merchant.of("payment_method_needed") == [], "that one said it"

    await world.new_card(signup.customer)
    assert world.stripe_invoice(renewal)["status"] == "paid"
