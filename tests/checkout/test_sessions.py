"""A session from its making to its end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from db import sql
from tests.support.world import World


async def _open(world: World, reference: str = "order-1", **body: Any) -> dict[str, Any]:
    answer = await world.open_session(reference, **body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_shows_the_initial_invoice_from_stripe(world: World) -> None:
    session = await _open(world, default_tax_rates=[world.shop.tax_rate])

    invoice = session["invoice"]
    live = world.stripe_invoice(invoice["id"])
    assert (invoice["subtotal"], invoice["tax"], invoice["amount_due"]) == (1000, 200, 1200)
    assert invoice["amount_due"] == live["amount_due"]
    assert invoice["currency"] == "eur"
    [line] = invoice["lines"]
    assert (line["amount"], line["tax"], line["quantity"]) == (1000, 200, 1)
    shown = {"name": "practice-eu", "label": "Practice eu", "description": "", "methods": []}
    assert session["processors"] == [shown]
    assert session["status"] == "open"


async def test_the_same_reference_gives_the_same_session(world: World) -> None:
    answers = await asyncio.gather(*(world.open_session("cart") for _ in range(5)))

    ids = {a.json()["id"] for a in answers if a.status_code == 200}
    assert len(ids) == 1
    assert len(world.stripe_account().subscriptions) == 1
    assert len(world.stripe_account().customers) == 1


async def test_the_first_draft_is_held_until_confirm(world: World) -> None:
    session = await _open(world)
    await world.later(hours=3)

    assert world.stripe_invoice(session["invoice"]["id"])["status"] == "draft"
    assert world.charge_calls() == []


async def test_polling_frontends_do_not_ask_stripe(world: World) -> None:
    session = await _open(world)
    await world.settle()
    world.stripe.calls.clear()

    for _ in range(20):
        answer = await world.call("GET", f"/v1/checkout_sessions/{session['id']}", key=session["client_secret"])
        assert answer.status_code == 200

    assert list(world.stripe.calls) == []
    await world.call("POST", f"/v1/checkout_sessions/{session['id']}", {"address": {"country": "FR"}})


async def test_address_and_promotion_code_change_the_amounts(world: World) -> None:
    client = world.shop.client
    coupon = await client.v1.coupons.create_async({"percent_off": 25, "duration": "forever"})
    await client.v1.promotion_codes.create_async(
        {"promotion": {"type": "coupon", "coupon": coupon.id}, "code": "QUARTER"}
    )
    session = await _open(
        world, automatic_tax=True, customer_details={"name": "A. Payer", "address": {"country": "DE"}}
    )
    assert session["invoice"]["amount_due"] == 1190
    address, key = f"/v1/checkout_sessions/{session['id']}", session["client_secret"]

    moved = await world.call("POST", address, {"address": {"country": "FR"}}, key=key)
    cheaper = await world.call("POST", address, {"promotion_code": "QUARTER"}, key=key)

    assert moved.json()["invoice"]["amount_due"] == 1200
    assert cheaper.json()["invoice"]["discount"] == 250
    assert cheaper.json()["invoice"]["amount_due"] == 900
    wrong = await world.call("POST", address, {"promotion_code": "NO-SUCH"}, key=key)
    assert (wrong.status_code, wrong.json()["param"]) == (400, "promotion_code")
    await world.give_card(session)
    await world.confirm(session)
    await world.settle()
    assert [c.captured for c in world.captures()] == [900]
    await world.later(days=31)
    assert [c.captured for c in world.captures()] == [900, 900]


async def test_confirm_writes_the_references_to_the_stripe_customer(world: World) -> None:
    signup = await world.signup("ok")

    metadata = world.stripe_account().customers[signup.customer]["metadata"]
    [method] = world.methods_at_processor()
    assert metadata["third_party_processor"] == "practice-eu"
    assert metadata["third_party_payment_method_id"] == method.token


async def test_policy_keeps_the_references_out_of_stripe(world: World) -> None:
    await world.set_policy(token_metadata="none")
    signup = await world.signup("ok")

    metadata = world.stripe_account().customers[signup.customer]["metadata"]
    assert not [key for key in metadata if key.startswith("third_party")]
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"


@pytest.mark.parametrize("mails_off", [False, True])
async def test_email_is_written_only_where_stripes_mails_are_off(world: World, mails_off: bool) -> None:
    await world.set_policy(stripe_mails_off=mails_off)
    session = await _open(world, customer_details={"name": "A", "email": "a@example.com", "address": {"country": "DE"}})
    await world.settle()

    written = world.stripe_account().customers[session["customer"]]["email"]
    assert written == ("a@example.com" if mails_off else None)


async def test_an_open_session_expires_cleanly(world: World) -> None:
    session = await _open(world)
    await world.give_card(session)
    await world.later(hours=25)

    shown = await world.call("GET", f"/v1/checkout_sessions/{session['id']}")
    assert shown.json()["status"] == "expired"
    assert world.stripe_subscription(session["subscription"])["status"] == "canceled"
    assert world.stripe_invoice(session["invoice"]["id"])["status"] == "void"
    assert [m.status for m in world.methods_at_processor()] == ["revoked"]
    late = await world.confirm(session)
    assert (late.status_code, late.json()["type"]) == (409, "urn:tollbridge:error:session_expired")
    assert world.charge_calls() == []
    again = await _open(world)
    assert again["id"] != session["id"]
    assert again["subscription"] != session["subscription"]


async def test_an_abandoned_authentication_is_withdrawn_and_ends_the_session(world: World) -> None:
    session = await _open(world)
    await world.give_card(session, "requires_action")
    confirmed = await world.confirm(session)
    assert confirmed.json()["status"] == "requires_action"
    assert confirmed.json()["next_action"]["redirect_url"]

    for _ in range(4):
        await world.later(hours=13)

    [charge] = world.practice.account(world.shop.practice_key).charges.values()
    assert charge.status == "canceled"
    assert world.stripe_subscription(session["subscription"])["status"] == "canceled"
    assert world.stripe_invoice(session["invoice"]["id"])["status"] == "uncollectible"
    shown = await world.call("GET", f"/v1/checkout_sessions/{session['id']}")
    assert shown.json()["status"] == "failed"


async def test_authentication_that_is_done_pays(world: World) -> None:
    session = await _open(world)
    await world.give_card(session, "requires_action")
    await world.confirm(session)
    [charge] = world.practice.account(world.shop.practice_key).charges.values()

    world.practice.act(charge.id, "confirm")
    await world.settle()

    shown = await world.call("GET", f"/v1/checkout_sessions/{session['id']}")
    assert shown.json()["status"] == "complete"
    assert world.stripe_invoice(session["invoice"]["id"])["status"] == "paid"


async def test_a_set_up_of_another_session_is_refused(world: World) -> None:
    mine, theirs = await _open(world, "mine"), await _open(world, "theirs")
    await world.give_card(mine)
    other = await world.give_card(theirs)

    answer = await world.confirm(mine, setup=other)

    assert (answer.status_code, answer.json()["param"]) == (400, "setup")
    await world.settle()
    assert world.charge_calls() == []


async def test_a_client_secret_opens_only_its_own_session(world: World) -> None:
    mine, theirs = await _open(world, "mine"), await _open(world, "theirs")

    answer = await world.call("GET", f"/v1/checkout_sessions/{theirs['id']}", key=mine["client_secret"])

    assert answer.status_code == 404
    own = await world.call("GET", f"/v1/checkout_sessions/{mine['id']}", key=mine["client_secret"])
    assert own.json()["client_secret"] is None


async def test_a_pending_debit_is_processing_until_it_settles(world: World) -> None:
    signup = await world.signup("pending_then_ok")
    assert signup.confirmed is not None
    assert (signup.confirmed.status_code, signup.confirmed.json()["status"]) == (202, "processing")
    assert not (await world.access(signup.subscription))["granted"]

    await world.later(hours=25)

    shown = await world.call("GET", f"/v1/checkout_sessions/{signup.id}")
    assert shown.json()["status"] == "complete"
    assert (await world.access(signup.subscription))["granted"]


async def test_confirm_with_wait_zero_answers_at_once(world: World) -> None:
    session = await _open(world)
    await world.give_card(session)

    answer = await world.http.post(
        f"{world.gateway_url}/v1/checkout_sessions/{session['id']}/confirm",
        json={"wait_s": 0},
        headers={"authorization": f"Bearer {session['client_secret']}", "idempotency-key": "k-1"},
    )

    assert (answer.status_code, answer.json()["status"]) == (202, "processing")
    await world.settle()
    assert len(world.captures()) == 1


async def test_another_customers_payment_method_is_not_found(world: World) -> None:
    first, second = await world.signup("ok", "one"), await world.signup("ok", "two")
    method = await sql.value("select id from tollbridge.payment_method where customer = $1", second.customer)

    answer = await world.open_session("three", customer=first.customer, payment_method=method, confirm=True)

    assert (answer.status_code, answer.json()["param"]) == (404, "payment_method")
