"""R. One payer who is two customers: the same card, under two tokens or under one."""

from __future__ import annotations

import pytest

from db import sql
from tests.support.people import Signup
from tests.support.world import World


async def _signup_with(world: World, reference: str, *, token: str = "", fingerprint: str = "") -> Signup:
    """A customer whose set-up gives this token again, or one of its own for the card with this fingerprint."""
    session = (await world.open_session(reference)).json()
    setup = await world.give_card(session)
    account = world.practice.account(world.shop.practice_key)
    if token:
        del account.methods[account.setups[setup].method]
        account.setups[setup].method = token
    else:
        account.methods[account.setups[setup].method].fingerprint = fingerprint
    signup = Signup(session, await world.confirm(session))
    await world.settle()
    return signup


def _paid(world: World, *signups: Signup) -> list[list[int]]:
    """What was captured for each one's invoices, oldest first."""
    return [
        [
            c.captured
            for i in world.invoices_of(s.subscription)
            for c in world.captures()
            if c.reference.startswith(i["id"])
        ]
        for s in signups
    ]


async def _remove(world: World, signup: Signup) -> None:
    [method] = [one for one in await world.methods_of(signup.customer) if one["status"] == "active"]
    path = f"/v1/customers/{signup.customer}/payment_methods/{method['id']}"
    assert (await world.call("DELETE", path)).status_code == 200
    await world.settle()


@pytest.mark.scenario(227)
async def test_one_card_under_two_tokens(world: World) -> None:
    first = await _signup_with(world, "order-1", fingerprint="pfp_one_card")
    second = await _signup_with(world, "order-2", fingerprint="pfp_one_card")
    assert _paid(world, first, second) == [[1000], [1000]]

    await _remove(world, first)
    assert len(world.deletions()) == 1
    await world.later(days=31)

    assert _paid(world, first, second) == [[1000], [1000, 1000]]
    [ours] = await world.methods_of(second.customer)
    assert ours["status"] == "active"


@pytest.mark.scenario(227)
async def test_a_vault_that_gives_the_same_token_again(world: World) -> None:
    """Within one connection a token is one customer's: the other is refused, and learns nothing; it is not deleted."""
    first = await world.signup("ok")
    [stored] = world.methods_at_processor()
    second = await _signup_with(world, "order-2", token=stored.token)

    assert second.confirmed is not None
    assert (second.confirmed.status_code, second.confirmed.json()["status"]) == (200, "open")
    assert first.customer not in second.confirmed.text
    assert await world.methods_of(second.customer) == []
    assert _paid(world, first, second) == [[1000], []]

    await world.give_card(second.session)
    again = await world.confirm(second.session)
    await world.settle()
    assert again.json()["status"] == "complete"
    await world.later(days=31)
    assert _paid(world, first, second) == [[1000, 1000], [1000, 1000]]
    assert world.deletions() == []


@pytest.mark.scenario(227)
async def test_the_session_of_a_refused_token_ends_and_leaves_it_alone(world: World) -> None:
    first = await world.signup("ok")
    [stored] = world.methods_at_processor()
    second = await _signup_with(world, "order-2", token=stored.token)
    await world.later(hours=25)

    assert world.stripe_subscription(second.subscription)["status"] == "canceled"
    assert (world.deletions(), stored.status) == ([], "active")
    await world.later(days=30)
    assert _paid(world, first) == [[1000, 1000]]


@pytest.mark.scenario(227)
async def test_one_token_over_two_connections(world: World) -> None:
    """Each connection keeps it for its own customer; the last that lets go of it deletes it."""
    await world.connect_twice()
    first = await world.signup("ok")
    [stored] = world.methods_at_processor()
    customer = await world.shop.client.v1.customers.create_async({"name": "B. Payer", "address": {"country": "DE"}})
    session = (await world.open_session("order-2", customer=customer.id)).json()
    taken = await world.take_over(customer.id, stored.token, connection="practice-two")
    assert taken.status_code == 200, taken.text
    await world.confirm(session, payment_method=taken.json()["id"])
    await world.settle()
    second = Signup(session)
    assert _paid(world, first, second) == [[1000], [1000]]

    await _remove(world, first)
    assert (world.deletions(), stored.status) == ([], "active")
    await world.later(days=31)
    assert _paid(world, first, second) == [[1000], [1000, 1000]]
    await _remove(world, second)
    assert (len(world.deletions()), stored.status) == (1, "revoked")
    left = await sql.value("select count(*) from tollbridge.payment_method where reference is not null")
    assert left == 0
