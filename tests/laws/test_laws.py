"""Histories that once broke a law, each as small as it gets; they say which law, and how."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from db import sql
from db.poke import Kind, WakeUp
from gateway.accounts import accounts, connections, stripe_key
from gateway.accounts.errors import FieldError
from gateway.billing import invoices
from gateway.checkout import collect, sessions
from gateway.clock import business_now
from gateway.collect.advance import advance_invoice
from gateway.collect.outcomes import store_outcome
from processors.money import Money
from processors.outcome import ChargeOutcome, NotSent, Succeeded
from processors.practice import mapping
from processors.practice.client import PracticeAdapter
from processors.values import PreparedCall, Secret
from tests.support.crash import boundaries, let_claims_run_out, once
from tests.support.shop import BY
from tests.support.world import World

CHARGE = {"method": "POST", "path": "/v1/charges"}
SEARCH = {"method": "GET", "path": "/v1/charges"}


async def _taken(world: World) -> list[int]:
    return [c.captured for c in world.captures()]


async def test_a_rejected_replay_says_nothing_of_the_first_call(world: World) -> None:
    """Law 4: captured, answer lost; look-ups lag; the replay meets a 401 (key being rotated): charged again."""
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("hidden", delay_s=800, **CHARGE)
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    world.practice.faults.add("error_before", status=401, **CHARGE)
    for _ in range(22):
        await world.later(minutes=1)
    assert await world.attempts(signup.invoice) == ["unknown"], "a 401 for the replay is no end of the first call"
    for _ in range(3):
        await world.later(minutes=40)
    assert await _taken(world) == [1000]


async def test_not_found_is_measured_from_the_last_sending(world: World) -> None:
    """Law 4: the replay reached the processor and its worker died; "not found" within the lag of *that* ends it."""
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_before", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    world.practice.faults.add("hidden", delay_s=800, **CHARGE)
    with boundaries(once("after POST /v1/charges")):
        for _ in range(25):
            await world.move(minutes=1)
            if await world.work() and world.kills:
                break
    await world.shop.client.v1.credit_notes.create_async({"invoice": signup.invoice, "amount": 400})
    for _ in range(3):
        await world.later(minutes=1)
    assert await _taken(world) == [1000]


async def test_late_429_of_a_frozen_worker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 4: A's request is turned away (429) and A freezes; B replays, its answer is lost; A's late "not sent"
    ends the attempt that B's replay has captured."""
    world.practice.delivery.set(drop=True)
    charge = PracticeAdapter.charge
    froze: list[str] = []

    async def freezing(self: PracticeAdapter, call: PreparedCall) -> ChargeOutcome:
        if froze:
            return await charge(self, call)
        froze.append("A")
        row = await sql.row("select account, id from tollbridge.invoice where state = 'charging'")
        assert row is not None
        world.practice.faults.add("hidden", delay_s=800, **CHARGE)
        world.practice.faults.add("lost_after", **CHARGE)
        await let_claims_run_out()
        for _ in range(24):
            await advance_invoice(world.runtime, WakeUp(Kind.INVOICE, row["account"], row["id"]))
            await world.move(minutes=1)
        return NotSent("429", timedelta(seconds=1))

    monkeypatch.setattr(PracticeAdapter, "charge", freezing)
    signup = await world.signup("ok", wait_s=0)
    assert await _taken(world) == [1000], "B's replay took the money"
    for _ in range(3):
        await world.later(minutes=1)
    assert await world.attempts(signup.invoice) == ["unknown"]
    assert await _taken(world) == [1000]


