"""What the check of a connection sees of its webhook in the Management API: looked at, and tried in the test
environment alone."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import respx

from processors.adyen.check import TRY_IT
from processors.adyen.client import AdyenAdapter
from processors.checked import About, Finding, Proved, Unseen, Wrong
from processors.conformance.subject import WEBHOOK_URL
from tests.processors.adyen import shapes
from tests.processors.adyen.shapes import make_adapter

MANAGEMENT = "https://management-test.adyen.com/v3/merchants/ExampleShopECOM/webhooks"


def webhook(**changed: Any) -> dict[str, Any]:
    shown = {"id": "S2-1", "type": "standard", "url": WEBHOOK_URL, "active": True, "communicationFormat": "json"}
    return {**shown, "hasError": False, **changed}


def outputs_of(*outputs: dict[str, str]) -> httpx.Response:
    return httpx.Response(200, json={"data": list(outputs)})


TAKEN = {"status": "success", "responseCode": "200", "output": "[accepted]"}


async def found(adyen: respx.MockRouter, adapter: AdyenAdapter, listed: Any, tried: Any = None) -> Finding:
    """What is found of the webhook, and nothing else than the webhook depends on it."""
    adyen.post("/paymentMethods").respond(200, json={"paymentMethods": []})
    answer = listed if isinstance(listed, httpx.Response | Exception) else httpx.Response(200, json={"data": listed})
    adyen.get(MANAGEMENT, params={"pageSize": "100"}).mock(side_effect=[answer])
    adyen.post(f"{MANAGEMENT}/S2-1/test").mock(side_effect=[tried or outputs_of(TAKEN)])
    checked = await adapter.check(WEBHOOK_URL)
    assert (checked.account, checked.try_it) == (shapes.ACCOUNT, TRY_IT)
    opened, webhook = checked.findings
    assert isinstance(opened, Proved)
    assert webhook.about is About.WEBHOOK
    return webhook


async def test_a_webhook_is_found_and_tried_with_what_tells_of_no_money(
    adyen: respx.MockRouter, adapter: AdyenAdapter
) -> None:
    others = [webhook(url="https://elsewhere.example/"), webhook(type="report-notification")]
    said = await found(adyen, adapter, [*others, webhook(active=False), webhook()])
    assert isinstance(said, Proved)
    assert "were taken" in said.text
    sent = adyen.calls.last.request
    assert json.loads(sent.content) == {"types": ["REPORT_AVAILABLE"]}
    assert sent.headers["x-api-key"] == shapes.API_KEY


@pytest.mark.parametrize(
    "listed",
    [
        httpx.Response(403, json={"errorCode": "00_403"}),
        httpx.Response(401, json={}),
        httpx.Response(404),
        httpx.Response(500),
        httpx.Response(204),
        httpx.ReadTimeout("late"),
        httpx.ConnectError("refused"),
        [],
        [webhook(url="https://elsewhere.example/")],
        [webhook(type="banktransfer-notification")],
    ],
    ids=str,
)
async def test_what_can_not_be_seen_is_not_wrong(adyen: respx.MockRouter, adapter: AdyenAdapter, listed: Any) -> None:
    assert isinstance(await found(adyen, adapter, listed), Unseen)


async def test_a_key_without_the_role_is_told_which(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    said = await found(adyen, adapter, httpx.Response(403, json={}))
    assert "Management API—Webhooks read" in said.text


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"active": False}, "not active"),
        ({"communicationFormat": "soap"}, "sends soap"),
        ({"hasError": True}, "fails"),
    ],
)
async def test_a_webhook_that_can_not_work(
    adyen: respx.MockRouter, adapter: AdyenAdapter, changed: dict[str, Any], says: str
) -> None:
    said = await found(adyen, adapter, [webhook(**changed)])
    assert isinstance(said, Wrong)
    assert says in said.text


async def test_a_test_that_we_refused(adyen: respx.MockRouter, adapter: AdyenAdapter) -> None:
    said = await found(adyen, adapter, [webhook()], outputs_of(TAKEN, {"status": "failed", "responseCode": "400"}))
    assert isinstance(said, Wrong)
    assert "answered 400" in said.text
    assert "hmac_key" in said.to_do


@pytest.mark.parametrize("tried", [httpx.Response(403, json={}), httpx.Response(500), outputs_of()], ids=str)
async def test_a_webhook_that_could_not_be_tried_stands_all_the_same(
    adyen: respx.MockRouter, adapter: AdyenAdapter, tried: Any
) -> None:
    said = await found(adyen, adapter, [webhook()], tried)
    assert isinstance(said, Proved)
    assert "taken" not in said.text


async def test_nothing_is_tried_with_live_money() -> None:
    live = {"environment": "live", "live_prefix": "1797a841fbb37ca7-AdyenDemo", "client_key": "live_made_up"}
    management = MANAGEMENT.replace("test", "live")
    with respx.mock() as router:
        router.post(url__regex=r"https://1797.*/paymentMethods").respond(json={"paymentMethods": []})
        router.get(management).respond(json={"data": [webhook()]})
        async with httpx.AsyncClient(trust_env=False) as http:
            _, said = (await make_adapter(http, options=live).check(WEBHOOK_URL)).findings
    assert isinstance(said, Proved)


async def test_another_host_is_asked_for_all() -> None:
    """A base URL of one's own is no reason to show the key to Adyen."""
    with respx.mock(base_url="https://adyen.example") as router:
        router.post("/v72/paymentMethods").respond(json={"paymentMethods": []})
        router.get("/v3/merchants/ExampleShopECOM/webhooks").respond(404)
        async with httpx.AsyncClient(trust_env=False) as http:
            await make_adapter(http, options={"base_url": "https://adyen.example"}).check(WEBHOOK_URL)
