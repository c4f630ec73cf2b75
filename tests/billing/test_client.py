"""The client: what goes out, and what each failure means."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qs

import httpx
import msgspec
import pytest
import respx

from db.engine import DB
from db.errors import TransactionMisuseError
from gateway.billing.client import API_VERSION, StripeClient, from_unix
from gateway.billing.errors import (
    StripeError,
    StripeForbiddenError,
    StripeNotSentError,
    StripeRefusedError,
    StripeUnknownError,
)
from gateway.billing.invoices import EXPAND, finalize, pay_out_of_band, read, tag
from tests.billing.payloads import DAHLIA, paid

BASE = "https://stripe.example"
KEY = "rk_test_do_not_show"
PAY = "/v1/invoices/in_1/pay"
INVOICE = "/v1/invoices/in_1"


class Thing(msgspec.Struct):
    id: str


@pytest.fixture
async def client() -> AsyncIterator[StripeClient]:
    client = StripeClient(KEY, base=BASE, timeout_s=2)
    yield client
    await client.close()


@pytest.fixture
def stripe() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router


def error(type_: str = "invalid_request_error", **fields: str) -> dict[str, object]:
    return {"error": {"type": type_, "message": "Invoice is already paid", **fields}}


async def pay(client: StripeClient) -> Thing:
    return await client.post(PAY, Thing, {"paid_out_of_band": True}, key="key_1")


async def failure(client: StripeClient) -> StripeError:
    with pytest.raises(StripeError) as raised:
        await pay(client)
    return raised.value


# --- what goes out -------------------------------------------------------------------------------------------------


async def test_a_post_goes_out_as_it_was_given(client: StripeClient, stripe: respx.MockRouter) -> None:
    route = stripe.post(PAY).respond(json={"id": "in_1"})
    params = {"paid_out_of_band": True, "metadata": {"a": "1", "b": "two words"}, "expand": ["x.y", "z"]}
    assert await client.post(PAY, Thing, params, key="key_1") == Thing("in_1")
    request = route.calls.last.request
    assert request.headers["idempotency-key"] == "key_1"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["stripe-version"] == API_VERSION == "2026-08-26.dahlia"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(request.content.decode()) == {
        "paid_out_of_band": ["true"],
        "metadata[a]": ["1"],
        "metadata[b]": ["two words"],
        "expand[0]": ["x.y"],
        "expand[1]": ["z"],
    }


async def test_the_same_call_has_the_same_bytes(client: StripeClient, stripe: respx.MockRouter) -> None:
    """Law 2, and Stripe's: other parameters under one key are an error."""
    route = stripe.post(PAY).respond(json={"id": "in_1"})
    await pay(client)
    await pay(client)
    first, second = (call.request for call in route.calls)
    assert first.content == second.content
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == "key_1"


async def test_calls_without_a_key_share_none(client: StripeClient, stripe: respx.MockRouter) -> None:
    route = stripe.post(PAY).respond(json={"id": "in_1"})
    for _ in range(2):
        await client.post(PAY, Thing, {})
    keys = [call.request.headers.get("idempotency-key") for call in route.calls]
    assert keys == [None, None] or keys[0] != keys[1]


async def test_a_get_asks_in_its_address(client: StripeClient, stripe: respx.MockRouter) -> None:
    route = stripe.get(INVOICE).respond(json={"id": "in_1"})
    assert await client.get(INVOICE, Thing, {"expand": ["payments"]}) == Thing("in_1")
    request = route.calls.last.request
    assert parse_qs(request.url.query.decode()) == {"expand[0]": ["payments"]}
    assert request.content == b""


async def test_a_delete(client: StripeClient, stripe: respx.MockRouter) -> None:
    route = stripe.delete("/v1/subscriptions/sub_1").respond(json={"id": "sub_1"})
    assert await client.delete("/v1/subscriptions/sub_1", Thing) == Thing("sub_1")
    assert route.call_count == 1


@pytest.mark.parametrize("status", [409, 429, 500, 503])
async def test_nothing_is_sent_twice_by_itself(client: StripeClient, stripe: respx.MockRouter, status: int) -> None:
    """Every retry of ours follows a committed row; the package's own are off, whatever Stripe suggests."""
    route = stripe.post(PAY).respond(status, json=error("api_error"), headers={"stripe-should-retry": "true"})
    await failure(client)
    assert route.call_count == 1


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("method", ["get", "post", "delete"])
async def test_no_call_inside_a_transaction(client: StripeClient, stripe: respx.MockRouter, method: str) -> None:
    route = stripe.route().respond(json={"id": "in_1"})
    async with DB.transaction():
        with pytest.raises(TransactionMisuseError, match=f"{method.upper()} /v1/invoices/in_1 was called inside"):
            await getattr(client, method)(INVOICE, Thing, {})
    assert route.call_count == 0
    await getattr(client, method)(INVOICE, Thing, {})
    assert route.call_count == 1


