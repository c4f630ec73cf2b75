"""Histories of restored databases and of ends of recovery that break a law."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from db import sql
from db.engine import DB
from db.poke import Kind, WakeUp
from gateway.accounts import connections
from gateway.clock import business_now, move_clock
from gateway.collect import charge as module
from gateway.collect.advance import advance_invoice
from gateway.collect.view import view_of
from gateway.customers.methods import store_method
from gateway.outbound.deliver import Deliverer
from gateway.outbound.post import posting
from gateway.workers import run
from gateway.workers.timers import beating
from processors.values import Card, PaymentMethodReference, Secret
from tests.scenarios.test_d_restored import DAY_BEFORE, Backup
from tests.support.shop import BY
from tests.support.world import World

CHARGE = {"method": "POST", "path": "/v1/charges"}
END = {"end_after_hours": 168, "at_end": ["mark_uncollectible", "cancel_subscription"]}


async def _days(world: World, days: int) -> None:
    for _ in range(days):
        await world.later(days=1)


def _alive(world: World, subscription: str) -> bool:
    return world.stripe_subscription(subscription)["status"] in ("active", "past_due")


# --- restored databases --------------------------------------------------------------------------------------------


async def test_a_lost_try_behind_one_that_was_never_sent(world: World) -> None:
    """Laws 1, 2: try 1 was turned away (429), try 2 is a debit under way; neither is in the backup. "1 is not there"
    ends the search, and 1 is charged, beside 2."""
    signup, renewal = await world.renew_unseen()
    world.break_card(signup.customer, "pending_then_ok")
    backup = Backup(world)
    await backup.take()
    world.practice.faults.add("error_before", status=429, **CHARGE)
    await world.settle()
    await world.later(minutes=2)
    assert await world.attempts(renewal) == ["not_sent", "pending"]

    await world.move(minutes=10)
    await backup.restore()
    await world.catch_up()
    await world.settle()
    await _days(world, 3)
    assert len(world.captures()) == 2, "the signup's, and one for the renewal"


async def test_a_lost_try_at_another_connection(world: World) -> None:
    """Laws 1, 2: try 1 was refused at one processor, try 2 is under way at the other. Only the first is asked; after
    eight days the other's idempotency key protects no more."""
    signup = await world.signup("ok", days_until_due=30)
    await world.move(days=31, minutes=1)
    renewal = str(world.invoices_of(signup.subscription)[-1]["id"])
    second_key, webhook = "practice_second_made_up", "practice_webhook_second_made_up"
    taken = world.practice.set_webhook(second_key, f"{world.gateway_url}/webhooks/shop/practice-two", webhook)
    two = await connections.add(
        world.runtime,
        BY,
        world.shop.account,
        "practice-two",
        "practice",
        connections.ConnectionChange(
            credentials={"api_key": Secret(second_key), "webhook_secret": Secret(webhook)},
            options={"base_url": world.practice_url, "account": taken.id},
        ),
    )
    made = world.practice.create_method(second_key, "decline_lost_stolen")
    async with DB.transaction():
        await store_method(
            world.runtime,
            world.shop.account,
            signup.customer,
            two.id,
            PaymentMethodReference(Secret(made.token)),
            Card(brand="visa", last4="4242", fingerprint=made.fingerprint),
            await business_now(),
        )
    world.practice.settings.pending_delay_s = 20 * 86400
    world.break_card(signup.customer, "pending_then_ok")
    for key in (world.shop.practice_key, second_key):
        account = world.practice.account(key)
        # As most processors.
        account.manner = msgspec.structs.replace(account.manner, unique_reference=False)
    backup = Backup(world)
    await backup.take()
    await world.settle()
    assert await world.attempts(renewal) == ["declined", "pending"]

    await world.move(days=8)
    await backup.restore()
    await world.catch_up()
    await world.settle()
    await _days(world, 24)
    both = [c for key in (world.shop.practice_key, second_key) for c in world.practice.account(key).captures()]
    assert [c.reference for c in both].count(f"{renewal}.2") == 1


