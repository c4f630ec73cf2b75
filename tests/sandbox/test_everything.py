"""An account that has used every part: what all parts must bear together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.kit import state
from gateway.sandbox.stripe import StripeSandbox, create_app
from gateway.sandbox.stripe.objects import snapshot
from gateway.sandbox.stripe.store import Account, Collection
from tests.sandbox.conftest import World, connect, serving
from tests.sandbox.everything import CLOCK_STARTS, DAY_S, Everything, everything
from tests.sandbox.spec import SpecChecked, load
from tests.sandbox.tools import Receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with serving(receiver, lifespan="off") as receiver.url:
        yield receiver


@pytest.fixture
async def used(world: World, receiver: Receiver) -> Everything:
    """The sandbox's webhooks wait until they are flushed."""
    world.sandbox.delivery.set(mode="manual")
    return await everything(world, receiver.url)


@pytest.fixture
async def again(world: World, used: Everything, tmp_path: Path) -> AsyncIterator[World]:
    """The same world after a restart, from a file."""
    state.save(tmp_path / "state", {"stripe": world.sandbox})
    sandbox = state.load(tmp_path / "state")["stripe"]
    assert isinstance(sandbox, StripeSandbox)
    checked = SpecChecked(create_app(sandbox), load())
    async with serving(checked) as url:
        yield World(sandbox, checked, url, world.key, connect(url, world.key))
    checked.raise_violations()


def collections(account: Account) -> Iterator[tuple[str, Collection[Any]]]:
    yield from ((name, found) for name, found in vars(account).items() if isinstance(found, Collection))


def contents(account: Account) -> dict[str, Any]:
    """All that an account holds but its clocks and the previews themselves."""
    apart = ("previews", "clock", "sandbox_clock", "webhooks", "replies", "v2_replies", "request")
    return {name: _held(value) for name, value in vars(account).items() if name not in apart}


def _held(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: repr(one) if not isinstance(one, dict | list) else snapshot(one) for key, one in value.items()}
    return snapshot(value) if isinstance(value, list) else repr(value)


async def test_every_part_was_used(world: World, used: Everything) -> None:
    assert [name for name, found in collections(world.account) if not found] == []


async def test_a_restart_forgets_nothing(world: World, used: Everything, again: World) -> None:
    assert contents(again.account).keys() == contents(world.account).keys()
    for name, held in contents(world.account).items():
        assert len(contents(again.account)[name]) == len(held), name
    items = again.account.subscriptions[used.metered]["items"]["data"]
    assert [item is again.account.subscription_items[item["id"]] for item in items] == [True, True]


async def test_two_months_go_on_after_a_restart(used: Everything, again: World, receiver: Receiver) -> None:
    account = again.account
    again.sandbox.advance(62 * DAY_S)
    assert [len(account.invoices_of_subscription[id]) for id in (used.renewing, used.metered)] == [3, 3]
    usage = [line["amount"] for id in account.invoices_of_subscription[used.metered] for line in rows(account, id)]
    assert usage.count(40) == 1
    totals = [account.invoices[id]["total"] for id in account.invoices_of_subscription[used.scheduled]]
    assert totals[:2] == [1000, 2500]
    assert account.subscriptions[used.failing]["status"] == "past_due"
    retried = [account.invoices[id]["attempt_count"] for id in account.invoices_of_subscription[used.failing]]
    assert retried[1] == 4
    assert (account.invoices[used.debit]["status"], account.invoices[used.due]["status"]) == ("paid", "open")
    for _ in range(5):  # what is acknowledged brings about more
        assert (await again.sandbox.flush()).failed == 0
    told = [*account.events.values(), *account.thin_events.values()]
    assert (again.sandbox.delivery.waiting, len(receiver.bodies) > len(told)) == (0, True)
    assert not any(event.waiting for event in told)


async def test_test_clocks_stand_still_until_they_are_moved(used: Everything, again: World) -> None:
    again.sandbox.advance(20 * DAY_S)
    clock = await again.v1.test_helpers.test_clocks.retrieve_async(used.clock)
    subscription = await again.v1.subscriptions.retrieve_async(used.clocked)
    assert (clock.frozen_time, len(await again.invoices_of(subscription))) == (CLOCK_STARTS, 1)
    await again.v1.test_helpers.test_clocks.advance_async(used.clock, {"frozen_time": CLOCK_STARTS + 36 * DAY_S})
    newest, first = await again.invoices_of(subscription)
    held = newest.created + 3 * DAY_S  # no endpoint has acknowledged it
    assert (first.status, newest.status_transitions.finalized_at) == ("open", held)
    assert newest.created < CLOCK_STARTS + 32 * DAY_S


async def test_a_preview_of_anything_leaves_no_trace(world: World, used: Everything) -> None:
    paused = await world.subscribe()
    await world.v1.subscriptions.update_async(paused.id, {"pause_collection": {"behavior": "void"}})
    before = contents(world.account)
    for id in (used.renewing, used.failing, used.metered, used.scheduled, used.clocked, paused.id):
        item = world.account.subscriptions[id]["items"]["data"][-1]["id"]
        details: dict[str, Any] = {"items": [{"id": item, "quantity": 3}], "proration_behavior": "always_invoice"}
        for more in ({}, {"subscription_details": details}, {"subscription_details": {"cancel_now": True}}):
            await world.v1.invoices.create_preview_async({"subscription": id, **more})
    for name, held in contents(world.account).items():
        assert held == before[name], name


def rows(account: Account, invoice: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = account.invoices[invoice]["lines"]["data"]
    return found
