"""An adapter over a Braintree that answers from a list; every request is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
import respx

from processors.braintree.client import BraintreeAdapter
from processors.events import ProcessorEvent
from processors.money import Money
from processors.outcome import ChargeOutcome, RefundOutcome
from processors.values import ChargeRequest, PaymentMethodReference, RefundRequest, Secret
from tests.processors.braintree import shapes

CREDENTIALS = {"public_key": Secret(shapes.PUBLIC), "private_key": Secret(shapes.PRIVATE)}
OPTIONS = {
    "environment": "test",
    "account": "acme",
    "merchant_accounts": "eur=acme_eur,jpy=acme_jpy,kwd=acme_kwd,usd=acme_usd",
}
START = datetime(2027, 3, 1, 12, tzinfo=UTC)


@dataclass
class Braintree:
    """`says` are the answers to come: a shape, a status with a body, or an error of the network."""

    adapter: BraintreeAdapter
    says: list[Any] = field(default_factory=list)
    sent: list[httpx.Request] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        if isinstance(said, httpx.Response):
            return said
        return httpx.Response(200, content=msgspec.json.encode(said))

    @property
    def asked(self) -> list[Any]:
        """What was asked for: the variables of each request."""
        return [msgspec.json.decode(request.content)["variables"] for request in self.sent]

    @property
    def operations(self) -> list[str]:
        documents = [msgspec.json.decode(request.content)["query"] for request in self.sent]
        return [document.split("(")[0].split()[1] for document in documents]

    async def charge(self, *says: Any, **changed: Any) -> ChargeOutcome:
        self.says += says
        return await self.adapter.charge(self.adapter.prepare_charge(request(**changed)))

    async def refund(self, *says: Any, **changed: Any) -> RefundOutcome:
        self.says += says
        return await self.adapter.refund(self.adapter.prepare_refund(refund_request(**changed)))

    async def told(self, content: bytes, *says: Any) -> ProcessorEvent:
        """The event of a delivery with this content."""
        self.says += says
        (notice,) = await self.adapter.verify(shapes.delivered(content))
        (event,) = await self.adapter.parse(notice)
        return event


def request(**changed: Any) -> ChargeRequest:
    fields = {
        "reference": shapes.REFERENCE,
        "idempotency_key": "5a1c7a52-8a4e-5d8e-9f57-0d9f3c1d2e12",
        "amount": Money(1050, "eur"),
        "method": PaymentMethodReference(Secret(shapes.TOKEN), Secret(shapes.CUSTOMER)),
        "description": "Invoice ACME-1",
        "metadata": {"invoice": "in_1Made"},
    }
    return ChargeRequest(**(fields | changed))


def refund_request(**changed: Any) -> RefundRequest:
    fields = {
        "reference": shapes.REFUND_REFERENCE,
        "idempotency_key": "6b2d8b63-9b5f-5e9f-a068-1e0a4d2e3f23",
        "charge_id": shapes.CHARGE_ID,
        "amount": Money(1050, "eur"),
    }
    return RefundRequest(**(fields | changed))


@pytest.fixture
async def braintree() -> AsyncIterator[Braintree]:
    router = respx.MockRouter(assert_all_called=False)
    async with httpx.AsyncClient(transport=httpx.MockTransport(router.async_handler), trust_env=False) as http:
        there = Braintree(BraintreeAdapter.from_config(CREDENTIALS, OPTIONS, http, lambda: START))
        router.post("https://payments.sandbox.braintree-api.com/graphql").mock(side_effect=there.answer)
        yield there