async def test_the_end_does_not_look_for_lost_tries(world: World) -> None:
    """Law 7: the backup knows no payment method that can be charged; the payer's new card, and its debit under way,
    came after it. The end comes, and nobody has looked."""
    await world.set_policy(**END)
    signup, _ = await world.renew("decline_lost_stolen")
    backup = Backup(world)
    await backup.take()
    world.practice.settings.pending_delay_s = 20 * 86400
    await world.new_card(signup.customer, "pending_then_ok")
    assert world.last_charge().status == "pending"

    await world.move(minutes=10)
    await backup.restore()
    await world.catch_up()
    await world.settle()
    await _days(world, 9)
    assert world.last_charge().status == "pending"
    assert _alive(world, signup.subscription), "given up while its debit is under way"


async def test_the_first_job_does_not_wait_for_the_first_beat(world: World) -> None:
    """Laws 1, 7: what was down is known by the first beat alone, and the lanes do not wait for it."""
    _, renewal = await world.renew_unseen()
    await world.hear()
    backup = Backup(world)
    await backup.take()
    world.stripe.faults.add("error_before", method="POST", path=f"/v1/invoices/{renewal}/pay", status=429, times=None)
    await world.settle()
    calls = len(world.charge_calls())
    await world.move(minutes=10)
    now = await business_now()
    await backup._kept.put_back()
    await move_clock(now - await business_now())
    await sql.rows(DAY_BEFORE, now - backup._at)

    stop, other = asyncio.Event(), await DB.get_new_connection()
    # The database is slow with just this one row.
    await other.execute("begin; lock table tollbridge.worker in exclusive mode")
    async with posting(private=True) as poster:
        task = asyncio.create_task(run._work(world.runtime, Deliverer(world.runtime, poster), stop))
        await asyncio.sleep(4)
        made = len(world.charge_calls()) - calls
        await other.execute("rollback")
        stop.set()
        await task
    await other.close()
    assert made == 0, "charged before anybody knew that there was a gap"


# --- the end of recovery -------------------------------------------------------------------------------------------


async def test_a_locked_account_ends_no_subscription(world: World) -> None:
    """Law 7: the merchant's account was locked from the second try to the due date. README: its end "charges what has
    waited"."""
    await world.set_policy(**END)
    signup, renewal = await world.renew("decline_insufficient_funds")
    world.practice.lock_account(world.shop.practice_key)
    await _days(world, 10)
    assert await world.open_cases() == ["connection_locked"]
    assert _alive(world, signup.subscription)
    world.break_card(signup.customer, "ok")
    world.practice.unlock_account(world.shop.practice_key)
    await world.settle()
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert _alive(world, signup.subscription)


async def test_a_pause_that_is_over_ends_no_subscription_at_once(world: World) -> None:
    """README: "if none fits any more, the invoice is exhausted then, with a case, and `collect` makes a further try by
    hand": the resume itself cancels the subscription."""
    await world.set_policy(**END)
    signup, _ = await world.renew("decline_insufficient_funds")
    await world.call("POST", f"/v1/customers/{signup.customer}/pause_collection", {"reason": "in talks"})
    await _days(world, 12)
    assert _alive(world, signup.subscription)
    await world.call("POST", f"/v1/customers/{signup.customer}/resume_collection", {"reason": "they pay now"})
    await world.settle()
    assert _alive(world, signup.subscription)


async def test_a_pause_stops_an_end_that_has_begun(world: World) -> None:
    """Stripe can't cancel just then; finance pauses the customer; the subscription is cancelled in the pause."""
    await world.set_policy(**END)
    signup, renewal = await world.renew("decline_lost_stolen")
    path = f"/v1/subscriptions/{signup.subscription}"
    fault = world.stripe.faults.add("error_before", method="DELETE", path=path, status=500, times=None)
    await _days(world, 8)
    assert world.stripe_invoice(renewal)["status"] == "uncollectible"
    paused = await world.call("POST", f"/v1/customers/{signup.customer}/pause_collection", {"reason": "in talks"})
    assert paused.status_code == 200, paused.text
    world.stripe.faults.remove(fault.id)
    await _days(world, 1)
    assert _alive(world, signup.subscription)