async def test_last_look_is_as_old_as_its_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 3: what Stripe said ten seconds ago counts as read now, if its answer was slow."""
    _, invoice = await world.renew_unseen()
    read = invoices.read
    slow: list[str] = []

    async def slowly(stripe: Any, wanted: str) -> Any:
        answer = await read(stripe, wanted)
        if wanted == invoice and answer.shape.status == "open" and not slow:
            slow.append(wanted)
            await world.shop.client.v1.invoices.void_invoice_async(invoice)
            await world.move(seconds=10)
        return answer

    monkeypatch.setattr(invoices, "read", slowly)
    await world.shop.client.v1.invoices.finalize_invoice_async(invoice)
    await world.settle()
    assert slow
    assert await _taken(world) == [1000], "only the first invoice was to be charged"


async def test_second_payment_under_one_attempt(world: World) -> None:
    """Law 5: two answers name two payments (the replay ran again): one is dropped."""
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    row = await sql.row("select account, id from tollbridge.attempt where invoice = $1", signup.invoice)
    assert row is not None
    now = await business_now()
    for processor_id in ("pch_first", "pch_second"):
        outcome = Succeeded(processor_id, Money(1000, "eur"), now)
        await store_outcome(row["account"], row["id"], outcome, now, wake=True)
    await world.work()
    known = await sql.value("select count(*) from tollbridge.movement where processor_id = 'pch_second'")
    assert known or await world.open_cases()


async def test_404_of_an_open_invoice_is_no_deletion(world: World) -> None:
    """Law 5: only drafts can be deleted; one 404 (another account's key, say) drops an open invoice."""
    signup, invoice = await world.renew("decline_insufficient_funds")
    assert (await world.gateway_invoice(invoice))["state"] == "retrying"
    world.break_card(signup.customer, "ok")
    world.stripe.faults.add("error_before", method="GET", path="/v1/invoices/{id}", status=404)
    for _ in range(6):
        await world.later(days=1)
    shown = await world.gateway_invoice(invoice)
    assert shown["state"] == "paid" or await world.open_cases(), shown["state"]


async def _second_card(world: World, customer: str) -> tuple[str, str]:
    """The customer's older method and a newer one, which is first."""
    old = await sql.value("select id from tollbridge.payment_method where customer = $1", customer)
    made = await world.repair_card(type("S", (), {"customer": customer})())
    return str(old), made


async def test_the_chosen_method_is_charged(world: World) -> None:
    """The payer confirms with one stored card, another one is charged."""
    first = await world.signup("ok")
    old, _ = await _second_card(world, first.customer)
    opened = await world.open_session("order-2", customer=first.customer)
    session = opened.json()
    await world.confirm(session, key=world.shop.api_key, payment_method=old)
    await world.settle()
    charged = await sql.value(
        "select payment_method from tollbridge.attempt where invoice = $1", session["invoice"]["id"]
    )
    assert charged == old


async def test_renewal_of_an_unconfirmed_subscription(world: World) -> None:
    """Only the first draft is held: a daily plan's second invoice is charged though nobody has confirmed anything."""
    await world.set_policy(session_hours=72)
    first = await world.signup("ok")
    product = await world.shop.client.v1.products.create_async({"name": "Daily"})
    price = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 700, "currency": "eur", "recurring": {"interval": "day"}}
    )
    opened = await world.open_session("order-2", customer=first.customer, items=[{"price": price.id}])
    assert opened.json()["status"] == "open"
    await world.later(hours=26)
    assert await _taken(world) == [1000]


async def test_hold_does_not_hang_on_stripes_metadata(world: World) -> None:
    """Law 11: our own row names the held draft, and a hint that staff removed decides all the same."""
    first = await world.signup("ok")
    opened = (await world.open_session("order-2", customer=first.customer)).json()
    draft = world.stripe_account().invoices[opened["invoice"]["id"]]
    await world.shop.client.v1.subscriptions.update_async(
        opened["subscription"], {"metadata": {"tollbridge_session": ""}}
    )
    # Stripe: live until finalization, a snapshot from then on (its description of parent.subscription_details).
    draft["parent"]["subscription_details"]["metadata"] = {}
    await world.shop.client.v1.invoices.finalize_invoice_async(draft["id"])
    await world.settle()
    assert await _taken(world) == [1000]


async def test_session_expires_while_it_is_being_made(world: World) -> None:
    """A session lives 24 hours; Stripe is away for two days, then the payer is charged for what was given up."""
    first = await world.signup("ok")
    world.stripe.faults.add("error_before", method="POST", path="/v1/subscriptions", status=503, times=10_000)
    await world.open_session("order-2", customer=first.customer, confirm=True)
    for _ in range(6):
        await world.later(hours=8)
    world.stripe.faults.clear()
    await world.later(hours=8)
    assert await _taken(world) == [1000]


async def test_late_success_withdraws_the_pending_one(world: World) -> None:
    """The first try succeeds late while the second is pending: it could be withdrawn, and is left to capture again."""
    await world.set_policy(first_decline="retry")
    signup = await world.signup("decline_insufficient_funds")
    first = world.last_charge()
    world.break_card(signup.customer, "pending_then_ok")
    await world.later(hours=25)
    assert await world.attempts(signup.invoice) == ["declined", "pending"]
    row = await sql.row("select account, id from tollbridge.attempt where number = 1")
    assert row is not None
    now = await business_now()
    first.captured = first.amount
    await store_outcome(row["account"], row["id"], Succeeded(first.id, Money(1000, "eur"), now), now, wake=True)
    for _ in range(4):
        await world.later(hours=10)
    assert await _taken(world) == [1000]


async def test_reenabled_connection_goes_on(world: World) -> None:
    """An invoice met while the connection was disabled is "not ours" for ever: nobody collects it, nobody is told."""
    await world.signup("ok")
    await connections.update(
        world.runtime, BY, world.shop.account, world.shop.connection, connections.ConnectionChange(enabled=False)
    )
    await world.later(days=31)
    await connections.update(
        world.runtime, BY, world.shop.account, world.shop.connection, connections.ConnectionChange(enabled=True)
    )
    await world.later(days=1)
    assert await _taken(world) == [1000, 1000] or await world.open_cases()


