"""Q. The access gate of a marketplace: opened by our own recording, closed by the clock, each once; and plans of which
nothing is due at first."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from stripe import StripeClient

from db import sql
from gateway.clock import business_now
from gateway.collect import advance as advance_of_invoice
from gateway.collect import mirror
from gateway.subscriptions import advance
from tests.sandbox import metering
from tests.support import drain
from tests.support.world import World


def told(world: World, subscription: str) -> list[tuple[str, str]]:
    """The changes of access that the merchant was told of, in order, with their reasons."""
    events = [*world.merchant.of("access_opened", subscription), *world.merchant.of("access_closed", subscription)]
    ordered = sorted(events, key=lambda event: event["sequence"])
    return [(event["type"].rpartition("_")[2], event["data"]["reason"]) for event in ordered]


@pytest.fixture
def alone(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """No webhook comes, and nobody sweeps: all that works is what was queued with the facts themselves."""

    async def nothing(*_: object) -> int:
        return 0

    monkeypatch.setattr(drain, "sweep", nothing)
    world.stripe.delivery.set(drop=True)
    world.practice.delivery.set(drop=True)
    return world


async def together_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was lost comes after all, and changes nothing."""
    monkeypatch.undo()
    world.stripe.delivery.set(drop=False)
    world.practice.delivery.set(drop=False)
    for event in list(world.stripe_account().events):
        world.stripe.resend(event)
    await world.settle()


@pytest.mark.scenario(224)
async def test_the_gate_closes_at_its_moment_and_opens_with_the_late_payment(world: World) -> None:
    await world.listen()
    signup, renewal = await world.renew("decline_insufficient_funds")
    for _ in range(5):
        await world.later(days=1, hours=1)
    assert (await world.gateway_invoice(renewal))["state"] == "exhausted"
    before = await world.access(signup.subscription)
    assert (before["state"], before["invoice"]) == ("granted", renewal)

    # Nothing but the clock moves: nobody works, and no event comes.
    await world.move(seconds=before["closes_at"] - (await business_now()).timestamp() + 1)
    closed = await world.access_unworked(signup.subscription)
    assert (closed["state"], closed["reason"]) == ("suspended", "invoice_not_collected")
    assert (closed["since"], closed["invoice"]) == (before["closes_at"], renewal)
    assert told(world, signup.subscription) == [("opened", "first_invoice_paid")]
    await world.settle()
    await world.later(days=1)
    assert told(world, signup.subscription)[1:] == [("closed", "invoice_not_collected")]
    assert (await world.access(signup.subscription))["since"] == before["closes_at"]

    paid_at = int((await business_now()).timestamp())
    await world.record_payment(renewal)
    opened = await world.access(signup.subscription)
    assert (opened["state"], opened["reason"]) == ("granted", "first_invoice_paid")
    assert 0 <= opened["since"] - paid_at <= 5
    await world.settle()
    assert told(world, signup.subscription)[2:] == [("opened", "first_invoice_paid")]


