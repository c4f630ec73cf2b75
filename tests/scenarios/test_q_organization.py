"""Q. What a marketplace embeds in its own pages: one organization's invoices, from the token to the payment."""

from __future__ import annotations

import re
from typing import Any

from tests.support.world import World


async def _token(world: World, customer: str, **body: Any) -> str:
    made = await world.call("POST", "/v1/organization_tokens", {"customer": customer} | body)
    assert made.status_code == 200, made.text
    return str(made.json()["token"])


async def test_a_hosted_organization_finds_its_way_to_pay(world: World) -> None:
    """Without JavaScript: from the form that the marketplace posts to Stripe's page of the invoice."""
    await world.set_policy(collection="hosted")
    session = (await world.open_session()).json()
    await world.confirm(session, wait_s=0)
    await world.settle()
    token = await _token(world, session["customer"], subscription=session["subscription"])
    page = await world.http.post(f"{world.gateway_url}/organization", data={"token": token})
    [address] = re.findall('<a class="button" href="([^"]+)"', page.text)
    assert "No access now." in page.text

    paid = await world.http.post(address, data={"method": "visa"}, follow_redirects=False)
    await world.settle()

    assert paid.status_code == 303
    [shown] = (await world.call("GET", "/v1/organization/invoices", key=token)).json()["data"]
    assert (shown["status"], shown["pay"], shown["hosted_invoice_url"]) == ("paid", None, None)
    [of] = (await world.call("GET", "/v1/organization/subscriptions", key=token)).json()["data"]
    period = world.stripe_subscription(session["subscription"])["items"]["data"][0]
    assert (of["access"], of["next_invoice_at"]) == (True, period["current_period_end"])


async def test_a_processors_organization_is_led_to_a_new_payment_method(world: World) -> None:
    signup, renewal = await world.renew("decline_lost_stolen")
    token = await _token(world, signup.customer, return_url="https://market.example/account")
    shown = (await world.call("GET", f"/v1/organization/invoices/{renewal}", key=token)).json()
    assert (shown["status"], shown["pay"], shown["hosted_invoice_url"]) == ("action_needed", "payment_method", None)

    led = await world.call("POST", "/v1/organization/payment_method_sessions", {}, key=token)
    session, secret = re.fullmatch(r".*/payment_methods/(pms_\w+)#(.+)", led.json()["url"]).groups()  # type: ignore[union-attr]
    seen = (await world.call("GET", f"/v1/payment_method_sessions/{session}", key=secret)).json()
    assert (seen["due"][0]["amount"], seen["return_url"]) == (1000, "https://market.example/account")
    seen["client_secret"] = secret
    await world.method_setup(seen)
    await world.method_done(seen)
    await world.settle()
    assert (await world.call("GET", f"/v1/organization/invoices/{renewal}", key=token)).json()["status"] == "paid"

    portal = await world.call("POST", "/v1/organization/portal_sessions", {}, key=token)
    assert portal.status_code == 200, portal.text
    assert (await world.http.get(portal.json()["url"])).status_code == 200
    [asked] = world.stripe_calls("POST", "/v1/billing_portal/sessions")
    assert asked.status == 200
