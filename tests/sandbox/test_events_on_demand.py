"""Events that a test asks for: of any type, doubled, forged; and reading them back."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from gateway.sandbox.kit.forgery import Forgery
from tests.sandbox.conftest import Hook, World, serving


async def test_any_type_about_any_object(world: World, hook: Hook) -> None:
    invoice = await world.open_invoice()
    made = await world.control(
        "POST", "events", account=world.account.id, type="invoice.overdue", object=invoice.id,
        previous_attributes={"status": "draft"},
    )  # fmt: skip
    sent = await hook.until("invoice.overdue")
    assert (sent["id"], sent["data"]["object"]["id"]) == (made["data"][0]["id"], invoice.id)
    assert sent["data"]["previous_attributes"] == {"status": "draft"}


async def test_one_change_under_two_ids(world: World, hook: Hook) -> None:
    invoice = await world.open_invoice()
    world.sandbox.send_events(world.account.id, "invoice.finalized", invoice.id, copies=2)
    await hook.until("invoice.finalized", 3)
    copies = [e for e in hook.events if e["type"] == "invoice.finalized"][1:]
    assert copies[0]["id"] != copies[1]["id"]
    assert copies[0]["data"] == copies[1]["data"]


@pytest.mark.parametrize(
    "changed", [{"type": "invoice.eaten"}, {"object": "in_none"}, {"account": "acct_none"}, {"copies": 0}]
)
async def test_what_can_not_be_sent(world: World, changed: dict[str, Any]) -> None:
    customer = await world.customer()
    asked = {"account": world.account.id, "type": "customer.updated", "object": customer.id} | changed
    with pytest.raises(httpx.HTTPStatusError):
        await world.control("POST", "events", **asked)


class Judge:
    """An endpoint that answers 400 to what the official package refuses."""

    secret = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = (await receive())["body"].decode()
        header = {name.decode(): value.decode() for name, value in scope["headers"]}.get("stripe-signature", "")
        try:
            stripe.WebhookSignature.verify_header(body, header, self.secret, 300)
            status = 200
        except stripe.SignatureVerificationError:
            status = 400
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@pytest.mark.parametrize("how", list(Forgery))
async def test_forgeries_are_refused(world: World, how: Forgery) -> None:
    customer, judge = await world.customer(), Judge()
    event = next(iter(world.account.events.values()))
    async with serving(judge, lifespan="off") as url:
        made = await world.v1.webhook_endpoints.create_async({"url": url, "enabled_events": ["*"]})
        judge.secret = made.secret
        (tried,) = (await world.control("POST", "deliveries/forge", event=event.id, how=how))["data"]
        assert tried["status"] == 400
        world.sandbox.send_events(world.account.id, "customer.updated", customer.id)
        await world.sandbox.delivery.settle()
        assert world.sandbox.delivery.log[-1].status == 200


async def test_a_thin_event_can_be_sent_again(world: World) -> None:
    await world.customer()
    thin = next(iter(world.account.thin_events.values()))
    hook = Hook()
    async with serving(hook, lifespan="off") as url:
        made = await world.client.v2.core.event_destinations.create_async(
            {
                "name": "Ours", "type": "webhook_endpoint", "event_payload": "thin", "enabled_events": ["*"],
                "webhook_endpoint": {"url": url}, "include": ["webhook_endpoint.signing_secret"],
            }
        )  # fmt: skip
        hook.secret = str(made.webhook_endpoint.signing_secret)  # type: ignore[union-attr]
        assert await world.control("POST", "deliveries/resend", event=thin.id) == {"queued": 1}
        assert (await hook.until("v1.customer.created"))["id"] == thin.id


async def test_listing_by_type(world: World) -> None:
    await world.open_invoice()

    async def types(**params: Any) -> set[str]:
        return {e.type for e in (await world.v1.events.list_async({"limit": 100, **params})).data}

    assert await types(type="invoice.finalized") == {"invoice.finalized"}
    assert await types(type="customer.*") == {"customer.created", "customer.subscription.created"}
    assert await types(types=["invoice.created", "price.created"]) == {"invoice.created", "price.created"}
    assert await types(types=["invoice.*"]) == set()
    assert await types(created={"gt": world.sandbox.now()}) == set()
    for refused in ({"type": "a", "types": ["b"]}, {"types": [f"t{n}" for n in range(21)]}):
        with pytest.raises(stripe.InvalidRequestError):
            await types(**refused)


async def test_events_are_gone_after_thirty_days(world: World) -> None:
    await world.customer()
    event = (await world.v1.events.list_async()).data[0]
    world.sandbox.advance(30 * 86400 + 60)
    assert (await world.v1.events.list_async()).data == []
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.events.retrieve_async(event.id)
