"""The page of both servers without a browser: what it shows, what its buttons do, and who may press them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from gateway.sandbox.kit.app import App
from gateway.sandbox.kit.calls import Call
from gateway.sandbox.kit.page.actions import _a_month_after
from tests.sandbox.tools import KEY, Tool, app_of, new, opened

SCRIPT = "<script>alert(1)</script>\"'"


@pytest.fixture(params=["stripe", "practice"])
async def tool(request: pytest.FixtureRequest) -> AsyncIterator[Tool]:
    async with opened(request.param) as made:
        yield made


@pytest.fixture
async def stripe_tool() -> AsyncIterator[Tool]:
    async with opened("stripe") as made:
        yield made


async def press(tool: Tool, do: str, back: str = "", **fields: str) -> httpx.Response:
    """Send one of the page's forms as a browser does."""
    form = {"do": do, "back": back, **fields}
    return await tool.http.post("/", data=form, headers={"origin": tool.url})


@pytest.mark.parametrize(
    "query", ["", "?view=calls", "?view=deliveries", "?view=faults", "?call=1", "?view=objects&shelf=customers"]
)
async def test_every_view_is_shown_before_and_after_the_first_call(tool: Tool, query: str) -> None:
    for _ in range(2):
        shown = await tool.http.get(f"/{query}")
        assert shown.status_code == (404 if query == "?call=1" and not tool.sandbox.calls else 200)
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert "<script" not in shown.text
        await tool.call()
    assert all(call.path != "/" for call in tool.sandbox.calls)


async def test_an_object_is_found_by_its_id_with_its_references_linked(stripe_tool: Tool) -> None:
    customer = (await stripe_tool.call()).json()["id"]
    listed = (await stripe_tool.http.get("/?view=objects&shelf=customers")).text
    assert f'<a href="/?id={customer}">{customer}</a>' in listed
    event = next(reversed(stripe_tool.sandbox.account(KEY).events))
    shown = (await stripe_tool.http.get(f"/?id={event}")).text
    assert f'<a href="/?id={customer}">{customer}</a>' in shown
    assert "Send with a forged signature" in shown
    assert (await stripe_tool.http.get("/?id=cus_none12345")).status_code == 404


async def test_what_comes_from_outside_is_escaped(stripe_tool: Tool) -> None:
    auth = {"authorization": f"Bearer {KEY}", "idempotency-key": SCRIPT}
    made = await stripe_tool.http.post("/v1/customers", headers=auth, data={"name": SCRIPT})
    await stripe_tool.http.get(f"/v1/{SCRIPT}", headers=auth)
    for query in (
        "view=objects&shelf=customers", f"id={made.json()['id']}", "view=calls", "call=1", "call=2",
        f"view=calls&q={SCRIPT}", f"said={SCRIPT}", f"id={SCRIPT}", f"view=objects&shelf={SCRIPT}", f"account={SCRIPT}",
    ):  # fmt: skip
        text = (await stripe_tool.http.get(f"/?{query}")).text
        assert "<script" not in text, query
        assert "alert(1)" in text or "account=" in query, query


async def test_a_hundred_thousand_calls_are_shown_page_by_page(stripe_tool: Tool) -> None:
    for number in range(100_010):
        stripe_tool.sandbox.calls.append(Call(at=1, method="GET", path=f"/v1/customers/cus_{number}"))
    first = (await stripe_tool.http.get("/?view=calls")).text
    assert ("cus_100009" in first, "cus_99959" in first) == (True, False)
    assert "cus_99959" in (await stripe_tool.http.get("/?view=calls&page=2")).text
    assert "cus_10<" in (await stripe_tool.http.get("/?view=calls&page=2000")).text
    assert first.count("<tr>") == 51
    one = (await stripe_tool.http.get("/?view=calls&q=cus_777")).text
    assert ("cus_777" in one, "cus_100009" in one) == (True, False)
    assert "cus_77777" in (await stripe_tool.http.get("/?call=77778")).text
    assert (await stripe_tool.http.get("/?call=5")).status_code == 404


@pytest.mark.parametrize(("by", "seconds"), [("hour", 3600), ("day", 86400)])
async def test_the_buttons_move_every_clock(tool: Tool, by: str, seconds: int) -> None:
    other = new("practice")
    page = App(app_of(tool.sandbox)._handler, tool.sandbox).page
    page.beside = {"http://127.0.0.1:1": other}
    form = f"do=move&by={by}&back=view%3Dcalls"
    request = httpx.Request("POST", tool.url, headers={"origin": tool.url, "host": tool.url[7:]}, content=form)
    reply = await page.handle(as_request(request))
    assert (reply.status, reply.headers["location"].partition("&")[0]) == (303, "/?view=calls")
    assert tool.sandbox.clock.offset_s == other.clock.offset_s == seconds


def as_request(sent: httpx.Request) -> Any:
    from gateway.sandbox.kit.asgi import Request

    return Request(sent.method, sent.url.path, "", dict(sent.headers), sent.content)


