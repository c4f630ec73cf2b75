"""What each failure of a call means for money, and that nothing secret gets into a text."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import msgspec
import pytest
import respx
import structlog

from processors.errors import (
    CallError,
    ConfigurationError,
    InexactMoneyError,
    NotSentError,
    OutcomeUnknownError,
    RefusedError,
)
from processors.outcome import ChargeOutcome, LookupFailed, LookupOutcome, NotSent, Pending, Rejected, Unknown
from processors.transport import (
    Transport,
    charge_outcome,
    lookup_outcome,
    retry_after_of,
    safe_code,
    template_of,
)
from processors.values import PreparedCall

BASE = "https://processor.example/api"
SECRET = "sk_live_do_not_show"
AUTH = {"authorization": f"Bearer {SECRET}"}
CALL = PreparedCall(
    "POST", "/v1/charges", (("idempotency-key", "key-1"),), b'{"method":"tok_do_not_show","amount":1000}'
)


async def failure(transport: Transport, call: PreparedCall = CALL) -> CallError:
    with pytest.raises(CallError) as caught:
        await transport.send(call, AUTH)
    return caught.value


@asynccontextmanager
async def raw_server(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[str]:
    """A TCP server that does as told with each connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def saying(text: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(text)
        await writer.drain()

    return answer


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError, NotSentError),
        (httpx.ConnectTimeout, NotSentError),
        (httpx.PoolTimeout, NotSentError),
        (httpx.ProxyError, NotSentError),
        (httpx.WriteError, OutcomeUnknownError),
        (httpx.WriteTimeout, OutcomeUnknownError),
        (httpx.ReadError, OutcomeUnknownError),
        (httpx.ReadTimeout, OutcomeUnknownError),
        (httpx.CloseError, OutcomeUnknownError),
        (httpx.RemoteProtocolError, OutcomeUnknownError),
        (httpx.LocalProtocolError, OutcomeUnknownError),
        (httpx.DecodingError, OutcomeUnknownError),
        (ConnectionResetError, OutcomeUnknownError),
    ],
)
@respx.mock
async def test_a_network_error(http: httpx.AsyncClient, error: type[Exception], kind: type[CallError]) -> None:
    respx.post(f"{BASE}/v1/charges").mock(side_effect=error(f"with {SECRET}"))
    assert type(await failure(Transport(http, BASE, 5))) is kind


@respx.mock
async def test_who_was_not_met_is_named(http: httpx.AsyncClient) -> None:
    respx.post(f"{BASE}/v1/charges").mock(side_effect=httpx.ConnectError(f"with {SECRET}"))
    error = await failure(Transport(http, f"{BASE}/", 5))
    assert f"no connection to {httpx.URL(BASE).host} " in str(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (429, NotSentError),
        (400, RefusedError),
        (401, RefusedError),
        (402, RefusedError),
        (403, RefusedError),
        (404, RefusedError),
        (409, RefusedError),
        (422, RefusedError),
        (408, OutcomeUnknownError),
        (301, OutcomeUnknownError),
        (303, OutcomeUnknownError),
        (307, OutcomeUnknownError),
        (500, OutcomeUnknownError),
        (502, OutcomeUnknownError),
        (503, OutcomeUnknownError),
        (504, OutcomeUnknownError),
    ],
)
@respx.mock
async def test_a_status(http: httpx.AsyncClient, status: int, kind: type[CallError]) -> None:
    elsewhere = respx.route(host="elsewhere.example").respond(200)
    respx.post(f"{BASE}/v1/charges").respond(status, headers={"location": "https://elsewhere.example/"})
    error = await failure(Transport(http, BASE, 5))
    assert type(error) is kind
    assert not elsewhere.called
    if isinstance(error, RefusedError):
        assert (error.status, error.code) == (status, "")


@respx.mock
async def test_redirects_are_not_followed_even_by_a_client_that_would() -> None:
    elsewhere = respx.route(host="elsewhere.example").respond(200)
    respx.post(f"{BASE}/v1/charges").respond(307, headers={"location": "https://elsewhere.example/"})
    async with httpx.AsyncClient(follow_redirects=True) as http:
        assert type(await failure(Transport(http, BASE, 5))) is OutcomeUnknownError
    assert not elsewhere.called


@respx.mock
async def test_429_says_when_to_come_back(http: httpx.AsyncClient) -> None:
    respx.post(f"{BASE}/v1/charges").respond(429, headers={"retry-after": "7"})
    error = await failure(Transport(http, BASE, 5))
    assert isinstance(error, NotSentError)
    assert error.retry_after == timedelta(seconds=7)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "0"}, 0),
        ({"retry-after": " 12 "}, 12),
        ({"retry-after": "99999999"}, 86400),
        ({"retry-after": "Mon, 01 Mar 2027 12:00:30 GMT", "date": "Mon, 01 Mar 2027 12:00:00 GMT"}, 30),
        ({"retry-after": "Mon, 01 Mar 2027 11:00:00 GMT", "date": "Mon, 01 Mar 2027 12:00:00 GMT"}, 0),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "1.5"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], wait_s: int | None) -> None:
    assert retry_after_of(httpx.Headers(headers)) == (None if wait_s is None else timedelta(seconds=wait_s))


