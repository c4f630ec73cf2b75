"""Usage is accepted once, and sent to Stripe's meter once."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.clock import business_now
from gateway.group_commit import GroupCommit, TooManyWaitError
from tests.support.metered import Metered, sell_metered
from tests.support.world import World


def told(answer: Any) -> list[tuple[str, str, str]]:
    """Status, and code and param of what was refused, for each event."""
    assert answer.status_code == 200, answer.text
    results = answer.json()["data"]
    return [(r["status"], *((r["error"]["code"], r["error"]["param"]) if r["error"] else ("", ""))) for r in results]


def refusal(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    return answer.status_code, problem["type"].removeprefix("urn:tollbridge:error:"), problem.get("param", "")


async def test_usage_is_accepted_and_then_counted(plan: Metered) -> None:
    answer = await plan.report(value="0.50")
    assert (answer.json()["accepted"], answer.json()["data"][0]["state"]) == (1, "accepted")
    assert (plan.counted(), await plan.states()) == ([], {"u-1": "accepted"})

    await plan.world.settle()

    assert (plan.counted(), await plan.states()) == ([("u-1", "0.5")], {"u-1": "sent"})
    shown = (await plan.world.call("GET", f"/v1/usage/{answer.json()['data'][0]['id']}")).json()
    assert (shown["value"], shown["customer"], shown["state"]) == ("0.5", plan.customer, "sent")


async def test_the_same_again_counts_nothing_and_other_content_is_an_error(plan: Metered) -> None:
    now = int((await business_now()).timestamp())
    first = await plan.report(timestamp=now)
    for same in ({}, {"timestamp": now}, {"value": "250.0"}, {"subscription": plan.subscription}):
        assert told(await plan.report(**same))[0][0] == "duplicate"
        await plan.world.settle()
    for other in ({"value": 251}, {"timestamp": now - 1}):
        assert refusal(await plan.report(**other)) == (409, "already_exists", "identifier")
    assert told(await plan.report(events=[plan.event(value=251)])) == [("refused", "already_exists", "identifier")]
    assert (plan.counted(), plan.sent()) == ([("u-1", "250")], 1)
    assert first.json()["data"][0]["id"] == (await plan.report()).json()["data"][0]["id"]


async def test_the_same_under_one_key_is_answered_how_it_stands(world: World) -> None:
    """The identifier makes it repeatable: nothing is kept under the key, which is required all the same."""
    plan = await sell_metered(world)
    headers = {"authorization": f"Bearer {plan.shop.api_key}"}
    url = f"{world.gateway_url}/v1/usage"
    assert refusal(await world.http.post(url, json=plan.event(), headers=headers))[1] == "idempotency_key_required"
    headers |= {"idempotency-key": "made-up"}
    for event, status in ((plan.event(), "accepted"), (plan.event(), "duplicate"), (plan.event("u-2"), "accepted")):
        assert told(await world.http.post(url, json=event, headers=headers)) == [(status, "", "")]
    await world.settle()
    assert sorted(plan.counted()) == [("u-1", "250"), ("u-2", "250")]


async def test_what_is_not_committed_is_503(plan: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(*_: Any, **__: Any) -> None:
        raise TooManyWaitError("too many")

    monkeypatch.setattr(GroupCommit, "put", full)
    answer = await plan.report()
    assert (refusal(answer)[:2], answer.headers["retry-after"]) == ((503, "overloaded"), "2")


async def test_one_bad_event_does_not_lose_the_rest(plan: Metered) -> None:
    events = [
        plan.event("good"),
        plan.event("no-meter", event_name="nobody's"),
        plan.event("no-customer", customer="cus_unknown"),
        plan.event("no-subscription", subscription="sub_unknown"),
        plan.event("no-number", value="many"),
        plan.event("old", timestamp=1),
        plan.event("x" * 101),
        plan.event("good"),
        plan.event("good", value=1),
        plan.event("also good", subscription=plan.subscription),
    ]
    assert told(await plan.report(events=events)) == [
        ("accepted", "", ""),
        ("refused", "invalid_request", "event_name"),
        ("refused", "not_found", "customer"),
        ("refused", "not_found", "subscription"),
        ("refused", "invalid_request", "value"),
        ("refused", "invalid_request", "timestamp"),
        ("refused", "invalid_request", "identifier"),
        ("duplicate", "", ""),
        ("refused", "already_exists", "identifier"),
        ("accepted", "", ""),
    ]
    await plan.world.settle()
    assert sorted(plan.counted()) == [("also good", "250"), ("good", "250")]


MALFORMED: tuple[dict[str, Any], ...] = (
    {"events": []},
    {"events": [{"identifier": "u", "event_name": "calls"}] * 1001},
    {"events": [{"identifier": "u"}]},
    {"events": [{"identifier": "u", "event_name": "calls", "price": "x"}]},
    {"events": [{"identifier": "u", "event_name": "calls"}], "identifier": "u"},
    {"identifier": "u"},
    {"identifier": "u", "event_name": "calls", "value": 1.5},
    {"identifier": "u", "event_name": "calls", "value": True},
    {},
)


async def test_a_malformed_body_is_refused_whole(world: World) -> None:
    for number, body in enumerate(MALFORMED):
        answer = await world.call("POST", "/v1/usage", body, headers={"idempotency-key": f"made-up-{number}"})
        assert refusal(answer)[:2] == (400, "invalid_request"), body
    await world.signup("ok")


@pytest.mark.two_shops
async def test_an_account_knows_no_customers_but_its_own(world: World) -> None:
    ours, theirs = await sell_metered(world), await sell_metered(world, world.shops[1])
    assert refusal(await ours.report(customer=theirs.customer)) == (404, "not_found", "customer")
    answer = await ours.report(subscription=theirs.subscription)
    assert refusal(answer) == (404, "not_found", "subscription")
    # An identifier is an account's own.
    for one in (ours, theirs):
        assert told(await one.report(value=7)) == [("accepted", "", "")]
    await world.settle()
    assert ours.counted() == theirs.counted() == [("u-1", "7")]
    listed = (await world.call("GET", "/v1/usage", key=theirs.shop.api_key)).json()["data"]
    assert [one["customer"] for one in listed] == [theirs.customer]
    path = f"/v1/customers/{ours.customer}/usage_backlog"
    assert (await world.call("GET", path, key=theirs.shop.api_key)).status_code == 404


async def test_usage_is_listed_and_what_is_on_its_way_is_told(plan: Metered) -> None:
    await plan.report(events=[plan.event("u-1", 2), plan.event("u-2", "0.5")])
    path = f"/v1/customers/{plan.customer}/usage_backlog"
    headers = {"authorization": f"Bearer {plan.shop.api_key}"}
    backlog = (await plan.world.http.get(plan.world.gateway_url + path, headers=headers)).json()
    assert (backlog["events"], [(m["event_name"], m["value"]) for m in backlog["meters"]]) == (2, [("calls", "2.5")])
    await plan.world.settle()
    assert (await plan.world.call("GET", path)).json()["events"] == 0
    for query, found in (
        (f"customer={plan.customer}", 2),
        ("state=sent", 2),
        ("state=refused", 0),
        ("event_name=calls", 2),
        ("event_name=other", 0),
        ("since=4102444800", 0),
        ("since=1&limit=1", 1),
    ):
        assert len((await plan.world.call("GET", f"/v1/usage?{query}")).json()["data"]) == found, query


@pytest.mark.slow
async def test_the_largest_batch_is_taken_and_sent(plan: Metered) -> None:
    events = [plan.event("x" * 90 + f"-{number}", 1) for number in range(1000)]
    answer = await plan.report(events=events)
    assert answer.json()["accepted"] == 1000, answer.text[:300]
    await plan.world.settle()
    assert (len(plan.counted()), plan.sent()) == (1000, 1000)