async def test_confirmed_session_without_a_chargeable_method(world: World) -> None:
    """Confirmed, then the connection is disabled: `processing` for ever, and nobody is told."""
    opened = (await world.open_session()).json()
    await world.give_card(opened)
    world.stripe.faults.add("error_before", method="POST", path="/v1/customers/{id}", status=503, times=3)
    await world.confirm(opened, wait_s=0)
    await connections.update(
        world.runtime, BY, world.shop.account, world.shop.connection, connections.ConnectionChange(enabled=False)
    )
    for _ in range(10):
        await world.later(days=2)
    state = await sql.value("select state from tollbridge.checkout_session where id = $1", opened["id"])
    assert state != "processing" or await world.open_cases(), state


async def test_client_reference_of_another_customer(world: World) -> None:
    """Law 11: a reference used for another customer opens that customer's session, client secret included."""
    first = await world.signup("ok", reference="order-1")
    other = await world.shop.client.v1.customers.create_async({"name": "Another"})
    answer = await world.open_session("order-1", customer=other.id)
    assert answer.status_code >= 400 or answer.json()["customer"] == other.id
    assert first.customer not in answer.text


async def test_restored_database_sends_the_same_bytes(world: World) -> None:
    """Law 2: a restored database asks with the same key, and must send the same bytes; ours name a random attempt."""
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    # The backup is from just before the charge.
    await sql.rows("delete from tollbridge.attempt")
    await sql.rows("update tollbridge.invoice set poked = poked + 1 where id = $1", signup.invoice)
    await world.work()
    first, second = world.charge_calls()
    assert first.idempotency_key == second.idempotency_key
    assert bytes(first.body) == bytes(second.body)


async def test_subscription_that_cannot_be_read(world: World) -> None:
    """A key that may not read subscriptions: the end of one never reaches us, access stays open, nobody is told."""
    signup = await world.signup("ok")
    world.stripe.faults.add("error_before", method="GET", path="/v1/subscriptions/{id}", status=403, times=10_000)
    await world.shop.client.v1.subscriptions.cancel_async(signup.subscription)
    for _ in range(10):
        await world.later(hours=5)
    assert not (await world.access(signup.subscription))["granted"] or await world.open_cases()


async def test_abandoned_setup_of_a_token_in_use(world: World) -> None:
    """Law 12 the wrong way round: an expired session deletes a token at the processor that a stored method needs."""
    first = await world.signup("ok")
    opened = (await world.open_session("order-2", customer=first.customer)).json()
    setup = await world.give_card(opened)
    account = world.practice.account(world.shop.practice_key)
    # A vault that knows the card gives the token that it gave before.
    kept = next(t for t in account.methods if t != account.setups[setup].method)
    account.setups[setup].method = kept
    await world.later(hours=26)
    state = await sql.value("select status from tollbridge.payment_method where customer = $1", first.customer)
    assert account.methods[kept].revoked == (state == "revoked")


async def test_more_is_captured_under_the_same_payment(world: World) -> None:
    """Law 5: first 600 of 1000, then the processor says 1000 of the same payment: the rest is nowhere."""
    signup = await world.signup("ok")
    row = await sql.row("select account, id, processor_id from tollbridge.attempt where invoice = $1", signup.invoice)
    assert row is not None
    now = await business_now()
    more = Succeeded(row["processor_id"], Money(1500, "eur"), now)
    await store_outcome(row["account"], row["id"], more, now, wake=True)
    await world.settle()
    taken = await sql.value("select sum(amount) from tollbridge.movement where kind = 'capture'")
    assert taken == 1500 or await world.open_cases()


async def test_confirm_beats_expiry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A confirm that was accepted before the session's end is thrown away by an expiry that was decided before it."""
    opened = (await world.open_session()).json()
    await world.give_card(opened)
    expire = collect.expire

    async def later(*args: Any) -> None:
        # The worker has seen `open` and its end; the payer's confirm was a moment before that.
        await sql.rows("update tollbridge.checkout_session set expires_at = expires_at + interval '1 hour'")
        await sessions.confirm(world.runtime, world.shop.account, opened["id"])
        await expire(*args)

    monkeypatch.setattr(collect, "expire", later)
    await world.later(hours=24, seconds=1)
    state = await sql.value("select state from tollbridge.checkout_session where id = $1", opened["id"])
    assert state == "complete"