# --- what came of it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "code", "param"),
    [
        (400, error(), "", ""),
        (400, error(code="invoice_not_editable", param="invoice"), "invoice_not_editable", "invoice"),
        (400, error("idempotency_error"), "", ""),
        (402, error("card_error", code="card_declined"), "card_declined", ""),
        (404, error(code="resource_missing", param="invoice"), "resource_missing", "invoice"),
        (422, error(), "", ""),
    ],
)
async def test_a_refusal_says_that_nothing_happened(
    client: StripeClient, stripe: respx.MockRouter, status: int, body: dict[str, object], code: str, param: str
) -> None:
    stripe.post(PAY).respond(status, json=body)
    refused = await failure(client)
    assert isinstance(refused, StripeRefusedError)
    assert (refused.status, refused.code, refused.param) == (status, code, param)
    assert str(refused).startswith("POST /v1/invoices/in_1/pay: ")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_can_not_do_this(client: StripeClient, stripe: respx.MockRouter, status: int) -> None:
    message = f"Invalid API Key provided: {KEY}"
    stripe.post(PAY).respond(status, json={"error": {"type": "invalid_request_error", "message": message}})
    forbidden = await failure(client)
    assert isinstance(forbidden, StripeForbiddenError)
    assert KEY not in str(forbidden)


@pytest.mark.parametrize("header", ["Retry-After", "retry-after"])
@pytest.mark.parametrize(("asked", "wait_s"), [("7", 7.0), ("0", 0.0), (None, 1.0), ("soon", 1.0), ("", 1.0)])
async def test_too_many_requests_were_not_sent(
    client: StripeClient, stripe: respx.MockRouter, header: str, asked: str | None, wait_s: float
) -> None:
    headers = {} if asked is None else {header: asked}
    stripe.post(PAY).respond(429, json=error(code="rate_limit"), headers=headers)
    not_sent = await failure(client)
    assert isinstance(not_sent, StripeNotSentError)
    assert not_sent.retry_after_s == wait_s


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (409, b'{"error": {"type": "idempotency_error", "message": "in progress"}}'),
        (500, b'{"error": {"type": "api_error", "message": "sorry"}}'),
        (502, b"<html>Bad gateway</html>"),
        (503, b""),
        (504, b"upstream timeout"),
    ],
)
async def test_it_may_have_happened(client: StripeClient, stripe: respx.MockRouter, status: int, body: bytes) -> None:
    stripe.post(PAY).respond(status, content=body)
    assert type(await failure(client)) is StripeUnknownError


@pytest.mark.parametrize("body", [b"", b"<html>OK</html>", b'{"id": "in_1', b"null", b'{"id": 7}', b"[]"])
async def test_an_answer_that_can_not_be_read_may_have_happened(
    client: StripeClient, stripe: respx.MockRouter, body: bytes
) -> None:
    stripe.post(PAY).respond(200, content=body)
    assert type(await failure(client)) is StripeUnknownError