@respx.mock
async def test_a_refusal_carries_the_code_but_no_text_of_the_answer(http: httpx.AsyncClient) -> None:
    respx.post(f"{BASE}/v1/charges").respond(422, text="no_funds|tok_do_not_show can't be charged")
    transport = Transport(http, BASE, 5, read_code=lambda body: body.decode().split("|")[0])
    error = await failure(transport)
    assert isinstance(error, RefusedError)
    assert error.code == "no_funds"
    assert str(error) == "POST /v1/charges answered 422 (no_funds)"


@respx.mock
async def test_a_refusal_whose_code_is_free_text_carries_none(http: httpx.AsyncClient) -> None:
    respx.post(f"{BASE}/v1/charges").respond(422, text="the card tok_do_not_show is no good")
    error = await failure(Transport(http, BASE, 5, read_code=bytes.decode))
    assert str(error) == "POST /v1/charges answered 422"


@respx.mock
async def test_what_is_sent(http: httpx.AsyncClient) -> None:
    http.headers["x-of-another"] = "1"
    http.cookies.set("session", "of-another-account", domain="processor.example")
    route = respx.post(f"{BASE}/v1/charges").respond(200, headers={"set-cookie": "a=b"}, json={})
    transport = Transport(http, BASE + "/", 5)
    for _ in range(2):
        await transport.send(CALL, AUTH)
    for sent in route.calls:
        assert sent.request.content == CALL.body
        assert sent.request.headers["idempotency-key"] == "key-1"
        assert sent.request.headers["authorization"] == f"Bearer {SECRET}"
        assert "cookie" not in sent.request.headers
        assert "x-of-another" not in sent.request.headers


class Body(msgspec.Struct):
    amount: int


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"amount":"tok_do_not_show"}', b'{"amount":1', b"\xff\xfe"])
@respx.mock
async def test_a_2xx_that_cannot_be_read_is_unknown(http: httpx.AsyncClient, body: bytes) -> None:
    respx.post(f"{BASE}/v1/charges").respond(201, content=body)
    answer = await Transport(http, BASE, 5).send(CALL, AUTH)
    with pytest.raises(OutcomeUnknownError) as caught:
        answer.decode(Body)
    assert str(caught.value) == "POST /v1/charges answered 201 with a body that can't be read"
    assert caught.value.__context__ is None


async def test_nobody_listens_is_not_sent(http: httpx.AsyncClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert type(await failure(Transport(http, f"http://127.0.0.1:{port}", 5))) is NotSentError


async def test_no_such_host_is_not_sent(http: httpx.AsyncClient) -> None:
    assert type(await failure(Transport(http, "http://nowhere.invalid", 5))) is NotSentError


async def test_tls_that_fails_is_not_sent(http: httpx.AsyncClient) -> None:
    async with raw_server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as where:
        assert type(await failure(Transport(http, f"https://{where}", 5))) is NotSentError


async def test_tls_that_hangs_until_the_total_timeout_is_not_sent(http: httpx.AsyncClient) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(hang) as where:
        transport = Transport(http, f"https://{where}", 0.1, connect_timeout_s=60)
        transport._timeouts["connect"] = 60.0  # only the total time-out can end it
        assert type(await failure(transport)) is NotSentError


async def test_no_answer_within_the_total_timeout_is_unknown(http: httpx.AsyncClient) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(hang) as where:
        assert type(await failure(Transport(http, f"http://{where}", 0.1))) is OutcomeUnknownError


async def test_an_answer_that_trickles_is_cut_off_by_the_total_timeout(http: httpx.AsyncClient) -> None:
    """Each byte comes well inside a read time-out; only a total one ends this."""

    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1 << 16)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with raw_server(trickle) as where:
        started = asyncio.get_running_loop().time()
        assert type(await failure(Transport(http, f"http://{where}", 0.2))) is OutcomeUnknownError
        assert asyncio.get_running_loop().time() - started < 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 2",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 422 Unprocessable\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
    ],
)
async def test_a_broken_answer_is_unknown(http: httpx.AsyncClient, answer: bytes) -> None:
    async with raw_server(saying(answer)) as where:
        assert type(await failure(Transport(http, f"http://{where}", 5))) is OutcomeUnknownError


@respx.mock
async def test_an_answer_that_is_too_large_is_unknown(http: httpx.AsyncClient) -> None:
    respx.post(f"{BASE}/v1/charges").respond(200, content=b"x" * 101)
    assert type(await failure(Transport(http, BASE, 5, max_answer_bytes=100))) is OutcomeUnknownError
    assert (await Transport(http, BASE, 5, max_answer_bytes=101).send(CALL, AUTH)).status == 200


