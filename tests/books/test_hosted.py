"""The books of invoices that are paid on Stripe's own page: no money of theirs is ours."""

from __future__ import annotations

from tests.books.conftest import Books
from tests.support.world import World


async def test_what_is_paid_at_stripe_is_no_break(world: World, books: Books) -> None:
    """Neither with a payment there, nor with what staff have marked paid in Stripe."""
    await world.set_policy(collection="hosted")
    invoices = []
    for reference in ("order-1", "order-2"):
        session = (await world.open_session(reference)).json()
        await world.confirm(session, wait_s=0)
        await world.settle()
        invoices.append(session["invoice"]["id"])
    await world.pay_at_stripe(invoices[0])
    await world.shop.client.v1.invoices.pay_async(invoices[1], {"paid_out_of_band": True})
    await world.later(hours=2)
    assert [(await world.gateway_invoice(one))["state"] for one in invoices] == ["paid", "paid"]
    assert await books.kinds() == []
