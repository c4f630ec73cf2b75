"""Stored payment methods: their order, their end, and tokens from other systems."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from db import sql
from tests.support.crash import boundaries, once
from tests.support.world import World

PATH = "/v1/customers/{}/payment_methods"


async def remove(world: World, customer: str, method: str) -> dict[str, Any]:
    answer = await world.call("DELETE", f"{PATH.format(customer)}/{method}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def take_over(world: World, customer: str, token: str, **body: Any) -> httpx.Response:
    wanted = {"connection": "practice-eu", "token": token, "card": {"brand": "visa", "last4": "4242"}} | body
    return await world.call("POST", PATH.format(customer), wanted)


def told(world: World, customer: str) -> str | None:
    """The token in the Stripe customer's metadata."""
    metadata = world.stripe_account().customers[customer]["metadata"]
    return metadata.get("third_party_payment_method_id")


# --- revoking ------------------------------------------------------------------------------------------------------


async def test_revoking_deletes_at_the_processor_and_erases_here(world: World) -> None:
    signup = await world.signup("ok")
    [method] = await world.methods_of(signup.customer)
    asked = await remove(world, signup.customer, method["id"])
    assert (asked["status"], asked["revocation"], asked["first"]) == ("stopped", "requested", False)
    await world.settle()

    [shown] = await world.methods_of(signup.customer)
    assert (shown["status"], shown["revocation"], shown["position"]) == ("revoked", None, None)
    assert [m.status for m in world.methods_at_processor()] == ["revoked"]
    assert await sql.value("select reference from tollbridge.payment_method") is None
    assert told(world, signup.customer) is None, "the reference is out of Stripe's metadata too"
    assert (await remove(world, signup.customer, method["id"]))["status"] == "revoked"
    await world.settle()
    assert len(world.deletions()) == 1
    actions = await sql.rows("select action from tollbridge.audit_log where object = $1", method["id"])
    assert [row["action"] for row in actions] == ["payment_method.revoked"]


@pytest.mark.parametrize("kind", ["pending_then_ok", "pending_then_fail"])
async def test_revoking_waits_for_the_end_of_a_charge(world: World, kind: str) -> None:
    world.practice.settings.pending_delay_s = 3 * 86400
    signup, renewal = await world.renew(kind)
    [method] = await world.methods_of(signup.customer)
    assert (await remove(world, signup.customer, method["id"]))["revocation"] == "deferred"
    await world.later(days=1)
    assert await world.attempts(renewal) == ["pending"]
    assert world.deletions() == []

    world.practice.settle(world.last_charge().id)
    await world.settle()
    assert (await world.attempts(renewal)) == ["succeeded" if kind == "pending_then_ok" else "declined"]
    assert [m["status"] for m in await world.methods_of(signup.customer)] == ["revoked"]
    assert len(world.deletions()) == 1


async def test_revoking_is_tried_until_the_processor_hears_it(world: World) -> None:
    signup = await world.signup("ok")
    [method] = await world.methods_of(signup.customer)
    world.practice.faults.add("error_before", method="DELETE", path="/v1/methods/{token}", status=503, times=2)
    await remove(world, signup.customer, method["id"])
    assert [m["status"] for m in await world.methods_of(signup.customer)] == ["stopped"]
    for _ in range(3):
        await world.later(minutes=1)
    assert [m["status"] for m in await world.methods_of(signup.customer)] == ["revoked"]
    assert [m.status for m in world.methods_at_processor()] == ["revoked"]


@pytest.mark.parametrize("at", ["before DELETE /v1/methods/{}", "after DELETE /v1/methods/{}"])
async def test_a_worker_that_dies_over_it_changes_nothing(world: World, at: str) -> None:
    signup = await world.signup("ok")
    [method], [there] = await world.methods_of(signup.customer), world.methods_at_processor()
    with boundaries(once(at.format(there.token))):
        await remove(world, signup.customer, method["id"])
        await world.settle()
    await world.later(minutes=3)
    assert world.kills == 1
    assert [m["status"] for m in await world.methods_of(signup.customer)] == ["revoked"]
    assert there.status == "revoked"


async def test_what_is_to_be_revoked_is_not_charged_meanwhile(world: World) -> None:
    signup = await world.signup("ok")
    second = (await world.new_card(signup.customer))["payment_method"]
    world.practice.faults.add("error_before", method="DELETE", path="/v1/methods/{token}", status=503, times=1000)
    await remove(world, signup.customer, second)
    old, _ = world.methods_at_processor()
    for _ in range(5):
        await world.later(hours=1)
    await world.later(days=31)
    assert [c.params["method"] for c in world.charge_calls()] == [old.token] * 2
    assert "advance_failed" in await world.open_cases()
    world.practice.faults.clear()
    await world.later(hours=1)
    assert await world.open_cases() == []


async def test_what_is_given_again_is_not_revoked_unless_that_is_under_way(world: World) -> None:
    """The payer gives the card that staff have just revoked: it is wanted, but not while a worker is deleting it."""
    world.practice.settings.pending_delay_s = 3 * 86400
    signup, _ = await world.renew("pending_then_ok")
    [method], [there] = await world.methods_of(signup.customer), world.methods_at_processor()
    assert (await remove(world, signup.customer, method["id"]))["revocation"] == "deferred"
    held = "update tollbridge.payment_method set claimed_by = $1, claim_until = clock_timestamp() + interval '1 hour'"
    await sql.rows(f"{held}, deletions = 1", "a worker")
    answer = await take_over(world, signup.customer, there.token)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:tollbridge:error:in_progress")

    # A worker that only looks at it, and has begun nothing, is no reason to wait.
    await sql.rows("update tollbridge.payment_method set claimed_by = null, claim_until = null, deletions = 0")
    answer = await take_over(world, signup.customer, there.token)
    assert answer.status_code == 200, answer.text
    again = answer.json()
    assert (again["id"], again["status"], again["revocation"]) == (method["id"], "active", None)
    await world.later(days=4)
    assert world.deletions() == []
    assert there.status == "active"


