"""One Stripe account under two names here."""

from __future__ import annotations

from typing import Any

from db import sql
from gateway.accounts import accounts, connections
from gateway.accounts.accounts import AccountChange
from gateway.accounts.audit import Author
from gateway.accounts.errors import AccountsError
from gateway.customers.taking_over import shown_card, take_over
from processors.values import PaymentMethodReference, Secret
from tests.scenarios.conftest import world
from tests.support.world import World

__all__ = ["world"]
BY = Author("test")


async def test_a_second_key_of_one_stripe_account_makes_no_second_collector(world: World) -> None:
    """Laws 1 and 11: equal keys are refused, but a restricted key beside a secret one, or one that was rolled, is not:
    nobody asks Stripe whose it is unless somebody checks by hand. A renewal is a debit, pending for days; both accounts
    charge it, each with constraints, idempotency keys and last looks of its own."""
    runtime, stripe = world.runtime, world.stripe_account()
    change: Any = AccountChange(api_base=world.stripe_url)
    key = Secret(world.stripe.keys.make(stripe.id).key)
    try:
        again = (await accounts.add(runtime.keyring, BY, "again", key, change=change)).id
    except AccountsError:
        return
    taken = world.practice.account("practice_again_made_up")
    change = connections.ConnectionChange(
        credentials={"api_key": Secret("practice_again_made_up"), "webhook_secret": Secret("practice_webhook_again")},
        options={"base_url": world.practice_url, "account": taken.id},
    )
    await connections.add(runtime, BY, again, "practice-eu", "practice", change)
    signup = await world.signup("ok")
    await world.catch_up()
    await world.settle()
    [method] = world.methods_at_processor()
    taken.methods[method.token] = method
    reference = PaymentMethodReference(Secret(method.token), None)
    await take_over(
        runtime, BY, again, signup.customer, "practice-eu", reference, shown_card("visa", "4242", None, None)
    )
    world.break_card(signup.customer, "pending_then_ok")
    for _ in range(3):
        await world.later(days=10, hours=9)
        await world.catch_up()
        await world.settle()
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    tries = await sql.rows("select account, state from tollbridge.attempt where invoice = $1", renewal)
    first = world.practice.account(world.shop.practice_key)
    charges = [one.reference for each in (first, taken) for one in each.charges.values() if renewal in one.reference]
    assert (len(tries), len(charges)) == (1, 1), ([dict(row) for row in tries], charges)
