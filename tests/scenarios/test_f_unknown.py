"""F. Unknown outcomes: never a failure, never a second charge."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from processors.outcome import Found, LookupOutcome
from processors.practice.client import PracticeAdapter
from processors.values import ChargeQuery
from tests.support.crash import Boundary, boundaries, once
from tests.support.people import Signup
from tests.support.returning import returned
from tests.support.world import World

SEARCH = {"method": "GET", "path": "/v1/charges"}
CHARGE = {"method": "POST", "path": "/v1/charges"}


@pytest.fixture(autouse=True)
def _no_notices(world: World) -> None:
    """The processor's webhooks are lost: only asking can tell how a charge ended."""
    world.practice.delivery.set(drop=True)


async def _paid_once(world: World, signup: Signup) -> None:
    """In paid; c=1 keys=1."""
    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    assert (await world.gateway_invoice(signup.invoice))["state"] == "paid"
    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(world.captures()) == 1
    assert {c.idempotency_key for c in world.charge_calls()} == await world.keys_sent()
    assert len(await world.keys_sent()) == 1


async def _open_unheard(world: World) -> dict[str, Any]:
    """A session with a card, of whose invoice no event arrives any more."""
    session: dict[str, Any] = (await world.open_session()).json()
    await world.settle()
    kinds = {
        "invoice.finalized",
        "invoice.paid",
        "invoice.updated",
        "payment_intent.created",
        "payment_intent.canceled",
    }
    world.stripe.delivery.set(drop=kinds)
    await world.give_card(session)
    return session


async def _confirm(world: World, session: dict[str, Any]) -> Signup:
    confirmed = await world.confirm(session, wait_s=0)
    await world.settle()
    return Signup(session, confirmed)


def _pays(boundary: Boundary, when: str) -> bool:
    return boundary.startswith(f"{when} POST /v1/invoices/") and boundary.endswith("/pay")


@pytest.mark.scenario(71)
async def test_timeout_after_the_charge_was_committed(world: World) -> None:
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    assert signup.confirmed is not None
    assert signup.confirmed.status_code == 202
    assert await world.attempts(signup.invoice) == ["unknown"]
    assert world.stripe_invoice(signup.invoice)["status"] == "open"

    await world.later(seconds=15)

    await _paid_once(world, signup)
    assert len(world.charge_calls()) == 1, "a look-up found it"


async def test_whoever_does_not_want_to_wait_has_the_processor_asked(world: World) -> None:
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    asked = await world.call("POST", f"/v1/invoices/{signup.invoice}/ask_processor", {"wait_s": 0})
    assert asked.status_code in (200, 202), asked.text
    await world.settle()

    await _paid_once(world, signup)
    assert len(world.charge_calls()) == 1, "a look-up found it, before its time"
    again = await world.call("POST", f"/v1/invoices/{signup.invoice}/ask_processor", {"wait_s": 0})
    assert (again.status_code, "is known" in again.json()["detail"]) == (409, True)


@pytest.mark.scenario(73)
async def test_lookup_lags(world: World) -> None:
    world.practice.faults.add("hidden", delay_s=600, **CHARGE)
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    await world.later(seconds=15)
    assert len(world.practice.calls.to("GET", "/v1/charges")) == 1
    assert await world.attempts(signup.invoice) == ["unknown"], "an empty search is no proof"

    for _ in range(25):
        await world.later(minutes=1)
        assert len(await world.keys_sent()) == 1

    await _paid_once(world, signup)