async def test_the_clock_goes_to_the_next_timer(tool: Tool) -> None:
    assert (await press(tool, "move", by="next")).status_code == 400
    rung: list[int] = []
    tool.sandbox.clock.at(tool.sandbox.now() + 500_000, lambda: rung.append(1))
    assert (await press(tool, "move", by="next")).status_code == 303
    assert rung == [1]


def test_a_month_is_the_calendars() -> None:
    def later(*day: int) -> str:
        return f"{datetime.fromtimestamp(_a_month_after(int(datetime(*day, tzinfo=UTC).timestamp())), UTC):%Y-%m-%d}"

    assert [later(2026, 1, 31), later(2026, 12, 15), later(2028, 1, 30)] == ["2026-02-28", "2027-01-15", "2028-02-29"]


async def test_faults_are_added_and_removed(tool: Tool) -> None:
    form = {"effect": "error_before", "path": "/v1/*", "percent": "0.7", "seed": "3", "status": "503", "body": "html"}
    assert (await press(tool, "add_fault", "view=faults", **form)).headers["location"].startswith("/?view=faults&said=")
    await press(tool, "add_fault", effect="latency", latency="120,380")
    share, latency = tool.sandbox.faults.pending
    assert (share.probability, share.status, share.times, share.match.path) == (
        pytest.approx(0.007),
        503,
        None,
        "/v1/*",
    )
    assert str(latency.latency) == "p50 120 ms, p99 380 ms"
    shown = (await tool.http.get("/?view=faults")).text
    assert "0.7 % of them, seed 3" in shown
    assert "p50 120 ms, p99 380 ms" in shown
    await press(tool, "remove_fault", id=share.id)
    assert tool.sandbox.faults.pending == [latency]
    await press(tool, "clear_faults")
    assert tool.sandbox.faults.pending == []


@pytest.mark.parametrize(
    "form",
    [
        {"do": "add_fault", "effect": "sleepy"},
        {"do": "add_fault", "effect": "latency"},
        {"do": "add_fault", "effect": "error_before", "status": "200"},
        {"do": "add_fault", "effect": "error_before", "percent": "101"},
        {"do": "add_fault", "effect": "error_before", "times": "0"},
        {"do": "remove_fault", "id": "fault_9"},
        {"do": "move", "by": "century"},
        {"do": "resend", "event": "evt_none"},
        {"do": "explode"},
    ],
)
async def test_what_a_button_can_not_do_is_said(tool: Tool, form: dict[str, str]) -> None:
    answer = await press(tool, **form)
    assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
    assert tool.sandbox.faults.pending == []


async def test_webhooks_are_held_and_sent(stripe_tool: Tool) -> None:
    await press(stripe_tool, "deliver", mode="manual", double="on", latency="5-10")
    settings = stripe_tool.sandbox.delivery.settings
    assert (settings.mode, settings.double, settings.shuffle, str(settings.latency)) == (
        "manual", True, False, "5 to 10 ms",
    )  # fmt: skip
    auth = {"authorization": f"Bearer {KEY}"}
    hook = {"url": "http://127.0.0.1:9/", "enabled_events[]": "*"}
    made = (await stripe_tool.http.post("/v1/webhook_endpoints", headers=auth, data=hook)).json()
    assert made["secret"] in (await stripe_tool.http.get(f"/?id={made['id']}")).text
    await stripe_tool.call()
    assert "1 waiting" in (await stripe_tool.http.get("/?view=deliveries")).text
    assert (await press(stripe_tool, "flush")).headers["location"] == "/?said=0+sent%2C+2+not+accepted."


@pytest.mark.parametrize("path", ["/", "/_sandbox/clock"])
async def test_another_sites_page_may_press_nothing(tool: Tool, path: str) -> None:
    body = {"data": {"do": "move", "by": "day"}} if path == "/" else {"json": {"advance_s": 86400}}
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": tool.url.replace("http:", "http://evil.example:")},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = await tool.http.post(path, headers=headers, **body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site")
    assert tool.sandbox.clock.offset_s == 0


async def test_the_pages_buttons_are_for_its_own_forms(tool: Tool) -> None:
    answer = await tool.http.post("/", data={"do": "move", "by": "day"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "no_origin")


@pytest.mark.parametrize("path", ["/", "/?view=calls", "/_sandbox/calls", "/_sandbox/page.css"])
async def test_a_name_that_was_pointed_here_reads_nothing(tool: Tool, path: str) -> None:
    for host in ("evil.example", "evil.example:8251", "127.0.0.1.evil.example", "", "[", "10.1.2.3"):
        answer = await tool.http.get(path, headers={"host": host})
        assert (answer.status_code, "--allow-host" in answer.text) == (403, True)
    port = tool.url.rpartition(":")[2]
    for host in (f"localhost:{port}", "127.0.0.1", f"[::1]:{port}"):
        assert (await tool.http.get(path, headers={"host": host})).status_code == 200
    tool.sandbox.allowed_hosts = frozenset({"stripe"})
    assert (await tool.http.get(path, headers={"host": "stripe:8251"})).status_code == 200
