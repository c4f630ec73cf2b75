"""What the check of a connection sees of its webhook in the account's workflows."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import respx

from processors.checked import Finding, Proved, Unseen, Wrong
from processors.checkout_com.check import MOST, NEEDED
from processors.checkout_com.client import CheckoutComAdapter
from processors.conformance.subject import WEBHOOK_URL
from tests.processors.checkout_com.shapes import ACCOUNT, listed

Json = dict[str, Any]
ALL = {"type": "event", "events": {"gateway": sorted(NEEDED), "dispute": []}}


def channels(*named: str) -> Json:
    return {"type": "processing_channel", "processing_channels": list(named)}


def workflow(*conditions: Json, url: str = WEBHOOK_URL, **changed: Any) -> Json:
    """Its action holds a secret, of which nothing may show."""
    action = {"id": "wfa_1", "type": "webhook", "url": url, "signature": {"method": "HMACSHA256", "key": "hush"}}
    shown = {"id": "wf_1", "name": "Tollbridge", "active": True, "conditions": list(conditions), "actions": [action]}
    return {**shown, **changed}


async def found(adapter: CheckoutComAdapter, checkout: respx.MockRouter, *there: Json) -> Finding:
    checkout.get("/payments").respond(json=listed())
    for one in there:
        checkout.get(f"/workflows/{one['id']}").respond(json=one)
    short = [{name: one[name] for name in ("id", "name", "active")} for one in there]
    checkout.get("/workflows").respond(json={"data": short})
    checked = await adapter.check(WEBHOOK_URL)
    assert "hush" not in repr(checked)
    return checked.findings[-1]


@pytest.mark.parametrize(
    "there",
    [
        [workflow(ALL, channels(ACCOUNT))],
        [workflow(ALL)],
        [workflow()],
        [workflow({"type": "entity", "entities": ["ent_1"]}, ALL)],
        [workflow(id="wf_0", url="https://elsewhere.example/"), workflow(ALL, channels("pc_another", ACCOUNT))],
        [
            workflow({"type": "event", "events": {"gateway": ["payment_captured"]}}),
            workflow({"type": "event", "events": {"gateway": sorted(NEEDED - {"payment_captured"})}}, id="wf_2"),
        ],
    ],
)
async def test_a_workflow_that_sends_here(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, there: list[Json]
) -> None:
    assert isinstance(await found(adapter, checkout, *there), Proved)


@pytest.mark.parametrize(
    ("there", "says"),
    [
        ([], "no active workflow"),
        ([workflow(active=False)], "no active workflow"),
        ([workflow(url="https://elsewhere.example/")], "no active workflow"),
        ([workflow(ALL, channels("pc_another"))], f"other processing channels than {ACCOUNT}"),
        ([workflow({"type": "event", "events": {"gateway": sorted(NEEDED - {"dispute_lost"})}})], "out dispute_lost"),
    ],
)
async def test_workflows_by_which_nothing_or_too_little_comes(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, there: list[Json], says: str
) -> None:
    said = await found(adapter, checkout, *there)
    assert isinstance(said, Wrong)
    assert says in said.text


async def test_among_too_many_it_may_be_another(adapter: CheckoutComAdapter, checkout: respx.MockRouter) -> None:
    many = [workflow(id=f"wf_{number}", url="https://elsewhere.example/") for number in range(MOST + 1)]
    assert isinstance(await found(adapter, checkout, *many), Unseen)
    assert len(checkout.calls) == MOST + 2


@pytest.mark.parametrize("answer", [httpx.Response(403), httpx.Response(500), httpx.ReadError("x")], ids=str)
async def test_what_can_not_be_seen_is_not_wrong(
    adapter: CheckoutComAdapter, checkout: respx.MockRouter, answer: Any
) -> None:
    checkout.get("/payments").respond(json=listed())
    checkout.get("/workflows").mock(side_effect=[answer])
    assert isinstance((await adapter.check(WEBHOOK_URL)).findings[-1], Unseen)
