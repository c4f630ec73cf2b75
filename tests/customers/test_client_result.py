"""What a processor's client code gave the browser: handed to the adapter with the set-up, kept sealed, then erased."""

from __future__ import annotations

import pytest

from db import sql
from processors.practice.client import PracticeAdapter
from processors.values import SetupCompletion, SetupResult
from tests.support.world import World

NONCE = "nonce_made_up_4711"


async def test_the_adapter_gets_it_and_nobody_keeps_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[SetupCompletion] = []
    complete = PracticeAdapter.complete_setup

    async def watched(self: PracticeAdapter, completion: SetupCompletion) -> SetupResult:
        seen.append(completion)
        sealed = await sql.value("select client from tollbridge.payment_setup")
        assert NONCE.encode() not in bytes(sealed)
        return await complete(self, completion)

    monkeypatch.setattr(PracticeAdapter, "complete_setup", watched)
    session = (await world.open_session()).json()
    await world.give_card(session)
    answer = await world.confirm(session, client={"nonce": NONCE})
    assert answer.json()["status"] == "complete"
    assert [dict(one.client) for one in seen] == [{"nonce": NONCE}]
    assert await sql.value("select client from tollbridge.payment_setup") is None


async def test_each_look_is_under_the_same_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    keys: list[str] = []
    complete = PracticeAdapter.complete_setup

    async def watched(self: PracticeAdapter, completion: SetupCompletion) -> SetupResult:
        keys.append(completion.idempotency_key)
        return await complete(self, completion)

    monkeypatch.setattr(PracticeAdapter, "complete_setup", watched)
    session = (await world.open_session()).json()
    await world.call(
        "POST",
        f"/v1/checkout_sessions/{session['id']}/setup",
        {"processor": "practice-eu", "return_url": "http://127.0.0.1/return"},
        key=session["client_secret"],
    )
    for _ in range(2):
        await world.confirm(session, wait_s=0)
        await world.later(minutes=5)
    assert len(keys) > 1
    assert len(set(keys)) == 1


async def test_too_much_of_it_is_refused(world: World) -> None:
    session = (await world.open_session()).json()
    await world.give_card(session)
    answer = await world.confirm(session, client={"nonce": "x" * 20_001})
    assert answer.status_code == 400, answer.text
