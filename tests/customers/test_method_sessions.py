"""A payment-method session from its making to its end."""

from __future__ import annotations

from typing import Any

import pytest

from db import sql
from tests.support.crash import boundaries, once
from tests.support.world import World


async def shown(world: World, session: dict[str, Any], *, key: str = "") -> dict[str, Any]:
    answer = await world.call("GET", f"/v1/payment_method_sessions/{session['id']}", key=key)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_shows_what_is_due_and_where_the_payer_goes(world: World) -> None:
    signup, _ = await world.renew("decline_insufficient_funds")
    session = await world.method_session(signup.customer, return_url="https://shop.example/account")

    assert (session["status"], session["customer"]) == ("open", signup.customer)
    assert [one["name"] for one in session["processors"]] == ["practice-eu"]
    assert session["due"] == [{"currency": "eur", "amount": 1000, "invoices": 1}]
    assert (
        session["url"]
        == f"{world.runtime.settings.base_url}/payment_methods/{session['id']}#{session['client_secret']}"
    )
    assert session["expires_at"] - session["created"] == 86400
    bearers = await shown(world, session, key=session["client_secret"])
    assert (bearers["client_secret"], bearers["url"]) == (None, None)


async def test_what_was_asked_for_alike_is_the_same_session_which_lives_on(world: World) -> None:
    signup = await world.signup("ok")
    first = await world.method_session(signup.customer)
    await world.later(hours=20)
    again = await world.method_session(signup.customer)
    other = await world.method_session(signup.customer, connection="practice-eu")

    assert (again["id"], again["client_secret"]) == (first["id"], first["client_secret"])
    assert again["expires_at"] > first["expires_at"]
    assert other["id"] != first["id"]
    await world.later(hours=20)
    assert (await shown(world, first))["status"] == "open"


async def test_a_payer_who_does_not_come_back_is_found(world: World) -> None:
    """The window was closed on the processor's page, after the card was entered."""
    signup, renewal = await world.renew("decline_lost_stolen")
    session = await world.method_session(signup.customer)
    await world.method_setup(session)
    await world.later(minutes=5)

    assert (await shown(world, session))["status"] == "complete"
    assert world.stripe_invoice(renewal)["status"] == "paid"


async def test_a_set_up_that_fails_leaves_the_session_open(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer)
    await world.method_setup(session, None)
    await world.method_done(session)
    await world.settle()
    failed = await shown(world, session)
    assert (failed["status"], failed["failure"]["code"]) == ("open", "setup_failed")
    assert "payer_canceled" in failed["failure"]["message"]

    setup = await world.method_setup(session)
    await world.method_done(session, setup=setup)
    await world.settle()
    assert (await shown(world, session))["failure"] is None
    assert (await shown(world, session))["status"] == "complete"


async def test_one_that_is_not_done_yet_is_asked_for_again(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer)
    client = await world.begin_method(session)
    done = await world.method_done(session)
    await world.settle()
    assert (done.status_code, (await shown(world, session))["status"]) == (202, "processing")

    await world.complete_at_processor(client, "ok")
    await world.later(seconds=11)
    assert (await shown(world, session))["status"] == "complete"


async def test_a_session_expires_and_what_is_entered_later_is_deleted(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer)
    await world.later(hours=23)
    path = f"/v1/payment_method_sessions/{session['id']}"
    body = {"processor": "practice-eu", "return_url": "http://127.0.0.1/return"}
    client = await world.begin_method(session)
    await world.later(hours=2)
    assert (await shown(world, session))["status"] == "expired"

    await world.complete_at_processor(client, "ok")
    await world.later(hours=2)

    assert [m.status for m in world.methods_at_processor()] == ["active", "revoked"]
    for verb, wanted in (("setup", body), ("complete", {})):
        late = await world.call("POST", f"{path}/{verb}", wanted, key=session["client_secret"])
        assert (late.status_code, late.json()["type"]) == (409, "urn:tollbridge:error:session_expired")
    assert (await world.method_session(signup.customer))["id"] != session["id"]


