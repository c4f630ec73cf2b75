"""Parameters, keys, pages, expansion, isolation, faults: the manners of the API."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.conftest import World


async def post(world: World, path: str, data: dict[str, str], key: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {world.key}", **({"Idempotency-Key": key} if key else {})}
    async with httpx.AsyncClient(base_url=world.url, trust_env=False) as http:
        return await http.post(path, data=data, headers=headers)


@pytest.mark.parametrize(
    ("path", "data", "code", "param"),
    [
        ("/v1/customers", {"nickname": "x"}, "parameter_unknown", "nickname"),
        ("/v1/customers", {"address[planet]": "x"}, "parameter_unknown", "address[planet]"),
        ("/v1/subscriptions", {"items[0][pric]": "x"}, "parameter_unknown", "items[0][pric]"),
        ("/v1/invoices/in_x/pay", {"paid_oob": "true"}, "parameter_unknown", "paid_oob"),
        ("/v1/credit_notes", {"amount": "5"}, "parameter_missing", "invoice"),
        ("/v1/customers", {"balance": "ten"}, "parameter_invalid_integer", "balance"),
        ("/v1/invoices/in_x/pay", {"paid_out_of_band": "yes"}, None, "paid_out_of_band"),
        ("/v1/customers", {"address": "Berlin"}, None, "address"),
        ("/v1/subscriptions", {"collection_method": "barter"}, None, "collection_method"),
        ("/v1/subscriptions", {"customer": ""}, "parameter_invalid_empty", "customer"),
        ("/v1/subscriptions", {"customer": "cus_x", "items[0][price]": "p"}, "resource_missing", "customer"),
    ],
)
async def test_refused_parameters(world: World, path: str, data: dict[str, str], code: str | None, param: str) -> None:
    response = await post(world, path, data)
    error = response.json()["error"]
    assert (response.status_code, error["type"], error.get("code"), error["param"]) == (
        400, "invalid_request_error", code, param,
    )  # fmt: skip


async def test_what_is_not_there(world: World) -> None:
    response = await post(world, "/v1/payouts", {})
    assert (response.status_code, response.json()["error"]["message"][:24]) == (404, "Unrecognized request URL")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        await world.v1.invoices.retrieve_async("in_none")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    assert caught.value.user_message == "No such invoice: 'in_none'"


@pytest.mark.parametrize("key", ["sk_live_abcdefgh", "nonsense", "sk_test_"])
async def test_bad_keys(world: World, key: str) -> None:
    with pytest.raises(stripe.AuthenticationError):
        await world.other_client(key).v1.customers.list_async()


async def test_accounts_do_not_see_each_other(world: World) -> None:
    customer = await world.customer()
    other = world.other_client("rk_test_another")
    with pytest.raises(stripe.InvalidRequestError):
        await other.v1.customers.retrieve_async(customer.id)
    assert (await other.v1.accounts.retrieve_current_async()).id != (
        await world.v1.accounts.retrieve_current_async()
    ).id


async def test_a_key_gives_the_same_answer_again(world: World) -> None:
    one = await post(world, "/v1/customers", {"name": "Ada"}, "k1")
    two = await post(world, "/v1/customers", {"name": "Ada"}, "k1")
    assert one.json() == two.json()
    assert two.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in one.headers
    other = await post(world, "/v1/customers", {"name": "Bob"}, "k1")
    assert (other.status_code, other.json()["error"]["type"]) == (400, "idempotency_error")
    elsewhere = await post(world, "/v1/products", {"name": "Ada"}, "k1")
    assert elsewhere.json()["error"]["type"] == "idempotency_error"
    world.sandbox.advance(25 * 3600)
    later = await post(world, "/v1/customers", {"name": "Ada"}, "k1")
    assert later.json()["id"] != one.json()["id"]


async def test_parameter_errors_are_not_stored_but_refusals_are(world: World) -> None:
    assert (await post(world, "/v1/customers", {"balance": "x"}, "k")).status_code == 400
    assert (await post(world, "/v1/customers", {"balance": "1"}, "k")).status_code == 200
    invoice = await world.open_invoice()
    path = f"/v1/invoices/{invoice.id}/finalize"
    assert (await post(world, path, {}, "f")).status_code == 400
    assert "idempotent-replayed" in (await post(world, path, {}, "f")).headers


async def test_keys_have_at_most_255_characters(world: World) -> None:
    assert (await post(world, "/v1/customers", {}, "k" * 255)).status_code == 200
    refused = await post(world, "/v1/customers", {}, "k" * 256)
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "idempotency_error")
    assert len(world.account.customers) == 1


async def test_a_second_request_in_flight_conflicts(world: World) -> None:
    world.sandbox.faults.add("delay_before", path="/v1/customers", delay_s=0.2)
    first = asyncio.create_task(post(world, "/v1/customers", {"name": "A"}, "k"))
    await asyncio.sleep(0.08)
    assert (await post(world, "/v1/customers", {"name": "A"}, "k")).status_code == 409
    assert (await first).status_code == 200


async def test_a_stored_500_stays_and_the_effect_too(world: World) -> None:
    invoice = await world.open_invoice()
    path = f"/v1/invoices/{invoice.id}/pay"
    rule = {"method": "POST", "path": "/v1/invoices/{id}/pay"}
    await world.control("POST", "faults", match=rule, effect="error_after", status=500)
    assert (await post(world, path, {"paid_out_of_band": "true"}, "p")).status_code == 500
    assert (await post(world, path, {"paid_out_of_band": "true"}, "p")).status_code == 500
    assert world.account.invoices[invoice.id]["status"] == "paid"


async def test_a_429_before_the_effect_is_not_stored(world: World) -> None:
    world.sandbox.faults.add("error_before", status=429, path="/v1/customers")
    assert (await post(world, "/v1/customers", {}, "k")).status_code == 429
    assert len(world.account.customers) == 0
    assert (await post(world, "/v1/customers", {}, "k")).status_code == 200


@pytest.mark.parametrize(("effect", "made"), [("lost_before", 0), ("lost_after", 1)])
async def test_lost_answers(world: World, effect: str, made: int) -> None:
    world.sandbox.faults.add(effect, method="post", path="/v1/customers")
    with pytest.raises(stripe.APIConnectionError):
        await world.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "k"})
    assert len(world.account.customers) == made
    await world.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "k"})
    assert len(world.account.customers) == 1


async def test_a_delay_longer_than_the_timeout_still_happens(world: World) -> None:
    world.sandbox.faults.add("delay_before", path="/v1/customers", delay_s=0.2)
    async with httpx.AsyncClient(base_url=world.url, timeout=0.05, trust_env=False) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/v1/customers", headers={"Authorization": f"Bearer {world.key}"})
    await asyncio.sleep(0.3)
    assert len(world.account.customers) == 1


async def test_pages(world: World) -> None:
    made = [(await world.customer()).id for _ in range(7)]
    seen = [c.id async for c in (await world.v1.customers.list_async({"limit": 3})).auto_paging_iter()]
    assert seen == made[::-1]
    page = await world.v1.customers.list_async({"limit": 2, "ending_before": made[2]})
    assert ([c.id for c in page.data], page.has_more) == ([made[4], made[3]], True)
    with pytest.raises(stripe.InvalidRequestError):
        await world.v1.customers.list_async({"limit": 101})


async def test_filters(world: World) -> None:
    first = await world.open_invoice()
    world.sandbox.advance(100)
    second = await world.subscribe()
    listed: Any = await world.v1.invoices.list_async({"status": "open"})
    assert [i.id for i in listed.data] == [first.id]
    listed = await world.v1.invoices.list_async({"created": {"gt": first.created}})
    assert [i.id for i in listed.data] == [second.latest_invoice.id]
    listed = await world.v1.invoices.list_async({"customer": second.customer, "expand": ["data.customer"]})
    assert listed.data[0].customer.name == "Ada"


async def test_expansion(world: World) -> None:
    invoice = await world.open_invoice()
    deep = await world.v1.invoices.retrieve_async(
        invoice.id,
        {"expand": ["payments.data.payment.payment_intent", "customer", "parent.subscription_details.subscription"]},
    )
    assert deep.payments.data[0].payment.payment_intent.amount == 1000
    assert (deep.customer.name, deep.parent.subscription_details.subscription.status) == ("Ada", "active")
    assert "payments" not in invoice
    assert "amount_paid_off_stripe" not in invoice
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        await world.v1.invoices.retrieve_async(invoice.id, {"expand": ["moon"]})


async def test_calls_are_recorded(world: World) -> None:
    await world.v1.customers.create_async({"name": "Ada"}, {"idempotency_key": "mine"})
    calls = (await world.control("GET", "calls"))["data"]
    assert calls[-1] | {"at": 0} == {
        "method": "POST", "path": "/v1/customers", "params": {"name": "Ada"}, "idempotency_key": "mine",
        "status": 200, "account": world.account.id, "at": 0, "fault": None, "body": "name=Ada",
    }  # fmt: skip
    await world.control("DELETE", "calls")
    assert (await world.control("GET", "calls"))["data"] == []


async def test_the_portal_and_the_account(world: World) -> None:
    listed = await world.v1.billing_portal.configurations.list_async({"is_default": True})
    assert listed.data[0].features.payment_method_update.enabled
    own = await world.v1.accounts.retrieve_current_async()
    assert (own.default_currency, own.settings.dashboard.display_name) == ("eur", "Sandbox GmbH")
    assert (await world.v1.accounts.retrieve_async(own.id)).id == own.id
    with pytest.raises(stripe.PermissionError):
        await world.v1.accounts.retrieve_async("acct_other")


async def test_headers(world: World) -> None:
    response = await post(world, "/v1/customers", {})
    assert response.headers["request-id"].startswith("req_")
    assert response.headers["stripe-version"] == "2026-08-26.dahlia"
