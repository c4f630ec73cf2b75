"""The practice processor as a real server on a free port of the test's own loop, and an adapter that talks to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest

from gateway.sandbox.practice import PracticeProcessor, create_app
from gateway.sandbox.practice.account import Account
from processors.events import RawDelivery
from processors.interface import Clock
from processors.money import Money
from processors.practice.client import PracticeAdapter
from processors.values import ChargeRequest, PaymentMethodReference, Secret
from tests.support.serving import Door, open_door

API_KEY = "practice_test_key_1"
WEBHOOK_SECRET = "practice_webhook_secret_1"
START = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class Receiver:
    """A webhook endpoint that keeps what it's sent; `answers` are the statuses of the next ones, then 200."""

    url: str = ""
    deliveries: list[RawDelivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = tuple((name.decode(), value.decode()) for name, value in scope["headers"])
        self.deliveries.append(RawDelivery("POST", self.url, headers, (), body))
        status = self.answers.pop(0) if self.answers else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})


@dataclass
class Practice:
    """One served practice processor with one account, and the adapter for it."""

    processor: PracticeProcessor
    adapter: PracticeAdapter
    base_url: str
    http: httpx.AsyncClient

    @property
    def account(self) -> Account:
        return self.processor.account(API_KEY)

    def request(self, kind: str = "ok", reference: str = "in_1.1", **changed: Any) -> ChargeRequest:
        """A charge of 10.00 EUR on a new payment method of this kind."""
        token = changed.pop("token", None) or self.processor.create_method(API_KEY, kind).token
        fields = {
            "reference": reference,
            "idempotency_key": f"key-{reference}",
            "amount": Money(1000, "eur"),
            "method": PaymentMethodReference(Secret(token)),
            "description": "Invoice in_1",
            "metadata": {"invoice": "in_1"},
        }
        return ChargeRequest(**(fields | changed))

    async def charge(self, kind: str = "ok", reference: str = "in_1.1", **changed: Any) -> Any:
        return await self.adapter.charge(self.adapter.prepare_charge(self.request(kind, reference, **changed)))

    def charges_sent(self) -> list[Any]:
        return self.processor.calls.to("POST", "/v1/charges")


def machine_now() -> datetime:
    """The processor signs by the machine's time."""
    return datetime.now(UTC)


def make_adapter(
    http: httpx.AsyncClient, base_url: str, account: str, api_key: str = API_KEY, clock: Clock = machine_now
) -> PracticeAdapter:
    credentials = {"api_key": Secret(api_key), "webhook_secret": Secret(WEBHOOK_SECRET)}
    return PracticeAdapter.from_config(credentials, {"base_url": base_url, "account": account}, http, clock)


@pytest.fixture(scope="session")
async def processor_door() -> AsyncIterator[Door]:
    async with open_door() as door:
        yield door


@pytest.fixture(scope="session")
async def receiver_door() -> AsyncIterator[Door]:
    async with open_door() as door:
        yield door


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


@pytest.fixture
async def practice(processor_door: Door, http: httpx.AsyncClient) -> AsyncIterator[Practice]:
    processor = PracticeProcessor(lambda: START)
    processor_door.app = create_app(processor)
    account = processor.account(API_KEY)
    await processor.delivery.start()
    yield Practice(processor, make_adapter(http, processor_door.url, account.id), processor_door.url, http)
    await processor.delivery.stop()


@pytest.fixture
async def receiver(receiver_door: Door) -> Receiver:
    receiver_door.app = Receiver(f"{receiver_door.url}/webhooks/acct_1/practice")
    return cast(Receiver, receiver_door.app)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Wait, at most two seconds, until something holds."""

    async def wait(holds: Callable[[], bool]) -> None:
        for _ in range(400):
            if holds():
                return
            await asyncio.sleep(0.005)
        raise AssertionError("it never came to hold")

    return wait
