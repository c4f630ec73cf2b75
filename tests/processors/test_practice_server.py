"""The practice processor's controls over HTTP, and what its API refuses."""

from __future__ import annotations

import ast
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

import gateway.sandbox.kit
import gateway.sandbox.practice
import gateway.sandbox.stripe
from gateway.sandbox.practice import PracticeProcessor, create_app
from processors.outcome import Succeeded, Unknown
from tests.processors.conftest import API_KEY, START, WEBHOOK_SECRET, Practice, Receiver


class Controls:
    def __init__(self, practice: Practice) -> None:
        self.http, self.base = practice.http, f"{practice.base_url}/_sandbox"

    async def post(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.http.post(self.base + path, json=body if body is not None else {})
        assert answer.status_code == status, answer.text
        return answer.json()

    async def delete(self, path: str) -> Any:
        return (await self.http.delete(self.base + path)).json()

    async def get(self, path: str) -> Any:
        return (await self.http.get(self.base + path)).json()


@pytest.fixture
def controls(practice: Practice) -> Controls:
    return Controls(practice)


async def test_the_clock(controls: Controls) -> None:
    start = int(START.timestamp())
    assert await controls.get("/clock") == {"now": start, "offset_s": 0, "skew_s": 0, "next_at": None}
    assert (await controls.post("/clock", {"advance_s": 60}))["now"] == start + 60
    assert (await controls.post("/clock", {"to": start + 3600}))["now"] == start + 3600
    later = START + timedelta(days=365)
    assert (await controls.post("/clock", {"to": later.isoformat()}))["now"] == int(later.timestamp())


@pytest.mark.parametrize(
    "body", [{}, {"advance_s": -1}, {"to": 0}, {"advance_s": 1, "to": 1}, {"by": 1}, {"to": "soon"}]
)
async def test_the_clock_only_moves_forward(controls: Controls, body: Any) -> None:
    assert (await controls.post("/clock", body, 400))["error"]["code"] == "invalid_request"


async def test_calls_are_on_record_without_credentials(practice: Practice, controls: Controls) -> None:
    await practice.charge()
    (call,) = (await controls.get("/calls"))["data"]
    assert (call["method"], call["path"], call["status"]) == ("POST", "/v1/charges", 201)
    assert call["idempotency_key"] == "key-in_1.1"
    assert call["account"] == practice.account.id
    assert API_KEY not in str(call)
    await controls.delete("/calls")
    assert (await controls.get("/calls"))["data"] == []


async def test_faults(practice: Practice, controls: Controls) -> None:
    fault = {"match": {"method": "POST", "path": "/v1/charges"}, "effect": "error_after", "status": 503, "times": 2}
    await controls.post("/faults", fault, 201)
    assert isinstance(await practice.charge(), Unknown)
    assert (await controls.get("/faults"))["data"][0]["times"] == 1
    await controls.delete("/faults")
    assert isinstance(await practice.charge(reference="in_1.2"), Succeeded)
    assert practice.charges_sent()[0].fault == "error_after"


@pytest.mark.parametrize(
    "body", [{}, {"effect": "explode"}, {"effect": "delay_after", "delay_s": 1e9}, {"effect": "hidden", "times": 0}]
)
async def test_a_fault_that_makes_no_sense(controls: Controls, body: Any) -> None:
    await controls.post("/faults", body, 400)


async def test_delivery_and_flush(practice: Practice, controls: Controls, receiver: Receiver) -> None:
    endpoint = {"api_key": API_KEY, "url": receiver.url, "secret": WEBHOOK_SECRET}
    assert (await controls.post("/webhook_endpoint", endpoint))["webhook_urls"] == [receiver.url]
    await controls.post("/delivery", {"mode": "manual", "double": True})
    await practice.charge()
    assert (await controls.get("/delivery"))["waiting"] == 1
    flushed = await controls.post("/delivery/flush")
    assert (flushed["sent"], flushed["failed"], flushed["waiting"]) == (2, 0, 0)
    assert [one["status"] for one in (await controls.get("/deliveries"))["data"]] == [200, 200]
    assert await controls.post("/deliveries/resend", {"event": flushed["data"][0]["event"]}) == {"queued": 1}
    assert len(receiver.deliveries) == 2
    await controls.post("/delivery", {"mode": "sometimes"}, 400)
    assert (await controls.get("/delivery"))["double"] is True


async def test_methods_charges_and_settings(practice: Practice, controls: Controls) -> None:
    await controls.post("/settings", {"pending_delay_s": 60})
    made = await controls.post("/methods", {"api_key": API_KEY, "token_kind": "pending_then_ok"}, 201)
    pending = await practice.charge(token=made["token"])
    assert pending.expected_by == START + timedelta(seconds=60)
    settled = await controls.post(f"/charges/{pending.processor_id}/settle", {})
    assert settled["status"] == "succeeded"
    await controls.post(f"/charges/{pending.processor_id}/settle", {}, 400)
    await controls.post("/charges/pch_0/settle", {}, 404)
    assert (await controls.post(f"/methods/{made['token']}/revoke"))["status"] == "revoked"
    (charge,) = (await controls.get("/charges"))["data"]
    assert charge["amount_captured"] == 1000


async def test_accounts_and_reset(practice: Practice, controls: Controls) -> None:
    opened = await controls.post("/accounts", {"api_key": "practice_test_key_2"}, 201)
    assert opened["id"] == practice.processor.account("practice_test_key_2").id
    await practice.charge()
    practice.processor.advance(60)
    await controls.post("/reset")
    assert practice.account.charges == {}
    assert len(practice.processor.calls) == 0
    assert practice.processor.now() == START.timestamp()
    assert isinstance(await practice.charge(), Succeeded)  # the same reference and key are new again


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"authorization": ""}, {}, 401, "unauthorized"),
        ({"authorization": "Basic abc"}, {}, 401, "unauthorized"),
        ({"idempotency-key": ""}, {}, 400, "idempotency_key_required"),
        ({"idempotency-key": "k" * 65}, {}, 400, "idempotency_key_required"),
        ({}, {"amount": "1000"}, 400, "invalid_request"),
        ({}, {"amount": 10.5}, 400, "invalid_request"),
        ({}, {"amount": 0}, 400, "invalid_request"),
        ({}, {"currency": "eur"}, 400, "invalid_request"),
        ({}, {"surprise": 1}, 400, "invalid_request"),
    ],
)
async def test_what_the_api_refuses(practice: Practice, headers: Any, body: Any, status: int, code: str) -> None:
    token = practice.processor.create_method(API_KEY, "ok").token
    good = {"amount": 1000, "currency": "EUR", "method": token, "reference": "in_1.1"}
    answer = await practice.http.post(
        f"{practice.base_url}/v1/charges",
        json=good | body,
        headers={"authorization": f"Bearer {API_KEY}", "idempotency-key": "k"} | headers,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert practice.account.charges == {}


async def test_unknown_paths_and_methods(practice: Practice) -> None:
    assert (await practice.http.get(f"{practice.base_url}/v1/nothing")).status_code == 404
    assert (await practice.http.put(f"{practice.base_url}/v1/charges")).status_code == 405


async def test_it_also_runs_without_a_server() -> None:
    processor = PracticeProcessor(lambda: START)
    processor.account(API_KEY)
    transport = httpx.ASGITransport(create_app(processor))
    async with httpx.AsyncClient(transport=transport, base_url="http://practice") as http:
        answer = await http.get("/v1/account", headers={"authorization": f"Bearer {API_KEY}"})
    assert answer.json()["id"] == processor.account(API_KEY).id


def test_it_imports_nothing_of_ours() -> None:
    allowed = {"httpx", "msgspec", *sys.stdlib_module_names}
    for package in (gateway.sandbox.kit, gateway.sandbox.practice, gateway.sandbox.stripe):
        for path in Path(package.__path__[0]).glob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
                names += [one.name for one in node.names] if isinstance(node, ast.Import) else []
                for name in names:
                    ours = name.startswith(("gateway.sandbox.kit", package.__name__))
                    assert ours or name.split(".")[0] in allowed, f"{path.name} imports {name}"
