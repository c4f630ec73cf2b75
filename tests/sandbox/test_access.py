"""Keys, permissions, versions, other accounts, and rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stripe

from gateway.sandbox.stripe.permissions import RESOURCES, resource_of
from gateway.sandbox.stripe.rates import RateSettings
from gateway.sandbox.stripe.routes import ROUTES
from tests.sandbox.conftest import World, connect


async def ask(world: World, method: str = "GET", path: str = "/v1/customers", **headers: str) -> httpx.Response:
    sent = {"Authorization": f"Bearer {world.key}"} | {k.replace("_", "-"): v for k, v in headers.items()}
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
        return await http.request(method, path, headers=sent)


def restricted(world: World, **permissions: str) -> stripe.StripeClient:
    return connect(world.url, world.sandbox.keys.make(world.account.id, permissions).key)


async def test_a_restricted_key_reads_what_it_may(world: World) -> None:
    customer = await world.customer()
    client = restricted(world, customer="read")
    assert (await client.v1.customers.retrieve_async(customer.id)).id == customer.id
    with pytest.raises(stripe.PermissionError, match="'rak_customer_write' permission") as caught:
        await client.v1.customers.update_async(customer.id, {"name": "x"})
    assert (caught.value.http_status, caught.value.error.type) == (403, "invalid_request_error")
    with pytest.raises(stripe.PermissionError, match="'rak_invoice_read' permission"):
        await client.v1.invoices.retrieve_async("in_none")


async def test_write_reads_too(world: World) -> None:
    client = restricted(world, customer="write", webhook="none")
    made = await client.v1.customers.create_async({"name": "Ada"})
    assert (await client.v1.customers.retrieve_async(made.id)).name == "Ada"
    with pytest.raises(stripe.PermissionError, match="rak_webhook_read"):
        await client.v2.core.event_destinations.list_async()


async def test_keys_of_one_account_see_the_same(world: World) -> None:
    made = await world.control("POST", "keys", account=world.account.id)
    customer = await connect(world.url, made["key"]).v1.customers.create_async({"name": "Ada"})
    assert (await world.v1.customers.retrieve_async(customer.id)).name == "Ada"


async def test_a_rolled_key_lives_until_it_expires(world: World) -> None:
    await world.customer()
    new = await world.control("POST", "keys/roll", key=world.key, expires_in_s=3600)
    assert len((await world.v1.customers.list_async()).data) == 1
    world.sandbox.advance(3600)
    with pytest.raises(stripe.AuthenticationError) as caught:
        await world.v1.customers.list_async()
    assert (caught.value.http_status, caught.value.error.code) == (401, "api_key_expired")
    assert len((await connect(world.url, new["key"]).v1.customers.list_async()).data) == 1


async def test_permissions_can_be_made_by_control(world: World) -> None:
    await world.customer()
    made = await world.control("POST", "keys", account=world.account.id, permissions={"plan": "read"})
    assert made["key"].startswith("rk_test_")
    await connect(world.url, made["key"]).v1.prices.list_async()
    with pytest.raises(httpx.HTTPStatusError):
        await world.control("POST", "keys", account=world.account.id, permissions={"moon": "read"})
    listed = (await world.control("GET", "keys"))["data"]
    assert {row["account"] for row in listed} == {world.account.id}


def test_every_route_needs_a_permission_that_has_a_name() -> None:
    routes = {route.name: resource_of(route.name.split()[1]) for route in ROUTES.all()}
    assert {name: found for name, found in routes.items() if found not in RESOURCES} == {}
    assert set(routes.values()) == RESOURCES


@pytest.mark.parametrize("version", ["2023-10-17", "latest", "2026-10-28.preview", "2022-11-15, 2022-11-15"])
async def test_unknown_versions(world: World, version: str) -> None:
    answer = await ask(world, stripe_version=version)
    assert (answer.status_code, answer.json()["error"]["message"]) == (400, f"Invalid Stripe API version: {version}")


async def test_known_versions(world: World) -> None:
    answer = await ask(world, stripe_version="2026-10-28.endive")
    assert (answer.status_code, answer.headers["stripe-version"]) == (200, "2026-10-28.endive")
    world.account.api_version = "2022-11-15"
    assert (await ask(world)).headers["stripe-version"] == "2022-11-15"


@pytest.mark.parametrize("header", ["stripe_account", "stripe_context"])
async def test_other_accounts_are_refused(world: World, header: str) -> None:
    answer = await ask(world, **{header: "acct_1Other"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "account_invalid")
    assert "Connect" in answer.json()["error"]["message"]
    assert (await ask(world, **{header: world.account.id})).status_code == 200


async def test_errors_say_where_to_read_on(world: World) -> None:
    error = (await ask(world, path="/v1/customers/cus_none")).json()["error"]
    assert error["doc_url"] == "https://stripe.com/docs/error-codes/resource-missing"
    assert error["request_log_url"].startswith("https://dashboard.stripe.com/test/logs/req_")
    assert error["param"] == "id"


@pytest.fixture
def limited(world: World) -> Iterator[RateSettings]:
    world.sandbox.rates.settings = RateSettings()
    yield world.sandbox.rates.settings
    world.sandbox.rates.settings = RateSettings()


async def test_no_limits_by_default(world: World) -> None:
    answers = [(await ask(world)).status_code for _ in range(40)]
    assert set(answers) == {200}


async def test_an_endpoint_has_its_own_rate(world: World, limited: RateSettings) -> None:
    limited.endpoints["GET /v1/customers/{id}"] = 1
    assert (await ask(world, path="/v1/customers/cus_a")).status_code == 404
    refused = await ask(world, path="/v1/customers/cus_b")
    assert (refused.status_code, refused.headers["stripe-rate-limited-reason"]) == (429, "endpoint-rate")
    assert (refused.json()["error"]["code"], "retry-after" in refused.headers) == ("rate_limit", False)
    assert (await ask(world)).status_code == 200


async def test_the_whole_account_has_a_rate(world: World) -> None:
    await world.control("POST", "rates", all=2, each=25)
    assert [(await ask(world, path=p)).status_code for p in ("/v1/customers", "/v1/prices")] == [200, 200]
    refused = await ask(world, path="/v1/invoices")
    assert refused.headers["stripe-rate-limited-reason"] == "global-rate"
    assert (await ask(world, Authorization="Bearer sk_test_somebody_else")).status_code == 200
    shown = await world.control("GET", "rates")
    assert [row for row in shown["data"] if row["refused"]] == [
        {"account": world.account.id, "operation": "GET /v1/invoices", "allowed": 0, "refused": 1}
    ]
    assert (await world.control("POST", "rates", preset="live"))["settings"]["all"] == 100


async def test_a_429_does_not_use_its_key_up(world: World, limited: RateSettings) -> None:
    limited.endpoints["POST /v1/customers"] = 1
    await world.v1.customers.create_async({"name": "A"})
    with pytest.raises(stripe.RateLimitError):
        await world.v1.customers.create_async({"name": "B"}, {"idempotency_key": "k"})
    limited.endpoints.clear()
    assert (await world.v1.customers.create_async({"name": "B"}, {"idempotency_key": "k"})).name == "B"


async def test_a_subscription_takes_ten_new_invoices_a_minute(world: World, limited: RateSettings) -> None:
    limited.subscriptions = True
    subscription = await world.subscribe()
    params: Any = {"customer": subscription.customer, "subscription": subscription.id}
    for _ in range(10):
        await world.v1.invoice_items.create_async({**params, "amount": 100, "currency": "eur"})
        await world.v1.invoices.create_async(params)
    with pytest.raises(stripe.RateLimitError) as caught:
        await world.v1.invoices.create_async(params)
    assert caught.value.headers["stripe-rate-limited-reason"] == "resource-specific"


async def test_items_count_among_the_changes_of_their_subscription(world: World, limited: RateSettings) -> None:
    limited.subscriptions = True
    item = (await world.subscribe())["items"].data[0]
    for quantity in range(2, 12):
        await world.v1.subscription_items.update_async(
            item.id, {"quantity": quantity, "proration_behavior": "always_invoice"}
        )
    with pytest.raises(stripe.RateLimitError) as caught:
        await world.v1.subscription_items.update_async(item.id, {"quantity": 1, "proration_behavior": "always_invoice"})
    assert caught.value.headers["stripe-rate-limited-reason"] == "resource-specific"


async def test_meter_events_have_a_rate_of_their_own(world: World, limited: RateSettings) -> None:
    await world.control("POST", "rates", all=1, endpoints={"POST /v1/billing/meter_events": 1000})
    await ask(world)
    answers = [(await ask(world, path="/v1/billing/meter_events", method="POST")).status_code for _ in range(5)]
    assert set(answers) == {400}
