"""The scripted processor: which answer is given to which call, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from processors.conformance import asks
from processors.conformance.scenarios.scenario import InapplicableError, Scenario, play
from processors.conformance.stage import stage
from processors.conformance.subject import WEBHOOK_URL, Impossible, Says, Script
from processors.errors import RefusedError
from processors.interface import ProcessorAdapter
from processors.practice.conformance import SUBJECT, charge, method
from processors.values import MethodState

ACTIVE, EXPIRED = Says(method()), Says(method("expired"))


async def states(said: Script, times: int) -> list[MethodState]:
    async with stage(SUBJECT, said) as staged:
        return [await staged.adapter.method_state(SUBJECT.method) for _ in range(times)]


async def test_answers_come_in_order_and_the_last_one_stays() -> None:
    assert await states((ACTIVE, EXPIRED), 3) == [MethodState.ACTIVE, MethodState.EXPIRED, MethodState.EXPIRED]


async def test_an_answer_for_other_calls_waits_for_them() -> None:
    assert await states((replace(EXPIRED, on="^POST"), ACTIVE), 1) == [MethodState.ACTIVE]


async def test_calls_are_told_apart_by_their_body() -> None:
    async with stage(
        SUBJECT, (Says(charge("pending"), on='"amount":1,'), Says(charge(), on='"amount":1050'))
    ) as staged:
        outcome = await staged.adapter.charge(staged.adapter.prepare_charge(asks.charge(SUBJECT)))
    assert type(outcome).__name__ == "Succeeded"


async def test_a_call_without_an_answer_fails() -> None:
    with pytest.raises(AssertionError, match="GET /v1/methods/"):
        await states(replace(ACTIVE, on="^POST"), 1)


async def test_an_adapter_that_goes_in_a_circle_is_stopped() -> None:
    with pytest.raises(AssertionError, match="wants more"):
        await states(ACTIVE, 100)


async def test_standing_answers_are_told_apart() -> None:
    token = replace(SUBJECT, always=(Says({"id": "pa_kit"}, on="^GET /v1/account"),))
    async with stage(token, ACTIVE) as staged:
        await staged.adapter.check(WEBHOOK_URL)
        await staged.adapter.method_state(token.method)
    assert [request.url.path for request in staged.asked] == [f"/v1/methods/{token.method.token.reveal()}"]
    assert len(staged.sent) == 2


async def test_an_error_of_the_tree_is_a_result() -> None:
    async def act(adapter: ProcessorAdapter) -> object:
        return await adapter.check(WEBHOOK_URL)

    played = await play(SUBJECT, Scenario("", Says({"error": {"code": "unauthorized"}}, 401), act, print))
    assert isinstance(played.result, RefusedError)
    assert any("GET /v1/account" in line for line in played.logged)


async def test_what_is_impossible_is_not_played() -> None:
    async def act(_adapter: ProcessorAdapter) -> None:
        raise AssertionError("it was played")

    with pytest.raises(InapplicableError, match="why not"):
        await play(SUBJECT, Scenario("", Impossible("why not"), act, print))
