"""What the check of a connection can tell of its webhook from what GoCardless has sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from processors.checked import Finding, Proved, Unseen, Wrong
from processors.conformance.subject import WEBHOOK_URL
from processors.gocardless.client import GoCardlessAdapter
from tests.processors.gocardless.conftest import ACCOUNT, error, one


def sent(**changed: Any) -> dict[str, Any]:
    shown = {"id": "WB1", "url": WEBHOOK_URL, "created_at": "2026-11-20T09:30:00.000Z", "is_test": False}
    return {**shown, "successful": True, "response_code": 200, **changed}


async def found(api: respx.MockRouter, adapter: GoCardlessAdapter, answer: Any) -> Finding:
    api.get("/creditors/CR123").mock(return_value=one("creditors", {"id": ACCOUNT}))
    said = answer if isinstance(answer, httpx.Response | Exception) else httpx.Response(200, json={"webhooks": answer})
    api.get("/webhooks", params={"limit": "100"}).mock(side_effect=[said])
    opened, webhook = (await adapter.check(WEBHOOK_URL)).findings
    assert isinstance(opened, Proved)
    return webhook


async def test_the_newest_to_this_connection_counts(adapter: GoCardlessAdapter, api: respx.MockRouter) -> None:
    elsewhere = sent(url="https://elsewhere.example/", successful=False)
    said = await found(api, adapter, [elsewhere, sent(), sent(successful=False)])
    assert isinstance(said, Proved)
    assert "2026-11-20 09:30 UTC" in said.text


@pytest.mark.parametrize(("code", "says"), [(498, "answered 498"), (None, "not answered")])
async def test_one_that_was_not_taken(
    adapter: GoCardlessAdapter, api: respx.MockRouter, code: int | None, says: str
) -> None:
    said = await found(api, adapter, [sent(successful=False, response_code=code), sent()])
    assert isinstance(said, Wrong)
    assert says in said.text


@pytest.mark.parametrize(
    "answer",
    [[], [sent(url="https://elsewhere.example/")], error("forbidden", 403), httpx.Response(500), httpx.ReadError("x")],
    ids=str,
)
async def test_what_can_not_be_seen_is_not_wrong(
    adapter: GoCardlessAdapter, api: respx.MockRouter, answer: Any
) -> None:
    assert isinstance(await found(api, adapter, answer), Unseen)
