"""A sandbox in a file: what was there is there again, and a file that isn't ours is refused."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.sandbox.kit import state
from gateway.sandbox.kit.calls import Call
from gateway.sandbox.kit.clock import Clock
from gateway.sandbox.kit.faults import Effect
from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.kit.state import Keeper, StateError, load, save
from gateway.sandbox.stripe.app import create_app
from tests.sandbox.conftest import serving
from tests.sandbox.tools import KEY, Receiver, Tool, new, opened

DAY_S = 86400
DEAD_END = "http://127.0.0.1:9/"


async def subscribed(tool: Tool, url: str) -> str:
    """A send_invoice subscription, and an endpoint for everything; the subscription's id."""

    async def post(path: str, **data: str) -> str:
        answer = await tool.http.post(f"/v1/{path}", headers={"authorization": f"Bearer {KEY}"}, data=data)
        return str(answer.json()["id"])

    await post("webhook_endpoints", **{"url": url, "enabled_events[]": "*"})
    plan = {"currency": "eur", "unit_amount": "1900", "recurring[interval]": "month", "product_data[name]": "Plan"}
    items = {"customer": await post("customers", name="Ada"), "items[0][price]": await post("prices", **plan)}
    return await post("subscriptions", **items, collection_method="send_invoice", days_until_due="10")


def restarted(path: Path, sandbox: Sandbox) -> Sandbox:
    save(path, {"one": sandbox})
    return load(path)["one"]


async def test_a_subscription_is_renewed_after_a_restart(tmp_path: Path) -> None:
    async with opened("stripe") as before:
        subscription = await subscribed(before, DEAD_END)
        before.sandbox.delivery.set(mode="manual")
        before.sandbox.advance(10 * DAY_S)
        offset = before.sandbox.clock.offset_s
    async with opened("stripe", restarted(tmp_path / "state", before.sandbox)) as after:
        assert after.sandbox is not before.sandbox
        assert after.sandbox.clock.offset_s == offset
        assert len(after.sandbox.calls) == 4
        after.sandbox.advance(25 * DAY_S)
        invoices = [i for i in after.sandbox.account(KEY).invoices.values() if subscription in str(i["parent"])]
        assert [i["status"] for i in invoices] == ["open", "open"]
        assert len(before.sandbox.account(KEY).invoices) == 1


@pytest.mark.parametrize("name", ["stripe", "practice"])
async def test_webhooks_that_waited_are_sent_after_a_restart(tmp_path: Path, name: str) -> None:
    receiver = Receiver()
    async with serving(receiver, lifespan="off") as receiver.url:
        async with opened(name) as before:
            before.sandbox.delivery.set(retry_base_s=0.05)
            if name == "stripe":
                await subscribed(before, DEAD_END)
            else:
                before.sandbox.set_webhook(KEY, DEAD_END, "secret")
                method = before.sandbox.create_method(KEY, "pending_then_ok")
                account = before.sandbox.account(KEY)
                before.sandbox.make_charge(account, "r1", 500, "EUR", method, description="", metadata={})
                before.sandbox.revoke_method(method.token)
            await before.sandbox.delivery.settle()
            waiting = before.sandbox.delivery.waiting
        after = restarted(tmp_path / "state", before.sandbox)
        assert after.delivery.waiting == waiting >= 2
        for endpoint in after.account(KEY).webhook_endpoints.values() if name == "stripe" else ():
            endpoint["url"] = receiver.url
        if name == "practice":
            assert await answered_anew(after, receiver.url) == "succeeded"
            return
        async with opened(name, after):
            await after.delivery.settle()
            assert (await after.flush()).failed == 0
        assert len(receiver.bodies) == waiting
        assert not any(event.waiting for event in after.account(KEY).events.values())


async def answered_anew(after: Any, url: str) -> str:
    """The practice processor's letters know their address; what comes after the restart goes to a new one."""
    after.set_webhook(KEY, url, "secret")
    after.advance(2 * DAY_S)
    (charge,) = after.account(KEY).charges.values()
    (named,) = after.account(KEY).by_reference["r1"]
    assert charge is named
    assert (await after.flush()).sent == 1
    await after.delivery.stop()
    return str(charge.status)


