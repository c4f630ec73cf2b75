"""Faults of both servers, as a caller's own HTTP client meets them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from gateway.sandbox.kit.faults import FaultBook
from gateway.sandbox.kit.latency import Constant, Lognormal, Uniform, parse
from tests.sandbox.tools import Tool, opened


@pytest.fixture(params=["stripe", "practice"])
async def tool(request: pytest.FixtureRequest) -> AsyncIterator[Tool]:
    async with opened(request.param) as made:
        yield made


@pytest.mark.parametrize(
    ("effect", "seen", "made"),
    [
        ("lost_before", httpx.RemoteProtocolError, 0),
        ("lost_after", httpx.RemoteProtocolError, 1),
        ("reset_before", httpx.ReadError, 0),
        ("reset_after", httpx.ReadError, 1),
        ("timeout_before", httpx.ReadTimeout, 0),
        ("timeout_after", httpx.ReadTimeout, 1),
    ],
)
async def test_no_answer(tool: Tool, effect: str, seen: type[Exception], made: int) -> None:
    await tool.control("POST", "faults", effect=effect)
    with pytest.raises(seen):
        await tool.call(timeout=0.3)
    assert tool.made == made
    assert (await tool.call()).is_success
    assert [call.fault for call in tool.sandbox.calls] == [effect, None]


async def test_a_timeout_ends_by_itself(tool: Tool) -> None:
    await tool.control("POST", "faults", effect="timeout_after", delay_s=0.05)
    with pytest.raises(httpx.RemoteProtocolError):
        await tool.call()


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("truncated", "application/json"), ("empty", "application/json"), ("html", "text/html"), ("wrong_type", "text/")],
)
async def test_broken_bodies(tool: Tool, body: str, content_type: str) -> None:
    await tool.control("POST", "faults", effect="broken_body", body=body)
    spoiled, good = await tool.call(), await tool.call()
    assert (spoiled.is_success, tool.made) == (True, 2)
    assert spoiled.headers.get("content-type", "application/json").startswith(content_type)
    assert int(spoiled.headers["content-length"]) == len(spoiled.content)
    assert good.json()["object"] in ("customer", "setup")
    if body != "wrong_type":
        with pytest.raises(ValueError, match=r"Expecting|Unterminated|Extra"):
            spoiled.json()


async def test_an_error_page_of_something_in_between(tool: Tool) -> None:
    await tool.control("POST", "faults", effect="error_before", status=502, body="html")
    answer = await tool.call()
    assert (answer.status_code, answer.headers["content-type"], tool.made) == (502, "text/html", 0)


async def test_a_slow_body_outwits_a_timeout_of_each_read(tool: Tool) -> None:
    await tool.control("POST", "faults", effect="slow_body", delay_s=4)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await tool.call(timeout=0.9)
    await tool.control("POST", "faults", effect="slow_body", delay_s=0.1)
    assert (await tool.call()).json()["object"] in ("customer", "setup")


async def test_the_socket_refuses_for_a_while(tool: Tool) -> None:
    """The call that meets it breaks off, the next ones find nobody, and then the same port answers again."""
    await tool.control("POST", "faults", effect="refused", delay_s=0.5)
    with pytest.raises(httpx.RemoteProtocolError):
        await tool.call()
    with pytest.raises(httpx.ConnectError, match=r"connection attempts failed|refused"):
        await tool.call()
    assert (await until_answered(tool)).is_success
    assert tool.made == 1


async def test_an_outage_begins_at_once(tool: Tool) -> None:
    assert await tool.control("POST", "outage", for_s=0.4) == {"refuses_for_s": 0.4}
    with pytest.raises(httpx.TransportError):
        await tool.call()
    assert (await until_answered(tool)).is_success


async def until_answered(tool: Tool) -> httpx.Response:
    for _ in range(200):
        try:
            return await tool.call()
        except httpx.TransportError:
            await asyncio.sleep(0.02)
    raise AssertionError("it never answers again")


async def test_a_share_of_the_calls_fails_and_fails_again_the_same(tool: Tool) -> None:
    async def played() -> list[int]:
        tool.sandbox.faults.clear()
        await tool.control("POST", "faults", effect="error_before", status=503, probability=0.3, seed=7)
        return [(await tool.call()).status_code for _ in range(40)]

    first = await played()
    assert 4 <= first.count(503) <= 20
    assert await played() == first
    (fault,) = (await tool.control("GET", "faults"))["data"]
    assert (fault["times"], fault["hits"]) == (None, first.count(503))


async def test_latency_goes_with_another_fault(tool: Tool) -> None:
    """A call is slow and lost: the two are of different kinds, and the latency stays."""
    await tool.control("POST", "faults", effect="latency", latency={"kind": "constant", "ms": 300})
    await tool.control("POST", "faults", effect="lost_after")
    for fault in ("lost_after", None):
        with pytest.raises(httpx.ReadTimeout):
            await tool.call(timeout=0.1)
        assert tool.sandbox.calls[-1].fault == fault
    await asyncio.sleep(0.4)
    assert tool.made == 2


@pytest.mark.parametrize(
    "body",
    [
        {"effect": "latency"},
        {"effect": "refused"},
        {"effect": "error_before", "latency": {"kind": "constant", "ms": 1}},
        {"effect": "error_before", "probability": 0},
        {"effect": "timeout_before", "delay_s": 301},
        {"effect": "latency", "latency": {"kind": "lognormal", "p50_ms": 9, "p99_ms": 1}},
        {"effect": "sleepy"},
    ],
)
async def test_what_is_no_fault(tool: Tool, body: dict[str, Any]) -> None:
    answer = await tool.http.post("/_sandbox/faults", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")
    assert tool.sandbox.faults.pending == []


async def test_a_fault_is_taken_away_by_its_id(tool: Tool) -> None:
    first = await tool.control("POST", "faults", effect="lost_before")
    second = await tool.control("POST", "faults", effect="error_before", status=503)
    left = (await tool.control("DELETE", f"faults/{first['id']}"))["data"]
    assert [fault["id"] for fault in left] == [second["id"]]
    assert (await tool.http.delete("/_sandbox/faults/fault_99")).status_code == 404


async def test_the_date_of_a_wrong_clock(tool: Tool) -> None:
    await tool.control("POST", "clock", skew_s=-7200)
    wrong, shown = await tool.call(), await tool.control("GET", "clock")
    assert len(wrong.headers.get_list("date")) == 1
    behind_s = shown["now"] - parsedate_to_datetime(wrong.headers["date"]).timestamp()
    assert 7190 < behind_s < 7210
    assert shown["offset_s"] == 0


def test_a_distribution_is_drawn_again_from_its_seed() -> None:
    def drawn(seed: int) -> list[float]:
        book = FaultBook()
        book.add("latency", latency=Lognormal(120, 380), seed=seed)
        return sorted(book.take_wait_s("GET", "/", None) for _ in range(4000))

    once = drawn(1)
    assert once == drawn(1) != drawn(2)
    assert 0.110 < once[2000] < 0.130
    assert 0.330 < once[3960] < 0.440


def test_latencies_in_words() -> None:
    assert [parse(text) for text in ("120", "50-200", "120,380")] == [
        Constant(120), Uniform(50, 200), Lognormal(120, 380),
    ]  # fmt: skip
    for text in ("", "1,2,3", "380,120", "-5", "400000", "soon"):
        with pytest.raises(ValueError, match="no latency in ms"):
            parse(text)