async def test_one_stripe_account_twice(world: World) -> None:
    """Law 1: the same Stripe account under two names (a rename in the applied file): both charge."""
    await stripe_key.check(world.runtime, BY, world.shop.account)
    change = accounts.AccountChange(api_base=world.stripe_url)
    with pytest.raises(FieldError):
        await accounts.add(world.runtime.keyring, BY, "shop-eu", Secret(world.shop.stripe_key), change=change)


async def test_expiry_looks_before_it_cancels(world: World) -> None:
    """Paid while the session was open, the event is late: expiry cancels what has been paid for, unread and untold."""
    opened = (await world.open_session()).json()
    invoice = opened["invoice"]["id"]
    world.stripe.delivery.set(
        drop={"invoice.paid", "invoice.updated", "invoice.finalized", "invoice.payment_succeeded"}
    )
    await world.shop.client.v1.invoices.finalize_invoice_async(invoice)
    await world.shop.client.v1.invoices.pay_async(invoice, {"paid_out_of_band": True})
    await world.later(hours=25)
    status = world.stripe_subscription(opened["subscription"])["status"]
    assert status == "active" or await world.open_cases(), status


async def test_nul_in_a_processors_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decline whose message holds a NUL can't be stored: the attempt stays unresolved for ever."""
    decline = mapping.decline

    def with_nul(refusal: Any, at: Any = None) -> Any:
        return msgspec.structs.replace(decline(refusal, at), processor_message="no\0way")

    monkeypatch.setattr(mapping, "decline", with_nul)
    signup = await world.signup("decline_insufficient_funds")
    for _ in range(4):
        await world.later(hours=1)
    assert await world.attempts(signup.invoice) == ["declined"]


async def test_foreign_currency_is_not_asked_in_a_loop(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor shows the charge in another currency: it is looked up 25 times in a row, again and again."""
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    world.last_charge().currency = "USD"
    await world.later(seconds=15)
    assert await world.attempts(signup.invoice) == ["unknown"]
    assert len(world.practice.calls.to("GET", "/v1/charges")) <= 2


async def test_token_in_a_decline_message(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 12: a processor's text that repeats our token stands in a plain column, and in the API's answer."""
    decline = mapping.decline
    tokens: list[str] = []

    def quoting(refusal: Any, at: Any = None) -> Any:
        tokens.append(world.methods_at_processor()[0].token)
        return msgspec.structs.replace(decline(refusal, at), processor_message=f"method {tokens[0]} was refused")

    monkeypatch.setattr(mapping, "decline", quoting)
    signup = await world.signup("decline_insufficient_funds")
    assert tokens
    assert tokens[0] not in str(await world.gateway_invoice(signup.invoice))


async def test_renewal_held_by_its_session_goes_on_after_confirm(world: World) -> None:
    """What waited for the confirmation of its subscription is collected once that is confirmed."""
    await world.set_policy(session_hours=72)
    product = await world.shop.client.v1.products.create_async({"name": "Daily"})
    price = await world.shop.client.v1.prices.create_async(
        {"product": product.id, "unit_amount": 700, "currency": "eur", "recurring": {"interval": "day"}}
    )
    opened = (await world.open_session(items=[{"price": price.id}])).json()
    await world.later(hours=26)
    await world.give_card(opened)
    await world.confirm(opened, wait_s=0)
    await world.settle()
    for _ in range(3):
        await world.later(hours=2)
    assert await _taken(world) == [700, 700]


async def test_404_in_the_clean_up_is_no_deletion(world: World) -> None:
    """Law 5: the session's own look at its invoice goes round the guard: one 404, and an open invoice is `deleted`."""
    world.stripe.faults.add("error_before", method="DELETE", path="/v1/subscriptions/{id}", status=503, times=3)
    signup = await world.signup("decline_insufficient_funds")
    world.stripe.faults.add("error_before", method="GET", path="/v1/invoices/{id}", status=404, times=50)
    await world.later(minutes=30)
    world.stripe.faults.clear()
    for _ in range(4):
        await world.later(hours=1)
    live = world.stripe_invoice(signup.invoice)["status"]
    assert live == "uncollectible" or await world.open_cases(), live


async def test_only_the_sessions_own_draft_is_released(world: World) -> None:
    """While the first payment is pending, a draft that staff keeps on the subscription is finalized and charged."""
    signup = await world.signup("pending_then_ok")
    world.break_card(signup.customer, "ok")
    client = world.shop.client.v1
    theirs = {"customer": signup.customer, "subscription": signup.subscription}
    await client.invoice_items.create_async({**theirs, "amount": 5000, "currency": "eur"})
    kept = await client.invoices.create_async(
        {**theirs, "auto_advance": False, "collection_method": "send_invoice", "days_until_due": 10}
    )
    await world.settle()
    assert world.stripe_invoice(str(kept.id))["status"] == "draft"
    assert 5000 not in await _taken(world)
