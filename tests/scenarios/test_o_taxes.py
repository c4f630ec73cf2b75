"""O. Taxes: what the processor is told of them, and invoices whose tax nobody can compute."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World

REASONS = "select reason from tollbridge.review_case where kind = 'finalization_failed' and state = 'open'"


async def _renew_nowhere(world: World) -> tuple[Signup, str]:
    """A renewal for a customer whose address has become one that Stripe can't tax."""
    signup = await world.signup("ok", automatic_tax=True)
    nowhere = {"address": {"country": "US", "postal_code": ""}}
    await world.shop.client.v1.customers.update_async(signup.customer, nowhere)
    await world.later(days=31)
    return signup, str(world.invoices_of(signup.subscription)[-1]["id"])


@pytest.mark.scenario(209)
@pytest.mark.parametrize("finalize", ["at_once", "leave"])
async def test_nobody_knows_where_the_customer_is_taxed(world: World, finalize: str) -> None:
    await world.set_policy(finalize=finalize)
    signup, renewal = await _renew_nowhere(world)
    await world.later(hours=3)

    assert world.stripe_invoice(renewal)["status"] == "draft"
    assert len(world.charge_calls()) == 1, "the first invoice's"
    [case] = await sql.rows(REASONS)
    assert "customer's address" in case["reason"]

    here = {"address": {"country": "US", "postal_code": "94103"}}
    await world.shop.client.v1.customers.update_async(signup.customer, here)
    await world.settle()

    live = world.stripe_invoice(renewal)
    assert (live["status"], live["amount_paid"], live["automatic_tax"]["status"]) == ("paid", 1080, "complete")
    assert [c.captured for c in world.captures()] == [1190, 1080]
    assert await world.open_cases() == []
