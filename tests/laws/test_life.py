"""Histories from the life of a customer (cancelled, switched, ended, erased, restored) that break a law."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import Doors, World
from tests.support.world import world as new_world


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors) as made:
        yield made


def _taken(world: World, invoice: str) -> int:
    return sum(one.captured for one in world.captures() if one.reference.split(".")[0] == invoice)


async def _cases(invoice: str) -> list[Any]:
    rows = await sql.rows("select kind from tollbridge.review_case where invoice = $1 and state = 'open'", invoice)
    return [row["kind"] for row in rows]


async def _hand_over(world: World, ours: str, kind: str = "pm_card_visa") -> tuple[Signup, str]:
    signup, renewal = await world.renew(ours)
    card = await world.stripe_card(signup.customer, kind)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card, open_invoices="hand_over")
    return signup, renewal


async def _in_dunning(world: World, kind: str = "pm_card_chargeCustomerFail") -> tuple[Signup, str]:
    """A renewal that Stripe has failed to collect, and is going to try again."""
    signup = await world.signup("ok")
    await world.set_policy(unused_methods="keep")
    card = await world.stripe_card(signup.customer, kind)
    await world.switch(signup.subscription, "stripe", stripe_payment_method=card)
    await world.later(days=31, hours=2)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


@pytest.mark.parametrize("then", ["stop", "void"])
async def test_a_hand_over_that_waits_ends_with_its_subscription(world: World, then: str) -> None:
    """A debit of ours is under way; Stripe is to pay the invoice if it fails; the subscription is cancelled; it fails.
    Stripe charges the payer for what the policy says is not collected any more."""
    await world.set_policy(canceled_invoices=then)
    signup, renewal = await _hand_over(world, "pending_then_fail")
    await world.cancel(signup.subscription)
    await world.later(hours=25)
    assert (world.taken_at_stripe(renewal), _taken(world, renewal)) == (0, 0)
    await world.later(days=12)
    assert world.taken_at_stripe(renewal) == 0
    if then == "void":
        assert world.stripe_invoice(renewal)["status"] == "void"


async def test_what_was_declined_there_is_closed_with_its_subscription(world: World) -> None:
    """The policy voids what a cancelled subscription leaves behind, also what Stripe could not take."""
    await world.set_policy(canceled_invoices="void")
    signup, renewal = await _hand_over(world, "decline_insufficient_funds", "pm_card_chargeCustomerFail")
    assert await world.open_cases() == ["hand_over_declined"]
    await world.cancel(signup.subscription)
    await world.later(hours=1)
    assert world.stripe_invoice(renewal)["status"] == "void"
    assert await world.open_cases() == []
