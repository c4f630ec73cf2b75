"""Which processors a session offers, by the rules of the account's connections."""

from __future__ import annotations

from typing import Any

from tests.support.world import World

MONEY_KEY = {"idempotency-key": "made-up"}


async def change(world: World, **rules: Any) -> None:
    answer = await world.call("POST", f"/v1/connections/{world.shop.connection}", rules)
    assert answer.status_code == 200, answer.text


async def add(world: World, name: str, **rules: Any) -> None:
    """Another connection at the same processor."""
    account = world.practice.account(world.shop.practice_key)
    body = {
        "name": name,
        "adapter": "practice",
        "credentials": {"api_key": world.shop.practice_key, "webhook_secret": "made_up"},
        "options": {"base_url": world.practice_url, "account": account.id},
        **rules,
    }
    answer = await world.call("POST", "/v1/connections", body)
    assert answer.status_code == 200, answer.text


async def offered(world: World, reference: str, **body: Any) -> list[str]:
    session = (await world.open_session(reference, **body)).json()
    return [one["name"] for one in session["processors"]]


async def test_by_country_until_the_address_changes(world: World) -> None:
    await add(world, "nl-only", routing={"countries": ["NL"]}, priority=-1)
    session = (await world.open_session()).json()
    assert [one["name"] for one in session["processors"]] == ["practice-eu"]
    path, address = f"/v1/checkout_sessions/{session['id']}", {"address": {"country": "NL", "postal_code": "1011"}}
    moved = (await world.call("POST", path, address)).json()
    assert [one["name"] for one in moved["processors"]] == ["nl-only", "practice-eu"]


async def test_by_the_first_invoices_amount(world: World) -> None:
    await change(world, routing={"amounts": {"eur": {"maximum": 1000}}})
    assert await offered(world, "order-1") == ["practice-eu"]
    assert await offered(world, "order-2", items=[{"price": world.shop.price, "quantity": 2}]) == []


async def test_by_an_attribute(world: World) -> None:
    await change(world, routing={"attributes": {"tier": ["gold"]}})
    assert await offered(world, "order-1") == []
    assert await offered(world, "order-2", attributes={"tier": "gold"}) == ["practice-eu"]


async def test_what_is_not_on_offer_can_not_be_chosen(world: World) -> None:
    await add(world, "gold", routing={"attributes": {"tier": ["gold"]}})
    session = (await world.open_session()).json()
    body = {"processor": "gold", "return_url": "https://shop.example/"}
    answer = await world.call("POST", f"/v1/checkout_sessions/{session['id']}/setup", body)
    assert answer.status_code == 404, answer.text


async def test_a_payer_is_shown_what_the_merchant_says(world: World) -> None:
    display = {"label": "Credit card", "description": "Visa, Mastercard", "methods": ["card"]}
    await change(world, display=display)
    session = (await world.open_session()).json()
    assert session["processors"] == [{"name": "practice-eu", **display}]


async def test_another_method_is_given_by_the_same_rules(world: World) -> None:
    signup = await world.signup("ok")
    await add(world, "gold", routing={"attributes": {"tier": ["gold"]}}, priority=-1)
    path = "/v1/payment_method_sessions"
    plain = (await world.call("POST", path, {"customer": signup.customer})).json()
    assert [one["name"] for one in plain["processors"]] == ["practice-eu"]
    golden = (await world.call("POST", path, {"customer": signup.customer, "attributes": {"tier": "gold"}})).json()
    assert [one["name"] for one in golden["processors"]] == ["gold", "practice-eu"]