async def test_a_card_given_while_the_last_try_is_under_way(world: World) -> None:
    """The ladder's last try is a debit; the payer gives a good card meanwhile; the debit fails, and the subscription is
    given up without a try of that card."""
    await world.set_policy(**END)
    signup, renewal = await world.renew("decline_insufficient_funds")
    await _days(world, 4)
    world.practice.settings.pending_delay_s = 86400
    world.break_card(signup.customer, "pending_then_fail")
    await world.later(hours=26)
    assert await world.attempts(renewal) == ["declined", "declined", "declined", "pending"]
    assert (await world.new_card(signup.customer, "ok"))["status"] == "complete"
    await _days(world, 4)
    assert world.stripe_invoice(renewal)["status"] == "paid", await world.attempts(renewal)
    assert _alive(world, signup.subscription)


# --- cards ---------------------------------------------------------------------------------------------------------


async def _invoice(world: World, customer: str) -> str:
    v1 = world.shop.client.v1
    one = await v1.invoices.create_async(
        {"customer": customer, "collection_method": "send_invoice", "days_until_due": 10}
    )
    await v1.invoice_items.create_async({"customer": customer, "invoice": one.id, "amount": 500, "currency": "eur"})
    await v1.invoices.finalize_invoice_async(one.id)
    return str(one.id)