# --- order ---------------------------------------------------------------------------------------------------------


async def test_the_first_is_charged_and_told_to_stripe(world: World) -> None:
    signup = await world.signup("ok")
    await world.new_card(signup.customer)
    new, old = await world.methods_of(signup.customer)
    assert (new["position"], old["position"]) == (1, 2)
    answer = await world.call("POST", f"{PATH.format(signup.customer)}/{old['id']}", {"position": 1})
    assert (answer.json()["first"], answer.json()["position"]) == (True, 1)
    await world.settle()

    first, _ = world.methods_at_processor()
    assert told(world, signup.customer) == first.token
    await world.later(days=31)
    assert world.charge_calls()[-1].params["method"] == first.token


async def test_the_first_that_is_shown_is_the_one_that_is_charged(world: World) -> None:
    """A method whose connection is switched off is passed over by every plan, so nobody should call it the first."""
    signup = await world.signup("ok")
    await world.new_card(signup.customer)
    new, old = await world.methods_of(signup.customer)
    await sql.rows(
        """insert into tollbridge.connection
           select 'con_off', account, 'practice-off', adapter, credentials, credential_fields, options,
               currencies, priority, record_on, routing, display, declines,
               false, created_at from tollbridge.connection"""
    )
    await sql.rows("update tollbridge.payment_method set connection = 'con_off' where id = $1", new["id"])
    charged, _ = world.methods_at_processor()
    await world.later(days=31)
    assert world.charge_calls()[-1].params["method"] == charged.token
    assert [m["id"] for m in await world.methods_of(signup.customer) if m["first"]] == [old["id"]]


async def test_a_method_is_moved_behind_the_last(world: World) -> None:
    signup = await world.signup("ok")
    for _ in range(2):
        await world.new_card(signup.customer)
    third, second, first = (m["id"] for m in await world.methods_of(signup.customer))
    await world.call("POST", f"{PATH.format(signup.customer)}/{third}", {"position": 900})
    order = {m["position"]: m["id"] for m in await world.methods_of(signup.customer)}
    assert order == {1: second, 2: first, 3: third}


async def test_another_customers_method_is_not_found(world: World) -> None:
    mine, theirs = await world.signup("ok", "one"), await world.signup("ok", "two")
    [method] = await world.methods_of(theirs.customer)
    path = f"{PATH.format(mine.customer)}/{method['id']}"
    for verb, body in (("GET", None), ("POST", {"position": 1}), ("DELETE", None)):
        assert (await world.call(verb, path, body)).status_code == 404


# --- taking over ---------------------------------------------------------------------------------------------------


async def test_a_token_from_before_pays_what_is_open(world: World) -> None:
    signup, renewal = await world.renew("decline_lost_stolen")
    made = world.practice.create_method(world.shop.practice_key, "ok")
    answer = await take_over(world, signup.customer, made.token, processor_customer=made.customer)
    assert answer.status_code == 200, answer.text
    assert answer.json()["card"] == {"brand": "visa", "last4": "4242", "label": "visa •••• 4242"}
    assert made.token not in answer.text
    await world.settle()

    assert world.stripe_invoice(renewal)["status"] == "paid"
    assert told(world, signup.customer) == made.token
    again = await take_over(world, signup.customer, made.token)
    assert again.json()["id"] == answer.json()["id"]


async def test_tokens_that_are_not_taken_over(world: World) -> None:
    mine, theirs = await world.signup("ok", "one"), await world.signup("ok", "two")
    gone = world.practice.create_method(world.shop.practice_key, "ok")
    world.practice.revoke_method(gone.token)
    taken = world.methods_at_processor()[1].token
    for token, status, says in (
        (gone.token, 400, "revoked"),
        ("ptok_nobody", 400, "revoked"),
        ("4242 4242 4242 4242", 400, "card's number"),
        (taken, 409, "another customer"),
        ("../account", 400, ""),
    ):
        answer = await take_over(world, mine.customer, token)
        assert (answer.status_code, says in answer.text) == (status, True), answer.text
        assert token not in answer.text
    assert len(await world.methods_of(mine.customer)) == 1
    assert [m["id"] for m in await world.methods_of(theirs.customer)]


async def test_a_stopped_method_is_charged_again_once_the_payer_gives_it_again(world: World) -> None:
    signup, renewal = await world.renew("decline_expired")
    [method] = await world.methods_of(signup.customer)
    assert (method["status"], method["stopped_reason"]) == ("stopped", "expired")
    [there] = world.methods_at_processor()
    there.kind, there.status = type(there.kind)("ok"), "active"
    answer = await take_over(world, signup.customer, there.token)
    assert (answer.json()["id"], answer.json()["status"]) == (method["id"], "active")
    for _ in range(5):
        await world.later(days=1)
    assert world.stripe_invoice(renewal)["status"] == "paid"
