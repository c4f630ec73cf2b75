"""Event destinations and thin events, as the official package reads them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jsonschema_rs
import pytest
import stripe

from gateway.sandbox.stripe.meter_errors import MeterError, report_meter_errors
from tests.sandbox.conftest import Hook, World, serving
from tests.sandbox.v2_shapes import NOTIFICATION

SECRET = "webhook_endpoint.signing_secret"


async def destination(world: World, hook: Hook, *types: str, payload: str = "thin", **more: Any) -> Any:
    made = await world.client.v2.core.event_destinations.create_async(
        {
            "name": "Ours",
            "type": "webhook_endpoint",
            "event_payload": payload,  # type: ignore[typeddict-item]
            "enabled_events": list(types) or ["*"],
            "webhook_endpoint": {"url": hook.url},
            "include": [SECRET],
            **more,
        }
    )
    hook.secret = made.webhook_endpoint.signing_secret
    return made


@pytest.fixture
async def thin(world: World) -> Any:
    """An endpoint that no destination names yet."""
    hook = Hook()
    async with serving(hook, lifespan="off") as url:
        hook.url = url
        yield hook


async def test_a_thin_event_leads_to_its_object(world: World, thin: Hook) -> None:
    await destination(world, thin, "v1.invoice.finalized")
    invoice = await world.open_invoice()
    sent = await thin.until("v1.invoice.finalized")
    body, signature = json.dumps(sent, separators=(",", ":")), thin.headers[0]["stripe-signature"]
    notice: Any = world.client.parse_event_notification(body, signature, thin.secret)
    assert isinstance(notice, stripe.events.V1InvoiceFinalizedEventNotification)
    assert (await notice.fetch_related_object_async()).id == invoice.id
    event: Any = await notice.fetch_event_async()
    assert (event.type, event.related_object.id) == ("v1.invoice.finalized", invoice.id)
    snapshot = await world.v1.events.retrieve_async(event.snapshot_event)
    assert (snapshot.type, snapshot.data.object["id"]) == ("invoice.finalized", invoice.id)
    assert thin.types == ["v1.invoice.finalized"]


async def test_every_thin_event_has_the_same_few_fields(world: World, thin: Hook) -> None:
    await destination(world, thin)
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    await thin.until("v1.invoice.paid")
    for sent in thin.events:
        assert jsonschema_rs.Draft202012Validator(NOTIFICATION).is_valid(sent), sent


async def test_only_thin_events_tell_some_things(world: World, thin: Hook) -> None:
    await destination(world, thin)
    subscription = await world.subscribe()
    await world.v1.invoices.finalize_invoice_async(subscription.latest_invoice.id)
    item = subscription["items"].data[0]
    await world.v1.subscriptions.update_async(subscription.id, {"items": [{"id": item.id, "quantity": 3}]})
    await world.v1.prices.update_async(item.price.id, {"active": False})
    await world.v1.invoices.pay_async(subscription.latest_invoice.id, {"paid_out_of_band": True})
    await thin.until("v1.invoice.paid")
    told = {
        "v1.customer.subscription.active", "v1.invoice_payment.open", "v1.price.deactivated",
        "v1.customer.subscription.item_quantity_changed", "v1.invoice_payment.canceled",
    }  # fmt: skip
    assert told <= set(thin.types)
    assert not any(e["snapshot_event"] for e in thin.events if e["type"] in told)


async def test_a_status_is_told_when_it_is_reached(world: World) -> None:
    await world.open_invoice()
    world.sandbox.advance(11 * 86400)
    told = [event.type for event in world.account.thin_events.values()]
    assert told.count("v1.customer.subscription.past_due") == 1


async def test_the_secret_is_told_once(world: World, thin: Hook) -> None:
    made = await destination(world, thin)
    assert made.webhook_endpoint.signing_secret.startswith("whsec_")
    assert made.webhook_endpoint.url is None
    again = await world.client.v2.core.event_destinations.retrieve_async(made.id, {"include": ["webhook_endpoint.url"]})
    assert (again.webhook_endpoint.signing_secret, again.webhook_endpoint.url) == (None, thin.url)
    with pytest.raises(stripe.InvalidRequestError):
        await world.client.v2.core.event_destinations.retrieve_async(made.id, {"include": [SECRET]})  # type: ignore[list-item]


async def test_changing_disabling_and_deleting(world: World, thin: Hook) -> None:
    made = await destination(world, thin, "v1.customer.created")
    service = world.client.v2.core.event_destinations
    renamed = await service.update_async(made.id, {"name": "Other", "enabled_events": ["v1.customer.updated"]})
    assert (renamed.name, renamed.enabled_events) == ("Other", ["v1.customer.updated"])
    assert (await service.disable_async(made.id)).status_details.disabled.reason == "user"
    customer = await world.customer()
    await world.v1.customers.update_async(customer.id, {"name": "Bob"})
    assert (await service.enable_async(made.id)).status == "enabled"
    await world.v1.customers.update_async(customer.id, {"name": "Cy"})
    await thin.until("v1.customer.updated")
    assert len(thin.events) == 1
    assert (await service.delete_async(made.id)).id == made.id
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await service.retrieve_async(made.id)
    assert (caught.value.http_status, caught.value.code) == (404, "not_found")


async def test_a_ping_reaches_its_destination_alone(world: World, thin: Hook, hook: Hook) -> None:
    made = await destination(world, thin, "v1.customer.created")
    event: Any = await world.client.v2.core.event_destinations.ping_async(made.id)
    sent = await thin.until("v2.core.event_destination.ping")
    assert sent["id"] == event.id
    assert event.related_object.id == made.id
    await asyncio.sleep(0.05)
    assert hook.events == []


async def test_a_snapshot_destination_has_its_own_version(world: World, thin: Hook) -> None:
    await destination(world, thin, "invoice.paid", payload="snapshot", snapshot_api_version="2022-11-15")
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    sent = await thin.until("invoice.paid")
    assert (sent["api_version"], sent["data"]["object"]["paid_out_of_band"]) == ("2022-11-15", True)


async def test_an_unacknowledged_draft_waits_for_destinations_too(world: World, thin: Hook) -> None:
    await destination(world, thin, "invoice.created", payload="snapshot")
    thin.status = 500
    subscription = await world.subscribe()
    await thin.until("invoice.created")
    await world.sandbox.delivery.settle()
    world.sandbox.advance(3 * 3600)
    assert world.account.invoices[subscription.latest_invoice.id]["status"] == "draft"


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"enabled_events": ["invoice.paid"]}, "enabled_events[0]"),
        ({"enabled_events": ["v1.invoice.*"]}, "enabled_events[0]"),
        ({"snapshot_api_version": "2022-11-15"}, "snapshot_api_version"),
        ({"type": "amazon_eventbridge"}, "type"),
        ({"events_from": ["@accounts"]}, "events_from"),
        ({"webhook_endpoint": {"url": "ftp://x"}}, "webhook_endpoint[url]"),
        ({"colour": "red"}, "colour"),
        ({"expand": ["x"]}, "expand"),
        ({"name": None}, "name"),
    ],
)
async def test_refused_destinations(world: World, thin: Hook, changed: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await destination(world, thin, **changed)
    assert caught.value.json_body["error"]["param"] == param


async def test_listing_thin_events(world: World) -> None:
    customers = [await world.customer() for _ in range(5)]
    service = world.client.v2.core.events
    page = await service.list_async({"types": ["v1.customer.created"], "limit": 2})
    seen = [e.related_object.id async for e in page.auto_paging_iter()]  # type: ignore[attr-defined]
    assert seen == [c.id for c in customers][::-1]
    one = await service.list_async({"object_id": customers[2].id})
    assert [e.type for e in one.data] == ["v1.customer.created"]
    assert one.data[0].created.endswith("Z")
    none = await service.list_async({"created": {"gt": "2999-01-01T00:00:00.000Z"}})
    assert none.data == []


async def test_pages_lead_back(world: World) -> None:
    for _ in range(5):
        await world.customer()
    first = await world.client.v2.core.events.list_async({"limit": 2})
    second: Any = await world.client.raw_request_async("get", str(first.next_page_url))
    assert json.loads(second.body)["data"][0]["id"] != first.data[0].id
    back: Any = await world.client.raw_request_async("get", json.loads(second.body)["previous_page_url"])
    assert [e["id"] for e in json.loads(back.body)["data"]] == [e.id for e in first.data]
    assert json.loads(back.body)["previous_page_url"] is None


async def test_thin_events_go_after_thirty_days(world: World) -> None:
    await world.customer()
    world.sandbox.advance(31 * 86400)
    await world.customer()
    assert len((await world.client.v2.core.events.list_async()).data) == 1


async def test_v2_runs_failed_work_again(world: World, thin: Hook) -> None:
    made = await destination(world, thin)
    service = world.client.v2.core.event_destinations
    await service.disable_async(made.id)
    with pytest.raises(stripe.InvalidRequestError):
        await service.ping_async(made.id, None, {"idempotency_key": "p"})
    await service.enable_async(made.id)
    first = await service.ping_async(made.id, None, {"idempotency_key": "p"})
    assert (await service.ping_async(made.id, None, {"idempotency_key": "p"})).id == first.id
    with pytest.raises(stripe.IdempotencyError):
        await service.ping_async("ed_test_other", None, {"idempotency_key": "p"})


async def test_meter_errors_are_told_thin(world: World, thin: Hook) -> None:
    await destination(world, thin)
    now = world.sandbox.now()
    meter = {"id": "mtr_test_1", "object": "billing.meter"}
    errors = [MeterError("meter_event_customer_not_found", "No customer", f"id{n}") for n in range(12)]
    report_meter_errors(world.account, meter, errors, (now - 60, now))
    report_meter_errors(world.account, None, [MeterError("no_meter", "No meter", "x")], (now - 60, now))
    sent = await thin.until("v1.billing.meter.error_report_triggered")
    assert sent["related_object"]["url"] == "/v1/billing/meters/mtr_test_1"
    assert "data" not in sent
    event: Any = await world.client.v2.core.events.retrieve_async(sent["id"])
    found = event.data.reason.error_types[0]
    assert (event.data.reason.error_count, found.error_count, len(found.sample_errors)) == (12, 12, 10)
    unknown = await thin.until("v1.billing.meter.no_meter_found")
    assert "related_object" not in unknown
