"""Sessions in which a payer gives Stripe itself a payment method, and what is switched to it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.world import World


async def _begin(world: World, session: dict[str, Any], **body: Any) -> dict[str, Any]:
    path = f"/v1/payment_method_sessions/{session['id']}/setup"
    wanted = {"processor": "stripe", "return_url": "http://127.0.0.1/return", **body}
    begun = await world.call("POST", path, wanted, key=session["client_secret"])
    assert begun.status_code == 200, begun.text
    return dict(begun.json())


async def _confirm(world: World, secret: str, card: str = "pm_card_visa") -> None:
    """The payer enters a card in Stripe's form."""
    intent = secret.partition("_secret_")[0]
    await world.shop.client.v1.setup_intents.confirm_async(intent, {"payment_method": card})


async def _shown(world: World, session: dict[str, Any]) -> dict[str, Any]:
    return dict((await world.call("GET", f"/v1/payment_method_sessions/{session['id']}")).json())


async def _at_stripe(world: World, subscription: str) -> tuple[str, str]:
    shown = world.stripe_subscription(subscription)
    return shown["collection_method"], shown["default_payment_method"]


@pytest.mark.parametrize("comes_back", [True, False])
async def test_on_the_merchants_page(world: World, comes_back: bool) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer, connection="stripe")
    assert (session["processors"], session["url"], session["at_stripe"]) == ([], None, True)
    secret = (await _begin(world, session))["client"]["setup_intent_client_secret"]
    assert (await _begin(world, session))["client"]["setup_intent_client_secret"] == secret
    [intent] = world.stripe_account().setup_intents.values()
    assert (intent["customer"], intent["usage"]) == (signup.customer, "off_session")
    assert intent["metadata"] == {"tollbridge_method_session": session["id"]}
    await _confirm(world, secret)
    if comes_back:
        await world.method_done(session)
    await world.later(minutes=3)

    shown = await _shown(world, session)
    assert (shown["status"], shown["stripe_payment_method"]) == ("complete", intent["payment_method"])
    assert await _at_stripe(world, signup.subscription) == ("charge_automatically", intent["payment_method"])
    assert world.methods_at_processor()[0].status == "revoked"


async def test_for_one_subscription_alone(world: World) -> None:
    first = await world.signup("ok")
    second = await world.signup("ok", "order-2", customer=first.customer)
    session = await world.method_session(first.customer, connection="stripe", subscription=second.subscription)
    await _confirm(world, (await _begin(world, session))["client"]["setup_intent_client_secret"])
    await world.method_done(session)
    await world.settle()
    assert (await _at_stripe(world, first.subscription))[0] == "send_invoice"
    assert (await _at_stripe(world, second.subscription))[0] == "charge_automatically"
    assert {method.status for method in world.methods_at_processor()} == {"active"}


async def test_on_stripes_portal(world: World) -> None:
    """It has the customer's default, once the payer says that it is done there."""
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer, connection="stripe")
    begun = await _begin(world, session, portal=True)
    assert begun["redirect_url"].startswith("http")
    card = await world.stripe_card(signup.customer)
    await world.later(hours=1)
    assert (await _shown(world, session))["status"] == "open"
    await world.method_done(session)
    await world.settle()
    failed = await _shown(world, session)
    assert (failed["status"], failed["failure"]["code"]) == ("open", "setup_failed")
    default = {"invoice_settings": {"default_payment_method": card}}
    await world.shop.client.v1.customers.update_async(signup.customer, default)  # type: ignore[arg-type]
    await world.method_done(session)
    await world.settle()
    assert (await _shown(world, session))["stripe_payment_method"] == card
    assert await _at_stripe(world, signup.subscription) == ("charge_automatically", card)


async def test_a_payer_who_has_given_nothing_may_try_again(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer, connection="stripe")
    secret = (await _begin(world, session))["client"]["setup_intent_client_secret"]
    await world.method_done(session)
    await world.settle()
    assert (await _shown(world, session))["status"] == "open"
    await _confirm(world, secret)
    await world.later(minutes=5)
    assert (await _shown(world, session))["status"] == "complete"


async def test_one_that_expires_switches_nothing(world: World) -> None:
    signup = await world.signup("ok")
    session = await world.method_session(signup.customer, connection="stripe")
    secret = (await _begin(world, session))["client"]["setup_intent_client_secret"]
    await world.later(hours=25)
    await _confirm(world, secret)
    await world.later(hours=5)
    assert (await _shown(world, session))["status"] == "expired"
    assert (await _at_stripe(world, signup.subscription))[0] == "send_invoice"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"open_invoices": "hand_over"}, "open_invoices"),
        ({"subscription": "sub_unknown"}, "subscription"),
    ],
)
async def test_what_does_not_go_together(world: World, body: dict[str, Any], param: str) -> None:
    signup = await world.signup("ok")
    answer = await world.call("POST", "/v1/payment_method_sessions", {"customer": signup.customer, **body})
    assert (answer.status_code, answer.json()["param"]) == (400, param)


async def test_a_method_for_one_subscription_at_a_processor(world: World) -> None:
    """It is that one's alone; a method that served the others too goes on to do so."""
    first = await world.signup("ok")
    second = await world.signup("ok", "order-2", customer=first.customer)
    session = await world.method_session(first.customer, subscription=second.subscription)
    await world.method_setup(session)
    await world.method_done(session)
    await world.settle()
    method = (await _shown(world, session))["payment_method"]
    by_id = {one["id"]: one["subscriptions"] for one in await world.methods_of(first.customer)}
    assert by_id[method] == [second.subscription]
    assert [subs for one, subs in by_id.items() if one != method] == [[]] * (len(by_id) - 1)