async def test_it_opens_by_our_own_recording(alone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await alone.listen()
    session = (await alone.open_session()).json()
    waits = await alone.access(session["subscription"])
    assert (waits["state"], waits["reason"]) == ("pending_first_payment", "first_invoice_draft")
    await alone.give_card(session)
    await alone.confirm(session)
    opened = await alone.access(session["subscription"])
    assert (opened["state"], opened["reason"]) == ("granted", "first_invoice_paid")
    assert await sql.value("select count(*) from tollbridge.delivery where source = 'stripe'") == 0
    await together_again(alone, monkeypatch)
    assert told(alone, session["subscription"]) == [("opened", "first_invoice_paid")]


async def test_it_opens_although_the_invoices_turn_comes_to_no_end(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is noted as paid opens it in the same transaction, whatever fails afterwards."""
    session = (await world.open_session()).json()
    await world.settle()
    rest = advance_of_invoice._rest

    async def failing(claim: Any, loaded: Any, *more: Any) -> bool:
        if loaded.view.invoice.status == "paid":
            raise ZeroDivisionError("unexpected")
        return await rest(claim, loaded, *more)

    monkeypatch.setattr(advance_of_invoice, "_rest", failing)
    await world.give_card(session)
    await world.confirm(session)
    assert (await world.access(session["subscription"]))["granted"]
    monkeypatch.undo()
    await world.later(minutes=1)


async def test_it_opens_while_stripe_keeps_the_subscription_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is worked out before Stripe is asked for anything."""
    session = (await world.open_session()).json()
    await world.settle()
    read, seen = advance._read, []

    async def slow(runtime: Any, claim: Any, poked: int) -> bool:
        seen.append(await sql.value("select access from tollbridge.subscription where id = $1", claim.id))
        return await read(runtime, claim, poked)

    monkeypatch.setattr(advance, "_read", slow)
    await world.give_card(session)
    await world.confirm(session)
    await sql.rows("update tollbridge.subscription set poked = poked + 1, stale = true, access = 'suspended'")
    await world.settle()
    assert seen[-1] == "granted"


async def test_it_opens_while_another_holds_the_subscription(world: World) -> None:
    session = (await world.open_session()).json()
    await world.settle()
    hold = """update tollbridge.subscription set claimed_by = $1,
              claim_until = case when $1::text is null then null else clock_timestamp() + interval '1 hour' end"""
    await sql.rows(hold, "a worker that waits for Stripe")
    await world.give_card(session)
    await world.confirm(session)
    assert (await world.access(session["subscription"]))["granted"]
    await sql.rows(hold, None)


async def test_a_cancellation_by_us_ends_it_without_an_event(alone: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup = await alone.signup()
    assert (await alone.access(signup.subscription))["granted"]
    await alone.cancel(signup.subscription)
    assert (await alone.access(signup.subscription))["state"] == "ended"
    await together_again(alone, monkeypatch)


async def test_nor_does_it_take_one_where_another_turn_cancels_it(
    alone: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the end of an invoice's recovery does, or a checkout that failed."""
    signup = await alone.signup()
    await mirror.cancel_subscription(alone.runtime, alone.shop.account, signup.subscription)
    await alone.settle()
    found = await alone.access(signup.subscription)
    assert (found["state"], found["reason"]) == ("ended", "subscription_ended")
    await together_again(alone, monkeypatch)


async def test_a_grant_is_told_with_its_end(world: World) -> None:
    await world.listen()
    signup, renewal = await world.renew("decline_lost_stolen")
    for _ in range(10):
        await world.later(days=1)
    until = int((await business_now()).timestamp()) + 86_400
    body = {"reason": "promised", "until": until}
    await world.call("POST", f"/v1/subscriptions/{signup.subscription}/access_grants", body)
    granted = await world.access(signup.subscription)
    assert (granted["reason"], granted["closes_at"], granted["invoice"]) == ("granted_by_hand", until, renewal)
    await world.later(days=1, seconds=1)
    assert told(world, signup.subscription)[1:] == [
        ("closed", "invoice_not_collected"),
        ("opened", "granted_by_hand"),
        ("closed", "invoice_not_collected"),
    ]


async def metered_only(world: World) -> tuple[str, str]:
    """A customer and its subscription of a metered price alone: Stripe makes no invoice with it."""
    client: StripeClient = world.shop.client
    here: Any = SimpleNamespace(v1=client.v1)
    customer = await client.v1.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
    price = await metering.metered_price(here, await metering.meter(here))
    made = await metering.subscribe(here, customer, price)
    assert made.latest_invoice is None
    await world.settle()
    return str(customer.id), str(made.id)


async def test_where_nothing_is_due_at_first_it_opens_at_once_and_closes_as_any_other(world: World) -> None:
    await world.set_policy(access_closes="overdue")
    customer, subscription = await metered_only(world)
    opened = await world.access(subscription)
    assert (opened["state"], opened["reason"], opened["invoice"]) == ("granted", "nothing_due_first", None)
    by_product = (await world.call("GET", f"/v1/customers/{customer}/access?product={opened['products'][0]}")).json()
    assert by_product["granted"]

    here: Any = SimpleNamespace(v1=world.shop.client.v1)
    await metering.use(here, customer, "250")
    await world.later(days=31)
    [first] = world.invoices_of(subscription)
    owes = await world.access(subscription)
    assert (owes["state"], owes["reason"], owes["invoice"]) == ("granted", "invoice_open", first["id"])
    await world.later(days=11)
    assert (await world.access(subscription))["state"] == "suspended"


async def test_or_once_a_payment_method_is_stored(world: World) -> None:
    await world.set_policy(access_without_first_invoice="after_payment_method")
    customer, subscription = await metered_only(world)
    waits = await world.access(subscription)
    assert (waits["state"], waits["reason"]) == ("pending_first_payment", "payment_method_missing")
    card = await world.new_card(customer)
    opened = await world.access(subscription)
    assert (opened["state"], opened["reason"]) == ("granted", "payment_method_stored")
    await world.call("DELETE", f"/v1/customers/{customer}/payment_methods/{card['payment_method']}")
    await world.settle()
    assert (await world.access(subscription))["state"] == "pending_first_payment"
    await world.set_policy(access_without_first_invoice="at_once")
    await world.settle()
    assert (await world.access(subscription))["reason"] == "nothing_due_first"
