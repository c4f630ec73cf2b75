"""Two accounts that collect through one account at a processor may hold the same token: it belongs to both (law 12).

It is deleted there by the last of them, and none of them learns of the others (law 11).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from db import sql
from db.poke import Kind, WakeUp
from gateway.customers import vault
from gateway.customers.session_advance import advance_method_session
from gateway.customers.upkeep import advance_method
from processors.practice.client import PracticeAdapter
from processors.values import PaymentMethodReference
from tests.support.crash import boundaries, once
from tests.support.invariants import check_invariants
from tests.support.shop import Shop
from tests.support.world import Doors, World
from tests.support.world import world as new_world

METHODS = "/v1/customers/{}/payment_methods"


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    async with new_world(doors, shops=2) as made:
        await made.share_the_processor()
        yield made
        await made.settle()
        await check_invariants(made)


async def customer_of(world: World, shop: Shop) -> str:
    """A customer of this shop, known to the gateway, who has given nothing yet."""
    customer = await shop.client.v1.customers.create_async({"name": "A. Payer", "address": {"country": "DE"}})
    opened = await world.open_session("order-1", shop=shop, customer=customer.id)
    assert opened.status_code in (200, 201), opened.text
    return str(customer.id)


async def remove(world: World, shop: Shop, customer: str, method: str) -> None:
    answer = await world.call("DELETE", f"{METHODS.format(customer)}/{method}", key=shop.api_key)
    assert answer.status_code == 200, answer.text


async def shown(world: World, shop: Shop, customer: str) -> list[dict[str, Any]]:
    answer = await world.call("GET", METHODS.format(customer), key=shop.api_key)
    return list(answer.json()["data"])


async def shared(world: World) -> tuple[str, list[tuple[Shop, str, str]]]:
    """One token, and for each shop its customer and its method with it."""
    token = world.practice.create_method(world.shop.practice_key, "ok").token
    held = []
    for shop in world.shops:
        customer = await customer_of(world, shop)
        taken = await world.take_over(customer, token, shop=shop)
        assert taken.status_code == 200, taken.text
        held.append((shop, customer, str(taken.json()["id"])))
    await world.settle()
    return token, held


def status(world: World, token: str) -> str:
    return str(world.practice.account(world.shop.practice_key).methods[token].status)


def while_deleting(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], Awaitable[None]]) -> None:
    """Have something happen while the first deletion at the processor is on its way there."""
    revoke, left = PracticeAdapter.revoke_method, [meanwhile]

    async def slow(self: PracticeAdapter, method: PaymentMethodReference, idempotency_key: str) -> None:
        if left:
            await left.pop()()
        await revoke(self, method, idempotency_key)

    monkeypatch.setattr(PracticeAdapter, "revoke_method", slow)


async def unwanted_setup(world: World, shop: Shop, customer: str, token: str) -> None:
    """A payer did two set-ups in one session, whose second gave this token and is not kept."""
    session = await method_session(world, shop, customer)
    wanted = await begun(world, shop, session)
    await setup_with(world, shop, session, token)
    await world.complete_at_processor(wanted, "ok")
    path, body = f"/v1/payment_method_sessions/{session['id']}/complete", {"wait_s": 0, "setup": wanted["setup"]}
    done = await world.call("POST", path, body, key=session["client_secret"])
    assert done.status_code in (200, 202), done.text


async def method_session(world: World, shop: Shop, customer: str) -> dict[str, Any]:
    body = {"customer": customer, "currency": "eur"}
    answer = await world.call("POST", "/v1/payment_method_sessions", body, key=shop.api_key)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def begun(world: World, shop: Shop, session: dict[str, Any]) -> dict[str, str]:
    path, body = f"/v1/payment_method_sessions/{session['id']}/setup", {"processor": "practice-eu"}
    body["return_url"] = "http://127.0.0.1/return"
    answer = await world.call("POST", path, body, key=session["client_secret"])
    assert answer.status_code == 200, answer.text
    return dict(answer.json()["client"])


async def setup_with(world: World, shop: Shop, session: dict[str, Any], token: str) -> None:
    """A set-up of this session's that the payer has done, for a card that the vault knew: it gives the token again."""
    client = await begun(world, shop, session)
    await world.complete_at_processor(client, "ok")
    account = world.practice.account(shop.practice_key)
    setup = account.setups[client["setup"]]
    del account.methods[setup.method]
    setup.method = token


# --- the last one deletes ------------------------------------------------------------------------------------------


