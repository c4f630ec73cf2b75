"""Histories in which something was lost, ended too early, or kept waiting for ever; they say which law, and how."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from db.poke import Kind, WakeUp
from gateway.billing import subscriptions
from gateway.cases import close_case
from gateway.subscriptions.advance import advance_subscription
from tests.support.moves import tell, told_of_moves
from tests.support.returning import returned
from tests.support.shop import BY
from tests.support.world import World


async def _taken(world: World) -> list[int]:
    return [c.captured for c in world.captures()]


async def test_money_given_again_is_told_before_it_was_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 5: until the other notice came, the gateway held the money twice, and returned what nobody has."""
    told_of_moves(monkeypatch)
    signup = await world.signup("ok", wait_s=0)
    tell(world, "test.given_again", world.last_charge())
    await world.settle()
    await world.later(hours=2)
    assert returned(world) == []

    tell(world, "test.taken_back", world.last_charge())
    await world.settle()
    await world.later(hours=12)
    assert returned(world) == []
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert await world.open_cases() == []


async def test_a_return_that_is_told_before_its_late_success(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 5, and order: a failed charge succeeds late and is taken back; told the other way round, the return is
    ignored, and Stripe is told of money that nobody holds."""
    told_of_moves(monkeypatch)
    _, invoice = await world.renew("decline_insufficient_funds")
    charge = world.last_charge()
    world.succeed_after_all(charge)
    tell(world, "test.taken_back", charge)
    world.practice.delivery.queue.reverse()
    await world.settle()
    for _ in range(3):
        await world.later(hours=1)
    shown = await world.gateway_invoice(invoice)
    assert [m["kind"] for m in shown["movements"]] == ["capture", "capture_reversed"]


async def test_404_for_an_invoice_that_nobody_has_read_yet(world: World) -> None:
    """An accepted event is lost: one 404 at the first look, and what Stripe finalizes later is an echo for ever."""
    await world.set_policy(finalize="leave")
    _, invoice = await world.renew_unseen()
    world.stripe.faults.add("error_before", method="GET", path="/v1/invoices/{id}", status=404)
    await world.settle()
    for _ in range(4):
        await world.later(hours=2)
    assert world.stripe_invoice(invoice)["status"] != "draft"
    assert await _taken(world) == [1000, 1000] or await world.open_cases()


async def _open_in_a_pause(world: World) -> str:
    """A renewal of a paused subscription that staff has finalized by hand."""
    signup = await world.signup("ok")
    client = world.shop.client.v1
    await client.subscriptions.update_async(signup.subscription, {"pause_collection": {"behavior": "keep_as_draft"}})
    await world.settle()
    await world.later(days=31)
    invoice = str(world.invoices_of(signup.subscription)[-1]["id"])
    await client.invoices.finalize_invoice_async(invoice)
    await world.settle()
    assert world.stripe_invoice(invoice)["status"] == "open"
    return invoice


async def test_a_wish_that_comes_to_nothing_is_not_kept(world: World) -> None:
    """`asked_at` outlives its turn where the invoice rests as before: every later press is "already under way"."""
    invoice = await _open_in_a_pause(world)
    first = await world.collect_now(invoice, wait_s=0)
    await world.settle()
    assert first.status_code >= 400 or not await sql.value(
        "select asked_at from tollbridge.invoice where id = $1", invoice
    )


async def test_the_mirror_of_a_subscription_goes_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow look of before the cancellation is stored after it, and the event of the end was an echo."""
    read = subscriptions.read
    slow: list[str] = []

    async def slowly(stripe: Any, wanted: str) -> Any:
        answer = await read(stripe, wanted)
        if not slow and answer.status != "canceled":
            slow.append(wanted)
            await world.work()  # another worker ends the session, and cancels
            await world.hear()
        return answer

    opened = (await world.open_session()).json()
    await world.settle()
    monkeypatch.setattr(subscriptions, "read", slowly)
    await world.move(hours=25)
    await sql.rows("update tollbridge.subscription set poked = poked + 1, stale = true")
    row = await sql.row("select account, id from tollbridge.subscription")
    assert row is not None
    await advance_subscription(world.runtime, WakeUp(Kind.SUBSCRIPTION, row["account"], row["id"]))
    await world.settle()
    assert slow
    assert world.stripe_subscription(opened["subscription"])["status"] == "canceled"
    assert await sql.value("select status from tollbridge.subscription") == "canceled"


async def test_a_pause_that_is_seen_after_its_draft(world: World) -> None:
    """A subscription that is new to us: its draft is read first, then its pause; after the pause it is left a draft."""
    signup = await world.signup("ok")
    client = world.shop.client.v1
    other = await client.subscriptions.create_async(
        {
            "customer": signup.customer,
            "items": [{"price": world.shop.price}],
            "collection_method": "send_invoice",
            "days_until_due": 10,
        }
    )
    first = str(world.invoices_of(other.id)[-1]["id"])
    await client.invoices.finalize_invoice_async(first)
    await client.invoices.pay_async(first, {"paid_out_of_band": True})
    await client.subscriptions.update_async(other.id, {"pause_collection": {"behavior": "keep_as_draft"}})
    # Nothing of all this was heard: Tollbridge comes to an account that lives.
    world.stripe.delivery.queue.clear()
    await world.move(days=31)
    await world.settle()
    draft = str(world.invoices_of(other.id)[-1]["id"])
    assert world.stripe_invoice(draft)["status"] == "draft"
    await client.subscriptions.update_async(other.id, {"pause_collection": ""})
    await world.hear()
    # Of the two wake-ups that of the subscription was sent first.
    await advance_subscription(world.runtime, WakeUp(Kind.SUBSCRIPTION, world.shop.account, other.id))
    for _ in range(3):
        await world.later(hours=8)
    assert world.stripe_invoice(draft)["status"] == "paid"


async def test_more_tries_by_a_new_policy(world: World) -> None:
    """All tries were declined; the policy is given more, which fit before the due date: nobody looks at it again."""
    await world.set_policy(ladder_hours=[0, 24])
    signup, invoice = await world.renew("decline_insufficient_funds")
    await world.later(days=2)
    assert (await world.gateway_invoice(invoice))["state"] == "exhausted"
    await world.set_policy(ladder_hours=[0, 24, 72, 96])
    world.break_card(signup.customer, "ok")
    for _ in range(4):
        await world.later(days=1)
    assert world.stripe_invoice(invoice)["status"] == "paid"


async def test_a_stopped_method_is_seen_by_every_invoice(world: World) -> None:
    """The state is a projection: a hard decline of one invoice stops the method of another, which rests."""
    first = await world.signup("ok")
    second = (await world.open_session("order-2", customer=first.customer, confirm=True)).json()
    await world.settle()
    world.break_card(first.customer, "decline_insufficient_funds")
    await world.later(days=31)
    invoices = [str(world.invoices_of(s)[-1]["id"]) for s in (first.subscription, second["subscription"])]
    assert [(await world.gateway_invoice(i))["state"] for i in invoices] == ["retrying", "retrying"]
    world.break_card(first.customer, "decline_lost_stolen")
    await world.collect_now(invoices[0])
    await world.settle()
    assert [(await world.gateway_invoice(i))["state"] for i in invoices] == ["needs_payment_method"] * 2


async def test_stripe_that_never_lets_us_in(world: World) -> None:
    """Law 5: the money is captured, and Stripe answers 429 to each call that would say so: nobody is ever told."""
    await world.renew_unseen()
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=429, times=100_000)
    await world.settle()
    for _ in range(48):
        await world.later(hours=1)
    assert await _taken(world) == [1000, 1000]
    assert await world.open_cases()


