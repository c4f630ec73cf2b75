"""Webhooks: signatures, versions, retries and disturbances. The hook verifies every signature itself."""

from __future__ import annotations

import asyncio

from tests.sandbox.conftest import Hook, World


async def test_an_old_endpoint_gets_the_old_shape(world: World, hook: Hook) -> None:
    await world.v1.webhook_endpoints.delete_async((await world.v1.webhook_endpoints.list_async()).data[0].id)
    made = await world.v1.webhook_endpoints.create_async(
        {"url": hook.url, "enabled_events": ["invoice.paid", "invoice.created"], "api_version": "2022-11-15"}
    )
    hook.secret = made.secret
    assert "secret" not in await world.v1.webhook_endpoints.retrieve_async(made.id)
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    event = await hook.until("invoice.paid")
    old = event["data"]["object"]
    assert event["api_version"] == "2022-11-15"
    assert (old["paid"], old["paid_out_of_band"], old["status"]) == (True, True, "paid")
    assert (old["amount_paid"], old["amount_remaining"]) == (0, 1000)
    assert old["subscription"].startswith("sub_")
    assert old["lines"]["data"][0]["price"]["id"].startswith("price_")
    assert not {"parent", "total_taxes"} & old.keys()
    stored = await world.v1.events.retrieve_async(event["id"])
    assert (stored.api_version, stored.data.object["amount_paid"]) == ("2026-08-26.dahlia", 1000)
    assert set(hook.types) == {"invoice.created", "invoice.paid"}


async def test_the_account_version_is_kept_in_the_list(world: World) -> None:
    world.account.api_version = "2022-11-15"
    invoice = await world.open_invoice()
    events = await world.v1.events.list_async({"type": "invoice.*"})
    assert {e.api_version for e in events.data} == {"2022-11-15"}
    updated = next(e for e in events.data if e.type == "invoice.updated")
    assert updated.data.previous_attributes["status"] == "draft"
    assert updated.data.object["paid"] is False
    assert updated.data.object["id"] == invoice.id


async def test_failed_deliveries_are_retried_and_listed(world: World, hook: Hook) -> None:
    world.sandbox.delivery.set(retry_base_s=0.3)
    hook.status = 500
    customer = await world.customer()
    await hook.until("customer.created")
    failed = await world.v1.events.list_async({"delivery_success": False})
    assert [e.data.object["id"] for e in failed.data] == [customer.id]
    hook.status = 204
    await hook.until("customer.created", 2)
    await world.sandbox.delivery.settle()
    assert len((await world.v1.events.list_async({"delivery_success": False})).data) == 0
    assert [entry.attempt for entry in world.sandbox.delivery.log] == [1, 2]


async def test_in_order_of_creation(world: World, hook: Hook) -> None:
    invoice = await world.open_invoice()
    await world.v1.invoices.pay_async(invoice.id, {"paid_out_of_band": True})
    await hook.until("invoice.updated", 2)
    about = [e["id"] for e in hook.events if e["data"]["object"].get("customer") == invoice.customer]
    order = list(world.account.events)
    assert about == sorted(about, key=order.index)


async def test_manual_double_and_dropped(world: World, hook: Hook) -> None:
    await world.sandbox.delivery.settle()
    await world.control("POST", "delivery", mode="manual", double=True, drop=["invoice.created"])
    await world.subscribe()
    await asyncio.sleep(0.05)
    assert hook.events == []
    result = await world.control("POST", "delivery/flush")
    assert hook.types.count("customer.created") == 2
    assert "invoice.created" not in hook.types
    assert result["failed"] == 1
    assert result["sent"] == len(hook.events)
    assert (await world.control("POST", "delivery/flush"))["data"] == []


async def test_shuffled(world: World, hook: Hook) -> None:
    world.sandbox.delivery.set(mode="manual", shuffle=True)
    for _ in range(30):
        await world.customer()
    await world.sandbox.flush()
    got = [e["data"]["object"]["id"] for e in hook.events]
    made = list(world.account.customers)
    assert sorted(got) == sorted(made)
    assert got != made


async def test_resending(world: World, hook: Hook) -> None:
    await world.customer()
    event = await hook.until("customer.created")
    assert await world.control("POST", "deliveries/resend", event=event["id"]) == {"queued": 1}
    assert (await hook.until("customer.created", 2))["id"] == event["id"]
    assert len((await world.control("GET", "deliveries"))["data"]) == 2


async def test_a_disabled_endpoint_gets_nothing(world: World, hook: Hook) -> None:
    endpoint = (await world.v1.webhook_endpoints.list_async()).data[0]
    assert (await world.v1.webhook_endpoints.update_async(endpoint.id, {"disabled": True})).status == "disabled"
    await world.customer()
    await asyncio.sleep(0.05)
    assert hook.events == []


async def test_any_event_by_hand(world: World, hook: Hook) -> None:
    customer = await world.customer()
    world.account.send_event("charge.dispute.created", world.account.customers[customer.id])
    await hook.until("charge.dispute.created")


async def test_webhooks_arrive_while_the_clock_runs(world: World, hook: Hook) -> None:
    """A year in one request: each renewal is announced before it finalizes, and acknowledged in time."""
    await world.subscribe()
    await world.control("POST", "clock", advance_s=366 * 86400)
    await hook.until("invoice.finalized", 12)
    created = [e["data"]["object"]["id"] for e in hook.events if e["type"] == "invoice.created"]
    assert len(created) == 13
    for id in created[:12]:
        kinds = [e["type"] for e in hook.events if e["data"]["object"]["id"] == id]
        assert kinds[:2] == ["invoice.created", "invoice.finalized"]