async def test_a_full_pool_is_not_sent() -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(hang) as where, httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as http:
        first = asyncio.create_task(Transport(http, f"http://{where}", 1).send(CALL, AUTH))
        await asyncio.sleep(0.05)
        second = await failure(Transport(http, f"http://{where}", 5, connect_timeout_s=0.1))
        assert type(second) is NotSentError
        with pytest.raises(OutcomeUnknownError):
            await first


def everything_said(error: BaseException) -> str:
    chained = error.__context__ is not None or error.__cause__ is not None
    return repr(error) + "".join(traceback.format_exception(error)) + ("CHAINED" if chained else "")


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 500 X\r\ncontent-length: 15\r\n\r\ntok_do_not_show", b"tok_do_not_show"]
)
async def test_nothing_secret_in_errors_and_logs(
    http: httpx.AsyncClient, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("", "httpx", "httpcore"):
        caplog.set_level(logging.DEBUG, name)
    call = PreparedCall("DELETE", "/v1/methods/tok_do_not_show?x=tok_do_not_show", CALL.headers, CALL.body)
    async with raw_server(saying(answer)) as where:
        with structlog.testing.capture_logs() as logs:
            error = await failure(Transport(http, f"http://{where}", 5), call)
    said = everything_said(error) + caplog.text + repr(logs)
    assert "do_not_show" not in said
    assert "CHAINED" not in said
    assert logs[0]["call"] == "DELETE /v1/methods/{}"
    assert caplog.text == ""


async def test_a_header_that_cannot_be_sent_is_not_shown(http: httpx.AsyncClient) -> None:
    async with raw_server(saying(b"")) as where:
        transport = Transport(http, f"http://{where}", 5)
        with pytest.raises(CallError) as caught:
            await transport.send(CALL, {"authorization": f"Bearer {SECRET}\r\nx: y"})
    assert SECRET not in everything_said(caught.value)


async def test_httpx_is_heard_again_after_the_call(http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "httpx")
    async with raw_server(saying(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")) as where:
        await Transport(http, f"http://{where}", 5).send(CALL, AUTH)
        assert caplog.text == ""
        await http.get(f"http://{where}/")
    assert "HTTP Request" in caplog.text


@pytest.mark.parametrize(
    "url",
    ["", "processor.example", "ftp://processor.example", "https://", "https://user:pass@processor.example",
     "https://processor.example/?key=1", "https://processor.example/#x", "file:///etc/passwd"],
)  # fmt: skip
async def test_a_base_url_that_is_none(http: httpx.AsyncClient, url: str) -> None:
    with pytest.raises(ConfigurationError, match="base_url"):
        Transport(http, url, 5)


async def test_a_path_cannot_change_the_host(http: httpx.AsyncClient) -> None:
    with pytest.raises(ValueError, match="slash"):
        await Transport(http, BASE, 5).send(PreparedCall("GET", "@evil.example/", (), b""), AUTH)


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/v1/charges", "/v1/charges"),
        ("/v1/charges?reference=in_1.1", "/v1/charges"),
        ("/v1/methods/tok_123", "/v1/methods/{}"),
        ("/v1/charges/ch_1/cancel", "/v1/charges/{}/{}"),
        ("/storedPaymentMethods/abc", "/storedPaymentMethods/{}"),
        ("/graphql", "/graphql"),
        ("/v1/tok_1?x=/y", "/{}/{}"),
    ],
)
def test_templates(path: str, shown: str) -> None:
    assert template_of(path) == shown


@pytest.mark.parametrize("code", ["the card 4242 is no good", "a" * 65, "", "tok\n"])
def test_a_code_that_is_free_text_is_dropped(code: str) -> None:
    assert safe_code(code) == ""


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (NotSentError("x", timedelta(seconds=3)), NotSent("x", timedelta(seconds=3))),
        (RefusedError("x", 422, "no_funds"), Rejected("no_funds", "x")),
        (RefusedError("x", 403), Rejected("http_403", "x")),
        (OutcomeUnknownError("x"), Unknown("x")),
        (CallError("x"), Unknown("x")),
        (InexactMoneyError("x"), Unknown("the answer names an amount that can't be read")),
    ],
)
async def test_charge_outcome(error: CallError | InexactMoneyError, outcome: ChargeOutcome) -> None:
    async def call() -> ChargeOutcome:
        raise error

    assert await charge_outcome(call()) == outcome


async def test_charge_outcome_passes_an_outcome_on() -> None:
    async def call() -> ChargeOutcome:
        return Pending("ch_1")

    assert await charge_outcome(call()) == Pending("ch_1")


@pytest.mark.parametrize(
    "error", [NotSentError("x"), RefusedError("x", 403), OutcomeUnknownError("x"), InexactMoneyError("x")]
)
async def test_a_lookup_that_fails_says_nothing(error: CallError) -> None:
    async def call() -> LookupOutcome:
        raise error

    assert isinstance(await lookup_outcome(call()), LookupFailed)


async def test_cancellation_is_not_swallowed(http: httpx.AsyncClient) -> None:
    async def hang(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read(-1)

    async with raw_server(hang) as where:
        task = asyncio.create_task(Transport(http, f"http://{where}", 5).send(CALL, AUTH))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
