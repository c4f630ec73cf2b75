"""Webhook signatures: a certificate from PayPal's own hosts alone, over the raw bytes, for our webhook."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from zlib import crc32

import httpx
import msgspec
import pytest
import respx

from processors.errors import CallError, DeliveryMalformedError, SignatureInvalidError
from processors.events import Acknowledgement, RawDelivery, Reply
from processors.paypal.certificates import MOST, signed_message
from processors.paypal.client import PayPalAdapter
from tests.processors.paypal.conftest import NOW, WEBHOOK_ID, make_adapter
from tests.processors.paypal.shapes import capture, event
from tests.processors.paypal.signing import (
    CERT_PATH,
    CERT_URL,
    SENT_AT,
    TRANSMISSION,
    certificate,
    curve_key,
    deliver,
    rsa_key,
    sign,
)

EVENT = event("PAYMENT.CAPTURE.COMPLETED", capture())
BODY = msgspec.json.encode(EVENT)


@pytest.fixture
async def adapter() -> AsyncIterator[PayPalAdapter]:
    async with httpx.AsyncClient(trust_env=False) as http:
        yield make_adapter(http)


@pytest.fixture
def hosts() -> Any:
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
def fetched(hosts: respx.MockRouter) -> respx.Route:
    return hosts.get(CERT_URL).respond(content=certificate())


async def test_what_is_signed_is_the_checksum_of_the_raw_bytes_as_a_decimal(adapter: PayPalAdapter) -> None:
    expected = f"{TRANSMISSION}|{SENT_AT}|{WEBHOOK_ID}|{crc32(BODY)}"
    assert signed_message(deliver(EVENT), WEBHOOK_ID) == expected.encode()
    assert crc32(b"123456789") == 3421780262  # the published check value of CRC-32


async def test_a_signed_delivery_is_one_notice(adapter: PayPalAdapter, fetched: respx.Route) -> None:
    (notice,) = await adapter.verify(deliver(EVENT))
    assert (notice.key, notice.kind, notice.body) == (EVENT["id"], "PAYMENT.CAPTURE.COMPLETED", BODY)


async def test_a_certificate_is_fetched_once(adapter: PayPalAdapter, fetched: respx.Route) -> None:
    for _ in range(3):
        await adapter.verify(deliver(EVENT))
    assert fetched.call_count == 1
    assert "authorization" not in fetched.calls[0].request.headers


async def test_only_so_many_certificates_are_kept(adapter: PayPalAdapter, hosts: respx.MockRouter) -> None:
    route = hosts.get(url__startswith=CERT_URL).respond(content=certificate())
    for n in [*range(MOST + 1), MOST, 0]:
        await adapter.verify(deliver(EVENT, paypal_cert_url=f"{CERT_URL}-{n}"))
    assert route.call_count == MOST + 2
    assert len(adapter._certificates._known) == MOST


async def test_certificates_that_are_not_there_hold_nobody_up(
    adapter: PayPalAdapter, hosts: respx.MockRouter, fetched: respx.Route
) -> None:
    await adapter.verify(deliver(EVENT))
    asked, answered = asyncio.Event(), asyncio.Event()

    async def slow(_request: httpx.Request) -> httpx.Response:
        asked.set()
        await answered.wait()
        return httpx.Response(404)

    hosts.get(f"{CERT_URL}-made-up").mock(side_effect=slow)
    stranger = asyncio.create_task(adapter.verify(deliver(EVENT, paypal_cert_url=f"{CERT_URL}-made-up")))
    await asked.wait()
    assert await adapter.verify(deliver(EVENT))
    answered.set()
    with pytest.raises(SignatureInvalidError):
        await stranger


@pytest.mark.parametrize(
    "headers",
    [
        {"paypal_transmission_sig": None},
        {"paypal_transmission_sig": ""},
        {"paypal_transmission_sig": "not base64 at all!"},
        {"paypal_transmission_sig": b64encode(b"\0" * 256).decode()},
        {"paypal_transmission_sig": sign(BODY, rsa_key("another"))},
        {"paypal_transmission_sig": sign(BODY, webhook_id="2JE4291016473214C")},
        {"paypal_transmission_sig": sign(BODY, webhook_id="WEBHOOK_ID")},
        {"paypal_transmission_sig": sign(BODY, webhook_id="")},
        {"paypal_transmission_id": None},
        {"paypal_transmission_id": "another"},
        {"paypal_transmission_time": None},
        {"paypal_transmission_time": "2027-03-01T12:00:02Z"},
        {"paypal_auth_algo": None},
        {"paypal_auth_algo": "SHA1withRSA"},
        {"paypal_auth_algo": "none"},
    ],
    # Signatures differ in each process, and tests must be called the same in all.
    ids=lambda headers: f"{next(iter(headers))}",
)
async def test_a_signature_that_does_not_hold(
    adapter: PayPalAdapter, fetched: respx.Route, headers: dict[str, str | None]
) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(deliver(EVENT, **headers))


@pytest.mark.parametrize(
    "body",
    [BODY[:-1] + b" }", BODY.replace(b"10.00", b"99.00"), msgspec.json.format(BODY), b""],
    ids=["a byte", "an amount", "re-serialised", "empty"],
)
async def test_a_body_that_was_changed(adapter: PayPalAdapter, fetched: respx.Route, body: bytes) -> None:
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(deliver(body, paypal_transmission_sig=sign(BODY)))


async def test_a_header_that_stands_there_twice_is_none(adapter: PayPalAdapter, fetched: respx.Route) -> None:
    good = deliver(EVENT)
    twice = (*good.headers, ("paypal-transmission-sig", sign(BODY)))
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(RawDelivery(good.method, good.url, twice, (), good.body))


@pytest.mark.scenario(251)
@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        f"http://api.sandbox.paypal.com{CERT_PATH}",
        f"https://api.paypal.com{CERT_PATH}",
        f"https://api.sandbox.paypal.com.attacker.example{CERT_PATH}",
        f"https://attacker.example{CERT_PATH}",
        f"https://attacker.example/?https://api.sandbox.paypal.com{CERT_PATH}",
        f"https://api.sandbox.paypal.com@attacker.example{CERT_PATH}",
        f"https://user:pass@api.sandbox.paypal.com{CERT_PATH}",
        f"https://api.sandbox.paypal.com:8443{CERT_PATH}",
        f"https://api.sandbox.paypal.com{CERT_PATH}?next=1",
        f"https://api.sandbox.paypal.com{CERT_PATH}#x",
        "https://api.sandbox.paypal.com/v1/notifications/certs/../webhooks",
        "https://api.sandbox.paypal.com/v1/notifications/certs/%2e%2e/webhooks",
        "https://api.sandbox.paypal.com/v1/customer/disputes",
        "https://[::1",
    ],
)
async def test_a_certificate_from_anywhere_else_is_not_even_asked_for(
    adapter: PayPalAdapter, hosts: respx.MockRouter, address: str | None
) -> None:
    asked = hosts.route().respond(content=certificate())
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(deliver(EVENT, paypal_cert_url=address))
    assert not asked.called


async def test_a_live_connection_believes_no_sandbox(hosts: respx.MockRouter) -> None:
    live = "https://api.paypal.com"
    hosts.get(f"{live}{CERT_PATH}").respond(content=certificate())
    async with httpx.AsyncClient(trust_env=False) as http:
        adapter = make_adapter(http, environment="live")
        assert await adapter.verify(deliver(EVENT, paypal_cert_url=f"{live}{CERT_PATH}"))
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(deliver(EVENT))


async def test_another_host_is_asked_only_where_the_connection_is_for_it(hosts: respx.MockRouter) -> None:
    hosts.get(f"http://127.0.0.1:9999{CERT_PATH}").respond(content=certificate())
    async with httpx.AsyncClient(trust_env=False) as http:
        adapter = make_adapter(http, base_url="http://127.0.0.1:9999/")
        assert await adapter.verify(deliver(EVENT, paypal_cert_url=f"http://127.0.0.1:9999{CERT_PATH}"))
        with pytest.raises(SignatureInvalidError):
            await adapter.verify(deliver(EVENT))


@pytest.mark.parametrize(
    "made",
    [
        {"begins": NOW - timedelta(days=60)},
        {"begins": NOW + timedelta(hours=1)},
        {"key": rsa_key("small", 1024)},
        {"key": curve_key()},
    ],
    ids=["expired", "not yet", "a small key", "no RSA"],
)
async def test_a_certificate_that_does_not_do(
    adapter: PayPalAdapter, hosts: respx.MockRouter, made: dict[str, Any]
) -> None:
    hosts.get(CERT_URL).respond(content=certificate(**made))
    signature = sign(BODY, made["key"]) if made.get("key") is rsa_key("small", 1024) else sign(BODY)
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(deliver(EVENT, paypal_transmission_sig=signature))


@pytest.mark.parametrize("answer", [(200, b"<html></html>"), (200, b""), (404, b"")], ids=str)
async def test_what_is_no_certificate_proves_nothing_and_is_not_kept(
    adapter: PayPalAdapter, hosts: respx.MockRouter, answer: tuple[int, bytes]
) -> None:
    route = hosts.get(CERT_URL).respond(answer[0], content=answer[1])
    with pytest.raises(SignatureInvalidError):
        await adapter.verify(deliver(EVENT))
    route.respond(content=certificate())
    assert await adapter.verify(deliver(EVENT))


@pytest.mark.parametrize("answer", [500, 503, 429, 302, httpx.ConnectError("x"), httpx.ReadTimeout("x")], ids=str)
async def test_a_certificate_that_cannot_be_fetched_now_is_no_refusal(
    adapter: PayPalAdapter, hosts: respx.MockRouter, answer: Any
) -> None:
    hosts.get(CERT_URL).mock(side_effect=[answer if isinstance(answer, Exception) else httpx.Response(answer)])
    with pytest.raises(CallError):
        await adapter.verify(deliver(EVENT))


@pytest.mark.parametrize(
    "body", [b"[]", b"no JSON", b"{}", msgspec.json.encode(EVENT | {"id": ""}), msgspec.json.encode({"id": "WH-1"})]
)
async def test_a_signed_body_that_is_no_event(adapter: PayPalAdapter, fetched: respx.Route, body: bytes) -> None:
    with pytest.raises(DeliveryMalformedError):
        await adapter.verify(deliver(body))


async def test_the_answers_that_paypal_wants(adapter: PayPalAdapter) -> None:
    delivery = deliver(EVENT)
    assert adapter.acknowledge(delivery, Acknowledgement.STORED) == Reply()
    assert adapter.acknowledge(delivery, Acknowledgement.REFUSED).status == 400
