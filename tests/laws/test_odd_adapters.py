"""What an adapter may do that this repository's own don't: forget a charge, raise, or never come back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from db import sql
from gateway.inbox.connection_check import check
from processors.errors import OutcomeUnknownError
from processors.outcome import LookupOutcome, NotFound
from processors.practice.client import PracticeAdapter
from processors.values import ChargeQuery
from tests.support.returning import ASK, cases, credit, refund_calls, refund_later, returned, the_refund
from tests.support.world import World


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor shows no charge, and calls that conclusive."""

    async def lookup(_self: PracticeAdapter, _query: ChargeQuery) -> LookupOutcome:
        return NotFound(conclusive=True)

    monkeypatch.setattr(PracticeAdapter, "lookup_charge", lookup)


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(("kind", "state"), [("pending_then_ok", "pending"), ("requires_action", "requires_action")])
async def test_what_the_processor_has_acknowledged_is_not_charged_again(world: World, kind: str, state: str) -> None:
    """Law 4: "not found" ends only what nobody has heard of."""
    world.practice.settings.pending_delay_s = 90 * 86400
    world.practice.delivery.set(drop=True)
    _, renewal = await world.renew(kind)

    for _ in range(30):
        await world.later(days=1)

    assert await world.attempts(renewal) == [state]
    lookups = await sql.value("select lookups from tollbridge.attempt where invoice = $1", renewal)
    assert lookups > 10, "it is looked at again"
    assert await world.open_cases() == ["pending_too_long"]
    assert len([c for c in world.charge_calls() if c.params["reference"].startswith(renewal)]) == 1


def _raises(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    async def raising(*_: Any) -> Any:
        raise KeyError("a fault of the adapter's")

    monkeypatch.setattr(PracticeAdapter, method, raising)


async def test_look_up_of_a_charge_that_raises_is_one_that_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes take their turn with it, as with one that the processor does not answer."""
    _raises(monkeypatch, "lookup_charge")
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_before", method="POST", path="/v1/charges")
    signup = await world.signup("ok", wait_s=0)

    for _ in range(30):
        await world.later(minutes=2)

    assert await world.attempts(signup.invoice) == ["succeeded"]
    assert len(await world.keys_sent()) == 1
    assert await world.open_cases() == []


async def test_look_up_of_a_refund_that_raises_is_one_that_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    signup = await world.signup("ok")
    _raises(monkeypatch, "lookup_refund")
    world.practice.delivery.set(drop=True)
    world.practice.faults.add("lost_before", **ASK)
    await refund_later(world, signup.invoice)
    await world.settle()

    for _ in range(30):
        await world.later(minutes=2)

    assert (await the_refund(world, signup.invoice))["state"] == "recorded"
    assert len({call.idempotency_key for call in refund_calls(world)}) == 1
    assert await cases(world) == {}
    assert returned(world) == [1000]


@pytest.fixture
def hasty(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a processor does so for a tenth of a second."""
    monkeypatch.setattr(world.runtime, "settings", replace(world.runtime.settings, processor_timeout_s=0.1))


def _hangs(monkeypatch: pytest.MonkeyPatch, method: str) -> list[str]:
    """It never answers; what was cut off."""
    cut: list[str] = []

    async def hanging(*_: Any) -> Any:
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            cut.append(method)
            raise
        raise AssertionError("nobody cut it off")

    monkeypatch.setattr(PracticeAdapter, method, hanging)
    return cut


@pytest.mark.usefixtures("hasty")
async def test_list_of_refunds_that_never_comes_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup = await world.signup("ok")
    cut = _hangs(monkeypatch, "list_refunds")
    await credit(world, signup.invoice, amount=300, out_of_band_amount=300)
    await world.settle()
    await world.later(minutes=6)
    assert cut
    monkeypatch.undo()

    for _ in range(10):
        await world.later(minutes=10)

    assert returned(world) == [300]


@pytest.mark.usefixtures("hasty")
async def test_set_up_whose_state_never_comes_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup = await world.signup("ok")
    cut = _hangs(monkeypatch, "complete_setup")
    session = await world.method_session(signup.customer)
    await world.method_setup(session)
    await world.method_done(session)
    await world.settle()
    assert cut


@pytest.mark.usefixtures("hasty")
async def test_deletion_that_never_comes_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signup = await world.signup("ok")
    cut = _hangs(monkeypatch, "revoke_method")
    (method,) = await world.methods_of(signup.customer)
    await world.call("DELETE", f"/v1/customers/{signup.customer}/payment_methods/{method['id']}")
    await world.settle()
    assert cut


@pytest.mark.usefixtures("hasty")
async def test_check_that_never_comes_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    account = str(await sql.value("select account from tollbridge.connection"))
    connection = str(await sql.value("select id from tollbridge.connection"))
    cut = _hangs(monkeypatch, "check")
    with pytest.raises(OutcomeUnknownError):
        await check(world.runtime, account, connection)
    assert cut