async def test_two_workers_spend_the_last_try_of_a_card(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scenario 44 with two workers: both see nine tries, and each makes the tenth."""
    signup = await world.signup("ok")
    await sql.rows("""update tollbridge.payment_method set card = '{"brand": "mastercard", "last4": "4444"}'""")
    world.break_card(signup.customer, "decline_insufficient_funds")
    for _ in range(9):
        await _invoice(world, signup.customer)
        await world.settle()
    charged = len(world.charge_calls())
    both = [await _invoice(world, signup.customer) for _ in range(2)]
    await world.hear()
    charge, both_decided = module.charge, asyncio.Barrier(2)

    async def together(*args: Any) -> None:
        with suppress(TimeoutError, asyncio.BrokenBarrierError):
            await asyncio.wait_for(both_decided.wait(), 5)
        await charge(*args)

    monkeypatch.setattr(module, "charge", together)
    wake_ups = [WakeUp(Kind.INVOICE, world.shop.account, one) for one in both]
    await asyncio.gather(*(advance_invoice(world.runtime, one) for one in wake_ups))
    monkeypatch.undo()
    await world.settle()
    assert len(world.charge_calls()) - charged == 1, "the scheme allows ten in a day"


async def test_a_refused_card_stays_refused_after_its_token_was_replaced(world: World) -> None:
    """README: after "never again" it is charged no more, under whatever token. The bank replaces the stolen card; the
    refusal goes over to the new number, and the stolen one may be charged again under another token."""
    signup, _ = await world.renew("decline_lost_stolen")
    (stolen,) = world.methods_at_processor()
    world.practice.replace_method(stolen.token)
    await world.settle()
    charged = len(world.charge_calls())
    await world.repair_card(signup, "decline_lost_stolen", fingerprint=stolen.fingerprint)
    await _days(world, 1)
    assert len(world.charge_calls()) == charged


async def test_the_card_that_replaced_a_refused_one_may_be_charged(world: World) -> None:
    """The same, seen from the payer's good new card, which she gives herself: nobody charges it, and the end comes."""
    await world.set_policy(**END)
    signup, renewal = await world.renew("decline_lost_stolen")
    (stolen,) = world.methods_at_processor()
    new = world.practice.replace_method(stolen.token)
    await world.settle()
    await world.repair_card(signup, fingerprint=new.fingerprint)
    await _days(world, 8)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert _alive(world, signup.subscription)


async def test_the_gap_postpones_the_end_of_what_was_found_again(world: World) -> None:
    """Law 7: a try that is found after a gap counts as made just now, so that the gap postpones nothing."""
    await world.set_policy(at_end=["mark_uncollectible", "cancel_subscription"])
    signup, renewal = await world.renew_unseen()
    world.break_card(signup.customer, "decline_insufficient_funds")
    backup = Backup(world)
    await backup.take()
    await world.settle()
    assert await world.attempts(renewal) == ["declined"]
    await world.move(days=10)
    world.break_card(signup.customer, "ok")
    await backup.restore()
    await world.catch_up()
    await world.settle()
    await _days(world, 3)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert _alive(world, signup.subscription)


async def test_the_end_comes_before_the_first_beat(world: World) -> None:
    """Law 7: nobody worked for nine days; the ladder had three steps left. The first job gives up, since only the first
    beat says that nobody worked."""
    await world.set_policy(at_end=["mark_uncollectible", "cancel_subscription"])
    signup, renewal = await world.renew("decline_insufficient_funds")
    await beating()()
    world.break_card(signup.customer, "ok")
    await world.move(days=10)
    await sql.rows(DAY_BEFORE, timedelta(days=10))
    stop, other = asyncio.Event(), await DB.get_new_connection()
    await other.execute("begin; lock table tollbridge.worker in exclusive mode")
    async with posting(private=True) as poster:
        task = asyncio.create_task(run._work(world.runtime, Deliverer(world.runtime, poster), stop))
        await asyncio.sleep(4)
        await other.execute("rollback")
        await asyncio.sleep(3)
        stop.set()
        await task
    await other.close()
    await world.settle()
    assert _alive(world, signup.subscription)
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_a_connection_that_is_switched_off_ends_no_subscription(world: World) -> None:
    """The operator switches a connection off for some days: its payers "have no payment method", and lose their
    subscriptions, though their cards are good and nobody asked them for anything."""
    await world.set_policy(**END)
    signup, _ = await world.renew("decline_insufficient_funds")
    await connections.update(
        world.runtime, BY, world.shop.account, "practice-eu", connections.ConnectionChange(enabled=False)
    )
    world.break_card(signup.customer, "ok")
    await _days(world, 9)
    assert _alive(world, signup.subscription)


async def test_the_end_waits_for_a_card_that_is_being_given(world: World) -> None:
    """The payer has entered a card at the processor and come back; its set-up can't be asked for just then; the end."""
    await world.set_policy(**END)
    signup, renewal = await world.renew("decline_lost_stolen")
    await _days(world, 6)
    session = await world.method_session(signup.customer)
    setup = await world.method_setup(session)
    fault = world.practice.faults.add("error_before", method="GET", path="/v1/setups/{id}", status=503, times=None)
    await world.method_done(session, setup=setup)
    await world.later(hours=25)
    world.practice.faults.remove(fault.id)
    await world.later(hours=4)
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert _alive(world, signup.subscription)


async def test_a_payment_at_stripe_stops_an_end_that_has_begun(world: World) -> None:
    """Stripe can't cancel just then; the payer pays the uncollectible invoice at Stripe by a debit that takes days; the
    subscription is cancelled beside it."""
    await world.set_policy(**END)
    signup, renewal = await world.renew("decline_lost_stolen")
    path = f"/v1/subscriptions/{signup.subscription}"
    fault = world.stripe.faults.add("error_before", method="DELETE", path=path, status=500, times=None)
    await _days(world, 8)
    assert world.stripe_invoice(renewal)["status"] == "uncollectible"
    v1 = world.shop.client.v1
    debit: Any = {"type": "sepa_debit", "sepa_debit": {"iban": "DE89370400440532013000"}}
    method = await v1.payment_methods.create_async(debit | {"billing_details": {"name": "A", "email": "a@b.example"}})
    await v1.payment_methods.attach_async(method.id, {"customer": signup.customer})
    await v1.invoices.pay_async(renewal, {"payment_method": method.id})
    assert world.stripe_subscription(signup.subscription)["status"] != "canceled"
    await world.hear()
    await sql.rows("update tollbridge.invoice set stale = true, poked = poked + 1 where id = $1", renewal)
    await world.work()
    shown = (await view_of(world.shop.account, renewal)).invoice
    assert shown is not None
    assert (shown.status, shown.stripe_payment) == ("uncollectible", "processing")
    world.stripe.faults.remove(fault.id)
    await _days(world, 1)
    assert _alive(world, signup.subscription)


async def test_a_new_card_that_came_while_the_account_was_locked(world: World) -> None:
    """A ladder that is climbed, a due date that is over, a lock, a new card: the end of the lock wakes nobody who is
    exhausted, and the card is never charged."""
    signup, renewal = await world.renew("decline_insufficient_funds")
    await _days(world, 12)
    assert await world.attempts(renewal) == ["declined"] * 4
    world.practice.lock_account(world.shop.practice_key)
    await world.settle()
    await world.new_card(signup.customer, "ok")
    assert (await world.gateway_invoice(renewal))["reason"] == "the processor has locked the account"
    world.practice.unlock_account(world.shop.practice_key)
    await world.settle()
    await _days(world, 5)
    assert world.stripe_invoice(renewal)["status"] == "paid"
