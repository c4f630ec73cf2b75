"""Webhook endpoints: what they accept, and what they are sent."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.sandbox.conftest import Hook, World

URL = "http://127.0.0.1:9/hook"


async def endpoint(world: World, **more: Any) -> Any:
    return await world.v1.webhook_endpoints.create_async({"url": URL, "enabled_events": ["*"], **more})


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"enabled_events": ["invoice.*"]}, "enabled_events[0]"),
        ({"enabled_events": ["invoice.paid", "*"]}, "enabled_events[1]"),
        ({"enabled_events": ["invoice.payed"]}, "enabled_events[0]"),
        ({"enabled_events": ["v1.invoice.paid"]}, "enabled_events[0]"),
        ({"api_version": "2022-11-16"}, "api_version"),
        ({"url": "127.0.0.1"}, "url"),
        ({"connect": True}, "connect"),
    ],
)
async def test_refused_endpoints(world: World, changed: dict[str, Any], param: str) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await endpoint(world, **changed)
    assert caught.value.param == param
    assert len(world.account.webhook_endpoints) == 0


async def test_at_most_sixteen(world: World) -> None:
    for _ in range(16):
        await endpoint(world)
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        await endpoint(world)
    listed = await world.v1.webhook_endpoints.list_async({"limit": 100})
    assert len(listed.data) == 16
    assert not any("secret" in row for row in listed.data)


async def test_changing_an_endpoint(world: World) -> None:
    made = await endpoint(world, metadata={"a": "1"}, description="Ours", api_version="2025-03-31.basil")
    changed = await world.v1.webhook_endpoints.update_async(
        made.id, {"enabled_events": ["invoice.paid"], "metadata": {"b": "2"}, "description": ""}
    )
    assert (changed.enabled_events, changed.description, changed.api_version) == (
        ["invoice.paid"], None, "2025-03-31.basil",
    )  # fmt: skip
    assert changed.metadata.to_dict() == {"a": "1", "b": "2"}
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.webhook_endpoints.update_async(made.id, {"enabled_events": ["nonsense"]})
    assert (await world.v1.webhook_endpoints.delete_async(made.id)).deleted


async def test_two_secrets_sign_while_one_is_rolled(world: World, hook: Hook) -> None:
    [row] = (await world.v1.webhook_endpoints.list_async()).data
    new = await world.control("POST", "endpoints/roll_secret", endpoint=row.id, expires_in_s=3600)
    await world.customer()
    await hook.until("customer.created")
    assert hook.headers[0]["stripe-signature"].count("v1=") == 2
    world.sandbox.advance(3600)
    hook.secret = new["secret"]
    await world.customer()
    await hook.until("customer.created", 2)
    assert hook.headers[1]["stripe-signature"].count("v1=") == 1