async def test_what_was_on_its_way_when_it_stopped_is_sent_again(tmp_path: Path) -> None:
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def hanging(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await stopped.wait()

    async with serving(hanging, lifespan="off") as url:
        async with opened("practice") as before:
            before.sandbox.set_webhook(KEY, url, "secret")
            before.sandbox.revoke_method(before.sandbox.create_method(KEY, "ok").token)
            await begun.wait()
            save(tmp_path / "state", {"one": before.sandbox})
            assert load(tmp_path / "state")["one"].delivery.waiting == 1
        stopped.set()
    assert restarted(tmp_path / "state", before.sandbox).delivery.waiting == 1


async def test_faults_and_settings_survive(tmp_path: Path) -> None:
    before = new("practice")
    before.faults.add("error_before", probability=0.5, seed=3)
    expected = [before.faults.take("GET", "/", None) is None for _ in range(5)]
    before.delivery.set(drop=["a.b"], shuffle=True)
    before.clock.skew_s = 9
    later, again = restarted(tmp_path / "state", before), new("practice")
    again.faults.add("error_before", probability=0.5, seed=3)
    assert expected == [again.faults.take("GET", "/", None) is None for _ in range(5)]
    draws = [later.faults.take("GET", "/", None) is None for _ in range(20)]
    assert draws == [again.faults.take("GET", "/", None) is None for _ in range(20)]
    assert (later.delivery.settings.drop, later.clock.skew_s) == (frozenset({"a.b"}), 9)


def test_an_enum_that_is_written_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python 3.11.2 writes it, whatever Python runs the tests."""
    monkeypatch.setattr(Effect, "__reduce_ex__", lambda self, protocol: (getattr, (type(self), self.name)))
    sandbox = new("stripe")
    sandbox.faults.add("lost_after", method="POST")
    after = restarted(tmp_path / "state", sandbox)
    found = after.faults.take("POST", "/", None)
    assert getattr(found, "effect", None) is Effect.LOST_AFTER


def test_the_file_is_its_owners_and_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sandbox = tmp_path / "state", new("stripe")
    save(path, {"one": sandbox})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    whole = path.read_bytes()

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        save(path, {"one": sandbox})
    assert path.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [path]


async def test_it_is_saved_when_something_has_changed(tmp_path: Path) -> None:
    async with opened("stripe") as tool:
        keeper = Keeper(path := tmp_path / "state", {"one": tool.sandbox})
        keeper.save()
        path.unlink()
        keeper.save()
        assert not path.exists()
        await tool.call()
        keeper.save()
        assert len(load(path)["one"].account(KEY).customers) == 1


def test_another_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "state", {"one": new("stripe")})
    monkeypatch.setattr(state, "FORMAT", 999)
    with pytest.raises(StateError, match=r"saved by release .* start that release, or begin anew with another file"):
        load(tmp_path / "state")


class Evil:
    """A pickle that calls something on its way in."""

    def __init__(self, call: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = (call, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._reduced


REBUILD = Call(at=1, method="GET", path="/").__reduce__()[0]


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (Evil(os.system, "true"), "it names"),
        (Evil(eval, "1"), "it names"),
        (Evil(save, Path("x"), {}), "it names"),
        (Evil(create_app, None), "it names"),
        (Evil(signal.raise_signal, 0), "it names"),
        (Evil(getattr, "text", "join"), "it asks for"),
        (Evil(getattr, Clock(), "__class__"), "it asks for"),
        (Evil(getattr, Clock(), "_heap"), "it asks for"),
        (Evil(getattr, Effect, "__class__"), "it asks for"),
        (Evil(REBUILD, dict, {}), "it makes"),
        ({"one": Path("x")}, "it names"),
        ({"one": "no sandbox"}, "is no state"),
    ],
)
def test_a_file_from_elsewhere_can_call_nothing(tmp_path: Path, value: Any, refusal: str) -> None:
    save(tmp_path / "state", {"one": new("stripe")})
    stamp, _, _ = (tmp_path / "state").read_bytes().partition(b"\n")
    (tmp_path / "state").write_bytes(stamp + b"\n" + pickle.dumps(value))
    with pytest.raises(StateError, match=refusal):
        load(tmp_path / "state")


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b'{"tollbridge_sandbox": "x"}\n'])
def test_what_is_no_state(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(StateError, match="no state of a sandbox"):
        load(tmp_path / "state")


def test_a_damaged_file(tmp_path: Path) -> None:
    save(tmp_path / "state", {"one": new("practice")})
    whole = (tmp_path / "state").read_bytes()
    (tmp_path / "state").write_bytes(whole[:-40])
    with pytest.raises(StateError, match=r"damaged|can't be read"):
        load(tmp_path / "state")
