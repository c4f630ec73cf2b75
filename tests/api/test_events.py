"""Events and endpoints over HTTP."""

from __future__ import annotations

from tests.api.conftest import Api, problem
from tests.api.seed import add_endpoint, add_event

URL = "https://192.0.43.8/hook"


async def test_a_secret_is_shown_when_it_is_made_and_never_again(api: Api) -> None:
    made = (await api.post("/v1/webhook_endpoints", {"url": URL, "types": ["tollbridge.invoice.paid"]})).json()
    assert made["secret"].startswith("whsec_")
    shown = (await api.get(f"/v1/webhook_endpoints/{made['id']}")).json()
    assert shown == made | {"secret": None}
    assert made["secret"] not in (await api.get("/v1/webhook_endpoints")).text
    rolled = (await api.post(f"/v1/webhook_endpoints/{made['id']}/roll_secret", {"expires_in": 60})).json()
    assert rolled["secret"].startswith("whsec_")
    assert rolled["secret"] != made["secret"]
    assert rolled["old_secret_expires"] > made["created"]


async def test_a_repeated_request_gets_the_same_secret(api: Api) -> None:
    first = await api.post("/v1/webhook_endpoints", {"url": URL}, idempotency_key="once")
    again = await api.post("/v1/webhook_endpoints", {"url": URL}, idempotency_key="once")
    assert first.json() == again.json()
    assert len((await api.get("/v1/webhook_endpoints")).json()["data"]) == 1


async def test_private_addresses_and_unknown_types_are_refused(api: Api) -> None:
    for url in ("https://127.0.0.1/", "https://[::1]/", "http://192.0.43.8/", "https://169.254.169.254/"):
        assert problem(await api.post("/v1/webhook_endpoints", {"url": url})) == (400, "invalid_request", "url")
    wrong = await api.post("/v1/webhook_endpoints", {"url": URL, "types": ["invoice.paid"]})
    assert problem(wrong) == (400, "invalid_request", "types.0")


async def test_events_are_listed_by_type_and_object(api: Api) -> None:
    first = await add_event(api.ours.id, "in_1")
    second = await add_event(api.ours.id, "in_2")
    listed = (await api.get("/v1/events")).json()["data"]
    assert [event["id"] for event in listed] == [second, first]
    assert listed[0]["data"] == {"object": "invoice", "id": "in_2"}
    only = (await api.get("/v1/events", object="in_1", type="tollbridge.invoice.overdue")).json()["data"]
    assert [event["id"] for event in only] == [first]
    assert (await api.get("/v1/events", type="tollbridge.invoice.paid")).json()["data"] == []


async def test_a_replay_goes_to_an_endpoint_that_came_later(api: Api) -> None:
    event = await add_event(api.ours.id)
    endpoint = await add_endpoint(api.runtime, api.ours.id)
    assert (await api.get(f"/v1/webhook_endpoints/{endpoint}/deliveries")).json()["data"] == []
    answer = await api.post(f"/v1/events/{event}/replay", {"webhook_endpoint": endpoint})
    assert answer.json() == (await api.get(f"/v1/events/{event}")).json()
    [delivery] = (await api.get(f"/v1/webhook_endpoints/{endpoint}/deliveries", state="pending")).json()["data"]
    assert (delivery["event"], delivery["tries"]) == (event, 0)


async def test_nothing_goes_to_another_accounts_endpoint_or_a_disabled_one(api: Api) -> None:
    event = await add_event(api.ours.id)
    theirs = await add_endpoint(api.runtime, api.theirs.id)
    answer = await api.post(f"/v1/events/{event}/replay", {"webhook_endpoint": theirs})
    assert problem(answer) == (400, "invalid_request", "webhook_endpoint")
    ours = await add_endpoint(api.runtime, api.ours.id)
    await api.post(f"/v1/webhook_endpoints/{ours}", {"enabled": False})
    refused = await api.post(f"/v1/events/{event}/replay", {"webhook_endpoint": ours})
    assert problem(refused)[:2] == (409, "state_conflict")
    assert problem(await api.post(f"/v1/webhook_endpoints/{ours}/ping"))[:2] == (409, "state_conflict")


async def test_a_ping_goes_to_one_endpoint_whatever_it_wants(api: Api) -> None:
    body = {"url": URL, "types": ["tollbridge.invoice.paid"]}
    one = (await api.post("/v1/webhook_endpoints", body)).json()["id"]
    other = await add_endpoint(api.runtime, api.ours.id)
    event = (await api.post(f"/v1/webhook_endpoints/{one}/ping")).json()
    assert event["data"] == {"object": "webhook_endpoint", "id": one}
    [delivery] = (await api.get(f"/v1/webhook_endpoints/{one}/deliveries")).json()["data"]
    assert delivery["event"] == event["id"]
    assert (await api.get(f"/v1/webhook_endpoints/{other}/deliveries")).json()["data"] == []


async def test_a_removed_endpoint_is_gone_and_its_events_stay(api: Api) -> None:
    endpoint = await add_endpoint(api.runtime, api.ours.id)
    event = await add_event(api.ours.id)
    removed = await api.http.delete(f"/v1/webhook_endpoints/{endpoint}", headers=api.ours.bearer())
    assert removed.json() == {"id": endpoint, "deleted": True, "object": "webhook_endpoint"}
    assert problem(await api.get(f"/v1/webhook_endpoints/{endpoint}"))[:2] == (404, "not_found")
    assert (await api.get(f"/v1/events/{event}")).status_code == 200