async def test_another_accounts_method_lives_on(world: World) -> None:
    token, [(first, one, method), (second, other, theirs)] = await shared(world)
    before = await shown(world, second, other)
    await remove(world, first, one, method)
    await world.settle()
    assert status(world, token) == "active"
    assert world.deletions() == []
    [gone] = await shown(world, first, one)
    assert (gone["status"], gone["stopped_reason"], gone["revocation"]) == ("revoked", "revocation", None)
    assert await sql.value("select reference from tollbridge.payment_method where id = $1", method) is None
    assert await shown(world, second, other) == before

    await remove(world, second, other, theirs)
    await world.settle()
    assert status(world, token) == "revoked"
    assert len(world.deletions()) == 1
    [last] = await shown(world, second, other)
    its_own = {"id", "customer", "created"}
    assert {k: v for k, v in last.items() if k not in its_own} == {k: v for k, v in gone.items() if k not in its_own}


async def test_two_accounts_that_drop_it_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each may not take the other for the one that stays: then nobody deletes."""
    token, held = await shared(world)
    for shop, customer, method in held:
        await remove_unseen(world, shop, customer, method)
    both_ask_before_either_decides(monkeypatch)
    wake_ups = [WakeUp(Kind.METHOD, shop.account, method) for shop, _, method in held]
    await asyncio.gather(*(advance_method(world.runtime, wake_up) for wake_up in wake_ups))
    await world.settle()
    assert status(world, token) == "revoked"
    assert len(world.deletions()) == 1
    for shop, customer, _ in held:
        assert [method["status"] for method in await shown(world, shop, customer)] == ["revoked"]


def both_ask_before_either_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """As far as they can: the second one is given a while to come."""
    asks, second = vault.is_wanted_beside, asyncio.Event()
    asked: list[str] = []

    async def ask(token: str, own: str) -> bool:
        wanted = await asks(token, own)
        asked.append(own)
        if len(asked) == 2:
            second.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                await second.wait()
        return wanted

    monkeypatch.setattr(vault, "is_wanted_beside", ask)


async def remove_unseen(world: World, shop: Shop, customer: str, method: str) -> None:
    """As `remove`, and no worker has got there yet."""
    path = f"{world.gateway_url}{METHODS.format(customer)}/{method}"
    answer = await world.http.delete(path, headers={"authorization": f"Bearer {shop.api_key}"})
    assert answer.status_code == 200, answer.text


async def test_a_method_that_is_stopped_keeps_the_token(world: World) -> None:
    """A decline has stopped it, and yet the payer may give it again."""
    token, [(first, one, method), (second, other, theirs)] = await shared(world)
    await sql.rows("update tollbridge.payment_method set status = 'stopped' where id = $1", theirs)
    await remove(world, first, one, method)
    await world.settle()
    assert status(world, token) == "active"
    await remove(world, second, other, theirs)
    await world.settle()
    assert status(world, token) == "revoked"


# --- set-ups that nobody wants -------------------------------------------------------------------------------------


async def test_an_unwanted_set_up_with_another_accounts_token(world: World) -> None:
    token, [(_, _, _), (second, other, _)] = await shared(world)
    await remove(world, second, other, (await shown(world, second, other))[0]["id"])
    await world.settle()
    await unwanted_setup(world, second, other, token)
    await world.settle()
    assert status(world, token) == "active", "the first shop's customer pays with it"
    assert world.deletions() == []


async def test_unwanted_set_ups_of_two_accounts_with_one_token(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One deletes; the other, which comes to it meanwhile, leaves it to that."""
    token = world.practice.create_method(world.shop.practice_key, "ok").token
    sessions = []
    for shop in world.shops:
        session = await method_session(world, shop, await customer_of(world, shop))
        await setup_with(world, shop, session, token)
        sessions.append(WakeUp(Kind.METHOD_SESSION, shop.account, session["id"]))
    await sql.rows("update tollbridge.payment_method_session set state = 'expired'")
    await sql.rows("update tollbridge.payment_setup set look_at = now() - interval '1 second'")
    one, other = sessions
    while_deleting(monkeypatch, lambda: advance_method_session(world.runtime, other))
    await advance_method_session(world.runtime, one)
    await world.settle()
    assert status(world, token) == "revoked"
    assert len(world.deletions()) == 1
    left = await sql.rows("select state from tollbridge.payment_setup")
    assert [row["state"] for row in left] == ["dropped", "dropped"]


# --- stored while it is being deleted ------------------------------------------------------------------------------