@pytest.mark.scenario(73)
async def test_lookup_lags_and_only_it_can_tell(world: World) -> None:
    """The same bytes again are lost each time, so the search must find it once it shows it."""
    world.practice.faults.add("hidden", delay_s=600, **CHARGE)
    world.practice.faults.add("lost_after", times=50, **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    for _ in range(9):
        await world.later(minutes=1)
        assert await world.attempts(signup.invoice) == ["unknown"]

    for _ in range(24):
        await world.later(hours=1)
        assert len(await world.keys_sent()) == 1

    await _paid_once(world, signup)


@pytest.mark.scenario(74)
async def test_500_after_commit_and_the_same_key_repeats_the_result(world: World) -> None:
    world.practice.faults.add("error_after", **CHARGE)
    world.practice.faults.add("error_before", times=3, **SEARCH)
    signup = await world.signup("ok", wait_s=0)
    assert await world.attempts(signup.invoice) == ["unknown"]

    for _ in range(8):
        await world.later(minutes=6)

    first, again = world.charge_calls()
    assert (first.idempotency_key, first.body) == (again.idempotency_key, again.body)
    await _paid_once(world, signup)


@pytest.mark.scenario(76)
async def test_killed_after_the_processor_replied(world: World) -> None:
    with boundaries(once("after POST /v1/charges")):
        signup = await world.signup("ok", wait_s=0)
    assert world.kills == 1

    await world.later(seconds=15)

    await _paid_once(world, signup)
    assert len(world.charge_calls()) == 1


@pytest.mark.scenario(77)
async def test_killed_after_the_outcome_was_stored(world: World) -> None:
    died: list[Boundary] = []

    def before_first_pay(boundary: Boundary) -> bool:
        if died or not _pays(boundary, "before"):
            return False
        assert world.stripe_calls("POST", boundary.removeprefix("before POST ")) == []
        died.append(boundary)
        return True

    with boundaries(before_first_pay):
        signup = await world.signup("ok", wait_s=0)
    assert world.kills == 1

    await _paid_once(world, signup)
    assert len(world.practice.calls.to("POST", "/v1/charges")) == 1
    assert world.practice.calls.to("GET", "/v1/charges") == [], "its outcome was known"
    assert len(world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/pay")) == 1


@pytest.mark.scenario(79)
async def test_recording_is_answered_500_which_its_key_keeps(world: World) -> None:
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=500)
    signup = await world.signup("ok", wait_s=0)
    await world.later(minutes=1)

    pays = world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/pay")
    assert [p.status for p in pays] == [500, 200]
    assert len({p.idempotency_key for p in pays}) == 2
    await _paid_once(world, signup)
    assert len(world.charge_calls()) == 1


@pytest.mark.scenario(80)
async def test_stripe_says_already_paid_and_it_was_us(world: World) -> None:
    session = await _open_unheard(world)
    world.stripe.faults.add("error_after", method="POST", path="/v1/invoices/{id}/pay", status=500)
    # The look after it fails too.
    world.stripe.faults.add("error_before", method="GET", path="/v1/invoices/{id}", status=500)
    signup = await _confirm(world, session)
    await world.later(minutes=1)

    pays = world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/pay")
    assert [p.status for p in pays] == [500, 400]
    await _paid_once(world, signup)
    assert await world.open_cases() == []


@pytest.mark.scenario(80)
async def test_stripe_says_already_paid_to_the_key_that_paid_it(world: World) -> None:
    """The process died with Stripe's answer, and was away for so long that the key was forgotten."""
    died: list[Boundary] = []

    def after_first_pay(boundary: Boundary) -> bool:
        if died or not _pays(boundary, "after"):
            return False
        died.append(boundary)
        world.stripe.advance(25 * 3600)
        return True

    session = await _open_unheard(world)
    with boundaries(after_first_pay):
        signup = await _confirm(world, session)
    assert world.kills == 1

    pays = world.stripe_calls("POST", f"/v1/invoices/{signup.invoice}/pay")
    assert [p.status for p in pays] == [200, 400]
    await _paid_once(world, signup)
    assert await world.open_cases() == []


@pytest.mark.scenario(82)
async def test_recording_keeps_failing(world: World) -> None:
    world.stripe.faults.add("error_before", method="POST", path="/v1/invoices/{id}/pay", status=401, times=1000)
    signup = await world.signup("ok", wait_s=0)
    for _ in range(6):
        await world.later(hours=1)

    shown = await world.gateway_invoice(signup.invoice)
    assert world.stripe_invoice(signup.invoice)["status"] == "open"
    assert (shown["state"], [a["state"] for a in shown["attempts"]]) == ("captured", ["succeeded"])
    assert [c["state"] for c in shown["cases"]] == ["open"]
    assert len(world.charge_calls()) == 1
    await world.later(days=12)
    assert len(world.charge_calls()) == 1, "never again, however late"

    world.stripe.faults.clear()
    await world.later(hours=1)

    await _paid_once(world, signup)
    assert len(world.charge_calls()) == 1


@pytest.mark.scenario(86)
async def test_key_is_older_than_the_processor_keeps_it(world: World) -> None:
    world.practice.faults.add("lost_after", times=1000, **CHARGE)
    world.practice.faults.add("error_before", times=1000, **SEARCH)
    signup = await world.signup("ok", wait_s=0)
    for _ in range(13):
        await world.later(hours=12)
    protected = len(world.charge_calls())
    assert protected > 1, "while its key protected it, it was sent again"

    for _ in range(4):
        await world.later(hours=12)
    asked = len(world.practice.calls.to("GET", "/v1/charges"))
    await world.later(days=1)

    assert len(world.charge_calls()) == protected
    assert len(world.practice.calls.to("GET", "/v1/charges")) > asked
    assert await world.attempts(signup.invoice) == ["unknown"]
    assert "outcome_unknown" in await world.open_cases()
    assert world.stripe_subscription(signup.subscription)["status"] != "canceled"
    world.practice.faults.clear()
    await world.later(hours=7)
    await _paid_once(world, signup)
    assert len(world.charge_calls()) == protected


@pytest.mark.scenario(88)
async def test_amount_changes_between_tries(world: World) -> None:
    world.practice.faults.add("lost_before", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    assert await world.attempts(signup.invoice) == ["unknown"]
    await world.shop.client.v1.credit_notes.create_async({"invoice": signup.invoice, "amount": 400})

    for _ in range(14):
        await world.later(minutes=1)
    assert len(world.charge_calls()) == 1, "the old one first, and not again: it asks for another amount"
    assert await world.attempts(signup.invoice) == ["unknown"]
    await world.later(minutes=30)
    await world.later(minutes=30)

    assert await world.attempts(signup.invoice) == ["not_sent", "succeeded"]
    old, new = world.charge_calls()
    assert (old.params["amount"], new.params["amount"]) == (1000, 600)
    assert old.idempotency_key != new.idempotency_key
    assert old.params["reference"] != new.params["reference"]
    live = world.stripe_invoice(signup.invoice)
    assert (live["status"], live["amount_paid"]) == ("paid", 600)
    assert [c.captured for c in world.captures()] == [600]


@pytest.mark.scenario(89)
async def test_lookup_itself_fails(world: World) -> None:
    world.practice.faults.add("lost_after", times=1000, **CHARGE)
    world.practice.faults.add("error_before", times=1000, **SEARCH)
    signup = await world.signup("ok", wait_s=0)
    for _ in range(12):
        await world.later(minutes=5)
        assert await world.attempts(signup.invoice) == ["unknown"]
    assert len(await world.keys_sent()) == 1
    assert len(world.captures()) == 1
    assert world.stripe_invoice(signup.invoice)["status"] == "open"
    assert world.stripe_subscription(signup.subscription)["status"] == "active"

    world.practice.faults.clear()
    await world.later(hours=1)

    await _paid_once(world, signup)


@pytest.mark.scenario(83)
@pytest.mark.usefixtures("found_twice")
async def test_lookup_finds_two_completed(world: World) -> None:
    world.practice.faults.add("lost_after", **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    first = world.last_charge()
    world.practice.account(world.shop.practice_key).charges["ch_second"] = replace(first, id="ch_second")

    await world.later(seconds=15)

    assert world.stripe_invoice(signup.invoice)["status"] == "paid"
    shown = await world.gateway_invoice(signup.invoice)
    assert shown["state"] == "paid"
    assert [a["state"] for a in shown["attempts"]] == ["succeeded"]
    assert world.stripe_invoice(signup.invoice)["metadata"]["third_party_payment_id"] == first.id
    captures = {m["processor_id"] for m in shown["movements"] if m["kind"] == "capture"}
    assert captures == {first.id, "ch_second"}
    assert returned(world) == [1000]
    assert await world.open_cases() == []
    assert len(world.charge_calls()) == 1


@pytest.fixture
def found_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The practice processor keeps references unique; this one shows what others may have under one."""
    find = PracticeAdapter.lookup_charge

    async def lookup(self: PracticeAdapter, query: ChargeQuery) -> LookupOutcome:
        found = await find(self, query)
        assert isinstance(found, Found)
        return Found(found.outcome, (replace(found.outcome, processor_id="ch_second"),))

    monkeypatch.setattr(PracticeAdapter, "lookup_charge", lookup)


@pytest.mark.scenario(85)
async def test_conflict_over_the_idempotency_key(world: World) -> None:
    world.practice.faults.add("error_after", status=409, **CHARGE)
    signup = await world.signup("ok", wait_s=0)
    assert await world.attempts(signup.invoice) == ["unknown"], "what exists there must be looked at"

    await world.later(seconds=15)

    assert len(world.practice.calls.to("GET", "/v1/charges")) == 1
    await _paid_once(world, signup)
    assert len(world.charge_calls()) == 1