async def test_what_was_entered_just_before_the_end_is_stored(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer)
    await world.method_setup(session)
    await world.move(hours=25)
    await world.settle()
    assert (await shown(world, session))["status"] == "complete"


async def test_a_set_up_of_another_session_is_refused(world: World) -> None:
    first, second = await world.signup("ok", "one"), await world.signup("ok", "two")
    mine, theirs = await world.method_session(first.customer), await world.method_session(second.customer)
    await world.method_setup(mine)
    answer = await world.method_done(mine, setup=await world.method_setup(theirs))
    assert (answer.status_code, answer.json()["param"]) == (400, "setup")


async def test_of_two_windows_the_one_that_came_back_is_kept(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer)
    named, _other = await world.method_setup(session), await world.method_setup(session)
    await world.method_done(session, setup=named)
    await world.settle()
    _, first, second = world.methods_at_processor()
    assert (first.status, second.status) == ("active", "revoked")


async def test_a_secret_opens_its_own_session_alone(world: World) -> None:
    first, second = await world.signup("ok", "one"), await world.signup("ok", "two")
    mine, theirs = await world.method_session(first.customer), await world.method_session(second.customer)
    for path in (f"/v1/payment_method_sessions/{theirs['id']}", f"/v1/checkout_sessions/{first.id}"):
        answer = await world.call("GET", path, key=mine["client_secret"])
        assert answer.status_code in (403, 404), path
    answer = await world.call("GET", f"/v1/customers/{first.customer}/payment_methods", key=mine["client_secret"])
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"customer": "cus_nobody"}, 404, "customer"),
        ({"customer": "../invoices/in_1"}, 400, "customer"),
        ({"connection": "adyen-eu"}, 400, "connection"),
        ({"return_url": "javascript:alert(1)"}, 400, "return_url"),
    ],
)
async def test_what_a_session_is_not_made_for(world: World, body: dict[str, str], status: int, param: str) -> None:
    signup = await world.signup("ok")
    answer = await world.call("POST", "/v1/payment_method_sessions", {"customer": signup.customer} | body)
    assert (answer.status_code, answer.json()["param"]) == (status, param)


async def test_a_customer_without_an_invoice_needs_a_currency(world: World) -> None:
    made = await world.shop.client.v1.customers.create_async({"name": "New"})
    bare = await world.call("POST", "/v1/payment_method_sessions", {"customer": made.id})
    assert (bare.status_code, bare.json()["param"]) == (400, "currency")
    session = await world.method_session(made.id, currency="eur")
    await world.method_setup(session)
    await world.method_done(session)
    await world.settle()
    assert [m["status"] for m in await world.methods_of(made.id)] == ["active"]


@pytest.mark.parametrize("at", ["before GET /v1/setups/{}", "after GET /v1/setups/{}", "before COMMIT", "after COMMIT"])
async def test_a_worker_that_dies_over_it_changes_nothing(world: World, at: str) -> None:
    signup, renewal = await world.renew("decline_insufficient_funds")
    session = await world.method_session(signup.customer)
    setup = await world.method_setup(session)
    with boundaries(once(at.format(setup))):
        await world.method_done(session)
        await world.settle()
    await world.later(minutes=3)
    assert world.kills == 1
    assert (await shown(world, session))["status"] == "complete"
    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert await sql.value("select count(*) from tollbridge.payment_method") == 2


async def test_a_payer_is_shown_only_what_the_method_is_for(world: World) -> None:
    """Two subscriptions owe something: a method for one of them pays that one's invoice alone."""
    first = await world.signup("ok")
    second = await world.signup("ok", "order-2", customer=first.customer)
    world.break_card(first.customer, "decline_insufficient_funds")
    await world.later(days=31)
    of_all = await world.method_session(first.customer)
    of_one = await world.method_session(first.customer, subscription=second.subscription)
    assert [one["due"] for one in (of_all, of_one)] == [
        [{"currency": "eur", "amount": 2000, "invoices": 2}],
        [{"currency": "eur", "amount": 1000, "invoices": 1}],
    ]