async def test_a_token_taken_over_while_it_is_being_deleted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    token = world.practice.create_method(world.shop.practice_key, "ok").token
    first, second = world.shops
    one, other = await customer_of(world, first), await customer_of(world, second)
    method = (await world.take_over(one, token, shop=first)).json()["id"]
    answers: list[httpx.Response] = []

    async def meanwhile() -> None:
        path, headers = f"{world.gateway_url}{METHODS.format(other)}", {"authorization": f"Bearer {second.api_key}"}
        body = {"connection": "practice-eu", "token": token}
        answers.append(await world.http.post(path, json=body, headers={**headers, "idempotency-key": "k1"}))

    while_deleting(monkeypatch, meanwhile)
    await remove(world, first, one, method)
    await world.settle()
    assert [answer.status_code for answer in answers] == [409]
    assert answers[0].json()["type"] == "urn:tollbridge:error:in_progress"
    assert method not in answers[0].text
    assert status(world, token) == "revoked"
    again = await world.take_over(other, token, shop=second)
    assert (again.status_code, again.json()["param"]) == (400, "token")
    assert await shown(world, second, other) == []


async def test_a_set_up_that_is_done_while_its_token_is_being_deleted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payer is asked to give the method again, and no dead token is stored for good."""
    token = world.practice.create_method(world.shop.practice_key, "ok").token
    first, second = world.shops
    one, other = await customer_of(world, first), await customer_of(world, second)
    method = (await world.take_over(one, token, shop=first)).json()["id"]
    session = await method_session(world, second, other)
    await setup_with(world, second, session, token)

    async def meanwhile() -> None:
        path = f"{world.gateway_url}/v1/payment_method_sessions/{session['id']}/complete"
        headers = {"authorization": f"Bearer {session['client_secret']}"}
        await world.http.post(path, json={"wait_s": 0}, headers=headers)
        wake_up = WakeUp(Kind.METHOD_SESSION, second.account, session["id"])
        await advance_method_session(world.runtime, wake_up)

    while_deleting(monkeypatch, meanwhile)
    await remove(world, first, one, method)
    await world.later(seconds=11)
    assert status(world, token) == "revoked"
    assert await shown(world, second, other) == []
    found = await world.call("GET", f"/v1/payment_method_sessions/{session['id']}", key=second.api_key)
    assert found.json()["status"] == "open", found.text


async def test_a_token_that_its_processor_has_revived(world: World) -> None:
    """The payer gives the same card again after its deletion, and the vault makes the old token good again."""
    token = world.practice.create_method(world.shop.practice_key, "ok").token
    first, second = world.shops
    one, other = await customer_of(world, first), await customer_of(world, second)
    await remove(world, first, one, (await world.take_over(one, token, shop=first)).json()["id"])
    await world.settle()
    session = await method_session(world, second, other)
    await setup_with(world, second, session, token)
    world.practice.reinstate_method(token)
    path = f"/v1/payment_method_sessions/{session['id']}/complete"
    await world.call("POST", path, {"wait_s": 0}, key=session["client_secret"])
    await world.settle()
    assert [method["status"] for method in await shown(world, second, other)] == ["active"]


# --- deaths --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["before", "after"])
async def test_the_worker_dies_of_the_last_deletion(world: World, when: str) -> None:
    token, held = await shared(world)
    with boundaries(once(f"{when} DELETE /v1/methods/{token}")):
        for shop, customer, method in held:
            await remove(world, shop, customer, method)
        await world.settle()
    assert world.kills == 1
    assert status(world, token) == "revoked"
    assert {call.idempotency_key for call in world.deletions()} == {f"revoke:{held[-1][2]}"}


async def test_a_deletion_that_was_not_sent_is_not_wanted_any_more(world: World) -> None:
    """The worker dies before its call; then another account takes the token over: it lives."""
    token = world.practice.create_method(world.shop.practice_key, "ok").token
    first, second = world.shops
    one, other = await customer_of(world, first), await customer_of(world, second)
    method = (await world.take_over(one, token, shop=first)).json()["id"]
    await remove_unseen(world, first, one, method)
    with boundaries(once(f"before DELETE /v1/methods/{token}")):
        await world.work()
    assert world.kills == 1
    taken = await take_over_unseen(world, second, other, token)
    assert taken.status_code == 200, taken.text
    await world.settle()
    assert status(world, token) == "active"
    assert world.deletions() == []
    assert [m["status"] for m in await shown(world, first, one)] == ["revoked"]


async def take_over_unseen(world: World, shop: Shop, customer: str, token: str) -> httpx.Response:
    path = f"{world.gateway_url}{METHODS.format(customer)}"
    headers = {"authorization": f"Bearer {shop.api_key}", "idempotency-key": "k1"}
    return await world.http.post(path, json={"connection": "practice-eu", "token": token}, headers=headers)
