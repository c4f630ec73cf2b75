"""GoCardless as it answers: shapes of its resources, and an adapter whose calls respx catches."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx

from processors.events import Notice, ProcessorEvent, RawDelivery
from processors.gocardless.client import GoCardlessAdapter
from processors.gocardless.notices import signature
from processors.money import Money
from processors.values import ChargeRequest, PaymentMethodReference, RefundRequest, Secret

BASE = "https://api-sandbox.gocardless.com"
TOKEN = "sandbox_made_up_access_token"
WEBHOOK_SECRET = "made-up-webhook-secret"
PREVIOUS_SECRET = "made-up-webhook-secret-of-last-year"
ACCOUNT = "CR123"
MANDATE = "MD0000MADEUP1"
AT = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)

Json = dict[str, Any]


def make_adapter(http: httpx.AsyncClient, **changed: str) -> GoCardlessAdapter:
    secrets = {"access_token": TOKEN, "webhook_secret": WEBHOOK_SECRET}
    options = {"environment": "test", "account": ACCOUNT}
    for name, value in changed.items():
        (options if name in ("environment", "account", "base_url") else secrets)[name] = value
    credentials = {name: Secret(value) for name, value in secrets.items()}
    return GoCardlessAdapter.from_config(credentials, options, http, lambda: AT)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
async def adapter(http: httpx.AsyncClient) -> GoCardlessAdapter:
    return make_adapter(http)


@pytest.fixture
def api() -> Iterator[respx.MockRouter]:
    """Every call must be expected, and every expectation met."""
    with respx.mock(base_url=BASE) as router:
        yield router


def payment(status: str = "pending_submission", **changed: Any) -> Json:
    shown = {
        "id": "PM123",
        "created_at": "2026-11-17T08:00:00.000Z",
        "charge_date": "2026-11-20",
        "amount": 1050,
        "amount_refunded": 0,
        "currency": "GBP",
        "description": "Invoice in_1",
        "status": status,
        "reference": None,
        "metadata": {"tollbridge_reference": "in_1.1", "stripe_invoice": "in_1"},
        "links": {"mandate": MANDATE, "creditor": ACCOUNT},
        "retry_if_possible": False,
    }
    return {**shown, **changed}


def refund(status: str = "created", **changed: Any) -> Json:
    shown = {
        "id": "RF123",
        "created_at": "2026-11-21T08:00:00.000Z",
        "amount": 350,
        "currency": "GBP",
        "status": status,
        "reference": None,
        "metadata": {"tollbridge_reference": "rfd_1.1"},
        "links": {"payment": "PM123", "mandate": MANDATE},
    }
    return {**shown, **changed}


def mandate(status: str = "active", **links: Any) -> Json:
    owners = {"creditor": ACCOUNT, "customer": "CU123", "customer_bank_account": "BA123"}
    return {"id": MANDATE, "status": status, "scheme": "bacs", "links": {**owners, **links}}


def bank_account(ending: str = "11", **changed: Any) -> Json:
    return {"id": "BA123", "account_number_ending": ending, "bank_name": "EXAMPLE BANK", **changed}


def event(action: str, number: int = 1, resource: str = "payments", **changed: Any) -> Json:
    """The `number`th in time."""
    about = {"payments": {"payment": "PM123"}, "refunds": {"refund": "RF123"}, "mandates": {"mandate": MANDATE}}
    shown = {
        "id": f"EV{number}",
        "created_at": f"2026-11-20T09:{number:02}:00.000Z",
        "resource_type": resource,
        "action": action,
        "links": about.get(resource, {}),
        "details": {"origin": "gocardless", "cause": f"payment_{action}", "description": "Made up."},
        "metadata": {},
    }
    return {**shown, **changed}


def failed(number: int = 1, cause: str = "insufficient_funds", **details: Any) -> Json:
    said = {"origin": "bank", "cause": cause, "scheme": "bacs", "reason_code": "ARUDD-0", "description": "No money."}
    return event("failed", number, details={**said, **details})


def when(number: int) -> datetime:
    """The time of the `number`th event."""
    return datetime(2026, 11, 20, 9, number, tzinfo=UTC)


def one(resource: str, shown: Json, status: int = 200) -> httpx.Response:
    return httpx.Response(status, json={resource: shown})


def page(resource: str, *shown: Json, after: str | None = None) -> httpx.Response:
    """Newest first, as GoCardless lists: so the last of `shown` comes first."""
    cursors = {"before": None, "after": after}
    return httpx.Response(200, json={resource: list(reversed(shown)), "meta": {"cursors": cursors, "limit": 100}})


def error(reason: str, status: int = 422, **links: str) -> httpx.Response:
    item = {"reason": reason, "message": "Made up."} | ({"links": links} if links else {})
    return httpx.Response(status, json={"error": {"type": "invalid_state", "code": status, "errors": [item]}})


def used_key(made: str) -> httpx.Response:
    return error("idempotent_creation_conflict", 409, conflicting_resource_id=made)


def charge_request(**changed: Any) -> ChargeRequest:
    fields = {
        "reference": "in_1.1",
        "idempotency_key": "key-in_1.1",
        "amount": Money(1050, "gbp"),
        "method": PaymentMethodReference(Secret(MANDATE), Secret("CU123")),
        "description": "Invoice in_1",
        "metadata": {"stripe_invoice": "in_1", "attempt_number": "1"},
    }
    return ChargeRequest(**(fields | changed))


def refund_request(**changed: Any) -> RefundRequest:
    fields = {
        "reference": "rfd_1.1",
        "idempotency_key": "key-rfd_1.1",
        "charge_id": "PM123",
        "amount": Money(350, "gbp"),
    }
    return RefundRequest(**(fields | changed))


async def charge(adapter: GoCardlessAdapter, **changed: Any) -> Any:
    return await adapter.charge(adapter.prepare_charge(charge_request(**changed)))


async def refunded(adapter: GoCardlessAdapter, **changed: Any) -> Any:
    return await adapter.refund(adapter.prepare_refund(refund_request(**changed)))


def delivery(body: bytes, given: str | None = None) -> RawDelivery:
    sent = signature(WEBHOOK_SECRET, body) if given is None else given
    headers = (("content-type", "application/json"), ("webhook-signature", sent))
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct_1/gocardless", headers, (), body)


def batch(*events: Json) -> bytes:
    return json.dumps({"events": list(events), "meta": {"webhook_id": "WB123"}}).encode()


async def told(adapter: GoCardlessAdapter, shown: Json) -> ProcessorEvent:
    """What an event means."""
    kind = f"{shown['resource_type']}.{shown['action']}"
    (said,) = await adapter.parse(Notice(shown["id"], kind, json.dumps(shown).encode()))
    return said