@pytest.mark.parametrize("cause", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
async def test_without_a_connection_nothing_was_sent(
    client: StripeClient, stripe: respx.MockRouter, cause: type[httpx.HTTPError]
) -> None:
    stripe.post(PAY).mock(side_effect=cause("no"))
    assert isinstance(await failure(client), StripeNotSentError)


async def test_a_refused_connection_was_not_sent() -> None:
    """On a real socket: nothing listens at port 1."""
    client = StripeClient(KEY, base="http://127.0.0.1:1", timeout_s=2)
    try:
        assert isinstance(await failure(client), StripeNotSentError)
    finally:
        await client.close()


@pytest.mark.parametrize(
    "cause",
    [
        httpx.ReadTimeout,
        httpx.WriteTimeout,
        httpx.ReadError,
        httpx.WriteError,
        httpx.CloseError,
        httpx.RemoteProtocolError,
        httpx.LocalProtocolError,
    ],
)
async def test_once_connected_it_may_have_happened(
    client: StripeClient, stripe: respx.MockRouter, cause: type[httpx.HTTPError]
) -> None:
    stripe.post(PAY).mock(side_effect=cause("broke"))
    assert type(await failure(client)) is StripeUnknownError


async def test_one_call_takes_no_longer_than_its_total_time(stripe: respx.MockRouter) -> None:
    """Also where every single read is in time: the claim that covers it must not run out."""
    client = StripeClient(KEY, base=BASE, timeout_s=0.1)

    async def slowly(_: httpx.Request) -> httpx.Response:
        await asyncio.sleep(5)
        return httpx.Response(200, json={"id": "in_1"})

    stripe.post(PAY).mock(side_effect=slowly)
    try:
        async with asyncio.timeout(2):
            late = await failure(client)
    finally:
        await client.close()
    assert type(late) is StripeUnknownError
    assert "no answer within 0.1 s" in str(late)


async def test_who_gives_up_is_not_told_that_it_failed(client: StripeClient, stripe: respx.MockRouter) -> None:
    """A worker that is stopped in a call must stop, and not take it for an answer."""
    began = asyncio.Event()

    async def forever(_: httpx.Request) -> httpx.Response:
        began.set()
        await asyncio.sleep(60)
        raise AssertionError

    stripe.post(PAY).mock(side_effect=forever)
    calling = asyncio.create_task(pay(client))
    await began.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling


async def test_an_error_quotes_no_token(client: StripeClient, stripe: respx.MockRouter) -> None:
    """Law 12: Stripe quotes what it refuses, and metadata hold what third parties call their tokens."""
    token = "tok_secret_of_a_payer"
    said = f"Metadata values can have up to 500 characters. Invalid value: {token}"
    stripe.post(INVOICE).respond(400, json={"error": {"type": "invalid_request_error", "message": said}})
    with pytest.raises(StripeRefusedError) as refused:
        await tag(client, "in_1", {"third_party_payment_method_id": token})
    assert token not in str(refused.value)
    assert "Metadata values can have up to 500 characters" in str(refused.value)
    assert token not in "".join(traceback.format_exception(refused.value)), "nor what caused it"


# --- invoices ------------------------------------------------------------------------------------------------------


async def test_an_invoice_is_read_with_its_payments(client: StripeClient, stripe: respx.MockRouter) -> None:
    route = stripe.get(INVOICE).respond(json=DAHLIA)
    found = await read(client, "in_1")
    assert found.shape.amount_remaining == 1000
    assert msgspec.json.decode(found.raw) == DAHLIA
    assert parse_qs(route.calls.last.request.url.query.decode()) == {"expand[0]": EXPAND}


async def test_a_draft_that_is_gone_reads_as_deleted(client: StripeClient, stripe: respx.MockRouter) -> None:
    stripe.get(INVOICE).respond(404, json=error(code="resource_missing"))
    found = await read(client, "in_1")
    assert (found.shape.id, found.shape.deleted) == ("in_1", True)


async def test_another_refusal_is_not_a_deletion(client: StripeClient, stripe: respx.MockRouter) -> None:
    stripe.get(INVOICE).respond(400, json=error())
    with pytest.raises(StripeRefusedError):
        await read(client, "in_1")


async def test_it_is_marked_paid_out_of_band_under_its_key(client: StripeClient, stripe: respx.MockRouter) -> None:
    """Without `paid_out_of_band` Stripe would take the money itself."""
    route = stripe.post(PAY).respond(json=paid(DAHLIA))
    assert (await pay_out_of_band(client, "in_1", "key_9")).shape.status == "paid"
    request = route.calls.last.request
    assert request.headers["idempotency-key"] == "key_9"
    assert parse_qs(request.content.decode()) == {"paid_out_of_band": ["true"], "expand[0]": EXPAND}


async def test_tagging_touches_only_metadata(client: StripeClient, stripe: respx.MockRouter) -> None:
    route = stripe.post(INVOICE).respond(json=DAHLIA)
    await tag(client, "in_1", {"tollbridge_attempt": "att_1"})
    assert parse_qs(route.calls.last.request.content.decode()) == {
        "metadata[tollbridge_attempt]": ["att_1"],
        "expand[0]": EXPAND,
    }


async def test_finalizing_shows_payments_too(client: StripeClient, stripe: respx.MockRouter) -> None:
    """Finalize's answer counts as the last look, so it must show what the last look needs."""
    route = stripe.post(f"{INVOICE}/finalize").respond(json=DAHLIA)
    await finalize(client, "in_1")
    assert parse_qs(route.calls.last.request.content.decode()) == {"expand[0]": EXPAND}


def test_times_are_aware() -> None:
    assert from_unix(None) is None
    assert str(from_unix(0)) == "1970-01-01 00:00:00+00:00"


async def test_a_call_that_hears_of_the_rotation_late_goes_out_with_the_new_key(stripe: respx.MockRouter) -> None:
    """Two calls are under way when the key is rolled. The first 401 takes up the new key; the second comes after that,
    and is judged by the key that the client has by then: the call fails, though it was never made with the good key."""

    async def key_now() -> str:
        return "sk_test_new"

    late_is_there, first_done = asyncio.Event(), asyncio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.headers["authorization"].endswith("sk_test_new"):
            first_done.set()
            return httpx.Response(200, json={"id": "in_1"})
        if request.url.path.endswith("late"):
            late_is_there.set()
            await first_done.wait()
        await late_is_there.wait()
        return httpx.Response(401, json=error())

    stripe.get(path__startswith="/v1/invoices/").mock(side_effect=answer)
    client = StripeClient("sk_test_old", base=BASE, timeout_s=2.0, key_now=key_now)
    try:
        both = await asyncio.gather(
            client.get("/v1/invoices/in_early", Thing),
            client.get("/v1/invoices/in_late", Thing),
            return_exceptions=True,
        )
    finally:
        await client.close()
    assert [one for one in both if isinstance(one, Exception)] == []