async def test_a_subscription_is_not_ended_beside_a_charge_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 7: the end of the first invoice has come, and the attempt for the second is pending."""
    at_end = ["mark_uncollectible", "cancel_subscription"]
    await world.set_policy(first_decline="retry", ladder_hours=[0, 30], end_after_hours=31, at_end=at_end)
    product = await world.shop.client.v1.products.create_async({"name": "Daily"})
    price = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 700, "currency": "eur", "recurring": {"interval": "day"}}
    )
    signup = await world.signup("decline_insufficient_funds", items=[{"price": price.id}])
    world.break_card(signup.customer, "pending_then_ok")
    await world.later(hours=25)
    second = str(world.invoices_of(signup.subscription)[-1]["id"])
    assert await world.attempts(second) == ["pending"]
    world.break_card(signup.customer, "decline_insufficient_funds")
    cancel, beside = subscriptions.cancel, []

    async def canceling(stripe: Any, subscription: str) -> Any:
        beside.append(await sql.value("select state from tollbridge.attempt where invoice = $1", second))
        return await cancel(stripe, subscription)

    monkeypatch.setattr(subscriptions, "cancel", canceling)
    await world.later(hours=8)
    assert beside == []
    await world.later(days=2)
    assert beside == ["succeeded"]


async def test_a_case_that_a_human_has_closed(world: World) -> None:
    """Somebody marked the invoice paid while we captured it; finance keeps both and closes the case: it is back."""
    _, invoice = await world.renew_unseen()
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}", status=500, times=1)
    await world.settle()
    await world.shop.client.v1.invoices.pay_async(invoice, {"paid_out_of_band": True})
    await world.later(minutes=1)
    case = await sql.row("select id, kind from tollbridge.review_case where state = 'open'")
    assert case is not None
    assert case["kind"] == "paid_by_hand"
    await close_case(BY, world.shop.account, case["id"], "both are kept")
    await world.settle()
    assert await world.open_cases() == []
