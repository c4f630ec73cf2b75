"""Customers who pay on Stripe's own page: how they are made so, begin, and are billed again."""

from __future__ import annotations

from typing import Any

from tests.support.people import Signup
from tests.support.world import World


async def collect_by(world: World, customer: str, collection: str | None) -> dict[str, Any]:
    """Say how what the customer is sent is collected; everything comes to rest."""
    answer = await world.call("POST", f"/v1/customers/{customer}", {"collection": collection})
    assert answer.status_code == 200, answer.text
    await world.settle()
    return dict(answer.json())


async def begin(world: World, reference: str = "order-1", **body: Any) -> Signup:
    """A checkout that is paid on Stripe's page, confirmed and not paid yet."""
    opened = await world.open_session(reference, **body)
    assert opened.status_code == 200, opened.text
    confirmed = await world.confirm(opened.json(), wait_s=0)
    await world.settle()
    return Signup(opened.json(), confirmed)


async def paid_there(world: World) -> Signup:
    """A subscription of a hosted account, whose first invoice its payer has paid on Stripe's page."""
    await world.set_policy(collection="hosted")
    signup = await begin(world)
    await world.pay_at_stripe(signup.invoice)
    await world.settle()
    return signup


async def renewal_of(world: World, signup: Signup) -> str:
    """The invoice of the next period, once that has begun."""
    await world.later(days=31)
    return str(world.invoices_of(signup.subscription)[-1]["id"])
