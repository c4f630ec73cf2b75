"""PayPal as recorded answers, and an adapter that talks to them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from processors.money import Money
from processors.paypal.client import PayPalAdapter
from processors.values import ChargeRequest, PaymentMethodReference, RefundRequest, Secret
from tests.processors.paypal.shapes import ACCOUNT, CAPTURE, HOST, REFERENCE, REFUND_REFERENCE, VAULT_ID

CLIENT_SECRET = "paypal_made_up_client_secret"
TOKEN = "A21AA-made-up-access-token"
WEBHOOK_ID = "1JE4291016473214C"
NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
OPTIONS = {"environment": "test", "account": ACCOUNT, "client_id": "made-up-client-id", "webhook_id": WEBHOOK_ID}


def make_adapter(http: httpx.AsyncClient, **options: str) -> PayPalAdapter:
    credentials = {"client_secret": Secret(CLIENT_SECRET)}
    return PayPalAdapter.from_config(credentials, OPTIONS | options, http, lambda: NOW)


def charge_request(**changed: Any) -> ChargeRequest:
    """10.00 USD, for an invoice."""
    fields: dict[str, Any] = {
        "reference": REFERENCE,
        "idempotency_key": "5a7b0c1e-made-up-key",
        "amount": Money(1000, "usd"),
        "method": PaymentMethodReference(Secret(VAULT_ID)),
        "description": "Invoice in_1",
        "metadata": {"stripe_invoice": "in_1", "attempt_number": "1"},
    }
    return ChargeRequest(**(fields | changed))


def refund_request(amount: int = 1000, **changed: Any) -> RefundRequest:
    fields: dict[str, Any] = {"reference": REFUND_REFERENCE, "idempotency_key": "refund-key", "charge_id": CAPTURE}
    return RefundRequest(**(fields | {"amount": Money(amount, "usd")} | changed))


@dataclass
class PayPal:
    """The answers to come, by path, and the adapter."""

    router: respx.MockRouter
    adapter: PayPalAdapter

    def says(self, method: str, path: str, *answers: Any) -> respx.Route:
        """Each answer is (status, JSON), or an exception; the last one stands for all further calls."""
        made = [one if isinstance(one, Exception) else _response(*one) for one in answers]
        return self.router.route(method=method, path=path).mock(side_effect=_Script(made))

    async def charge(self, *answers: Any, **changed: Any) -> Any:
        self.says("POST", "/v2/checkout/orders", *answers)
        return await self.adapter.charge(self.adapter.prepare_charge(charge_request(**changed)))

    async def refund(self, *answers: Any, amount: int = 1000) -> Any:
        self.says("POST", f"/v2/payments/captures/{CAPTURE}/refund", *answers)
        return await self.adapter.refund(self.adapter.prepare_refund(refund_request(amount)))

    def sent(self, method: str, path: str) -> list[httpx.Request]:
        called = [call.request for call in self.router.calls]
        return [one for one in called if (one.method, one.url.path) == (method, path)]


class _Script:
    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)


def _response(status: int, body: Any = None, headers: dict[str, str] | None = None) -> httpx.Response:
    if isinstance(body, bytes):
        return httpx.Response(status, content=body, headers=headers)
    return httpx.Response(status, json=body, headers=headers)


def token_answer(token: str = TOKEN, expires_in: int = 32400) -> tuple[int, dict[str, Any]]:
    return 200, {
        "access_token": token,
        "token_type": "Bearer",
        "app_id": "APP-80W284485P519543T",
        "expires_in": expires_in,
    }


@pytest.fixture
async def paypal() -> AsyncIterator[PayPal]:
    async with httpx.AsyncClient(trust_env=False) as http:
        with respx.mock(base_url=HOST, assert_all_called=False) as router:
            made = PayPal(router, make_adapter(http))
            made.says("POST", "/v1/oauth2/token", token_answer())
            yield made
