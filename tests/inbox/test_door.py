"""The webhook addresses: what is let in, what is refused, and what a refusal leaves behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import httpx
import msgspec
import pytest
import structlog.testing
from prometheus_client import REGISTRY

from db import sql
from gateway.inbox.intake import Intake
from gateway.inbox.meters import Refusals
from gateway.inbox.verify import Refusal
from processors.errors import NotSentError
from processors.events import Acknowledgement, Reply
from tests.support.inbox import (
    SECRET,
    ScriptedAdapter,
    add_account,
    add_connection,
    add_secret,
    deliveries,
    opened,
    signed,
    snapshot,
    thin,
)

URL = "/webhooks/stripe/acme"
EVENT = snapshot("invoice.finalized", {"id": "in_1", "object": "invoice"}, event="evt_1")


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("tollbridge_webhooks_refused_total", {"reason": reason}) or 0.0


async def post(
    http: httpx.AsyncClient, body: bytes = EVENT, header: str | None = None, url: str = URL
) -> httpx.Response:
    header = signed(body) if header is None else header
    return await http.post(url, content=body, headers={"stripe-signature": header} if header else {})


async def test_a_signed_event_is_stored_as_it_came(http: httpx.AsyncClient) -> None:
    account = await add_account()
    assert (await post(http)).status_code == 200
    [row] = await deliveries()
    assert (row["account"], row["source"], row["delivery_key"]) == (account, "stripe", "evt_1")
    assert (row["kind"], row["object_id"], row["state"]) == ("invoice.finalized", "in_1", "stored")
    assert opened(row) == EVENT
    [job] = await sql.rows("select entrypoint, payload from tollbridge_queue.pgqueuer")
    assert (job["entrypoint"], msgspec.json.decode(job["payload"])) == ("route", [row["id"]])


NOW = time.time()
BAD: dict[str, tuple[str, str]] = {
    "none": ("", "signature_missing"),
    "no time": (signed(EVENT).partition(",")[2], "signature_malformed"),
    "no v1": ("t=1,v0=" + "0" * 64, "signature_malformed"),
    "two times": ("t=1," + signed(EVENT), "signature_malformed"),
    "a time in words": ("t=now,v1=" + "0" * 64, "signature_malformed"),
    "digits that are not ASCII": ("t=١٢٣,v1=" + "0" * 64, "signature_malformed"),
    "too many": (signed(EVENT) + ",v1=00" * 20, "signature_malformed"),
    "endless": (signed(EVENT) + "," + "v0=" + "0" * 5000, "signature_malformed"),
    "another secret": (signed(EVENT, "whsec_other"), "signature_wrong"),
    "an empty secret": (signed(EVENT, ""), "signature_wrong"),
    "another body": (signed(EVENT + b" "), "signature_wrong"),
    "v0 only in name": (signed(EVENT).replace("v1=", "v0="), "signature_malformed"),
    "301 s old": (signed(EVENT, at_s=NOW - 400), "signature_old"),
    "in the future": (signed(EVENT, at_s=NOW + 4000), "signature_in_the_future"),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_signature_leaves_a_counter_and_nothing_else(http: httpx.AsyncClient, case: str) -> None:
    await add_account()
    header, reason = BAD[case]
    before = refused(reason)
    answer = await http.post(URL, content=EVENT, headers=[(b"stripe-signature", header.encode())] if header else [])
    assert (answer.status_code, answer.text) == (400, reason)
    assert refused(reason) == before + 1
    assert await deliveries() == []
    assert await sql.rows("select 1 from tollbridge_queue.pgqueuer") == []


async def test_a_wrong_secret_is_told_in_the_log(http: httpx.AsyncClient) -> None:
    await add_account()
    with structlog.testing.capture_logs() as told:
        for _ in range(3):
            assert (await post(http, header=signed(EVENT, "whsec_other"))).status_code == 400
    [line] = told
    assert (line["event"], line["door"], line["reason"]) == ("webhooks_refused", URL, "signature_wrong")
    assert EVENT.decode() not in str(line)


async def test_refused_deliveries_make_one_row_for_a_door_and_minute(
    http: httpx.AsyncClient, intake: Intake, scripted: ScriptedAdapter
) -> None:
    account = await add_account()
    connection = await add_connection(account)
    await asyncio.gather(*(post(http, header=signed(EVENT, "whsec_other")) for _ in range(50)))
    await http.post("/webhooks/acme/scripted-eu", content=b"unsigned")
    await post(http, header="")
    await post(http, url="/webhooks/stripe/nobody", header=signed(EVENT, "whsec_other"))
    await intake.refused.store()
    rows = await sql.rows("select source, reason, sum(refused) as n from tollbridge.refused_delivery group by 1, 2")
    assert {(row["source"], row["reason"], row["n"]) for row in rows} == {
        ("stripe", "signature_wrong", 50),
        (connection, "notice_refused", 1),
    }
    assert await sql.value("select count(*) from tollbridge.refused_delivery where account = $1", account) <= 4


async def test_a_count_that_cant_be_written_is_in_nobodys_way(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise OSError("away")

    monkeypatch.setattr("gateway.inbox.refused.sql.rows", away)
    intake.refused.add("acc_1", "stripe", Refusal.WRONG)
    await intake.refused.store()
    monkeypatch.undo()
    await intake.refused.store()
    assert await sql.value("select count(*) from tollbridge.refused_delivery") == 0


def test_refusals_are_told_at_once_and_then_once_a_minute_with_their_number() -> None:
    refusals, door = Refusals(), (URL, "signature_wrong")
    assert [refusals.due(door, at_s) for at_s in (10.0, 11.0, 69.0, 71.0, 72.0)] == [1, 0, 0, 3, 0]
    assert refusals.due(("/webhooks/stripe/other", "signature_wrong"), 72.0) == 1


async def test_a_body_that_was_serialised_again_is_refused(http: httpx.AsyncClient) -> None:
    await add_account()
    again = msgspec.json.format(EVENT)
    assert (await post(http, again, signed(EVENT))).status_code == 400


@pytest.mark.parametrize("age_s", [290, -290])
async def test_a_signature_within_the_tolerance_holds(http: httpx.AsyncClient, age_s: int) -> None:
    await add_account()
    assert (await post(http, header=signed(EVENT, at_s=time.time() - age_s))).status_code == 200


async def test_during_a_roll_both_secrets_and_both_signatures_hold(http: httpx.AsyncClient) -> None:
    await add_account("acme", "whsec_new", "whsec_old")
    for n, header in enumerate([signed(EVENT, "whsec_old"), signed(EVENT, "whsec_new")]):
        assert (await post(http, header=header)).status_code == 200, n
    both = signed(EVENT, "whsec_gone") + "," + signed(EVENT, "whsec_new").partition(",")[2] + ",v0=00"
    assert (await post(http, header=both)).status_code == 200


async def test_an_account_without_a_secret_or_with_an_empty_one_lets_nobody_in(http: httpx.AsyncClient) -> None:
    await add_account("acme", "")
    answer = await post(http, header=signed(EVENT, ""))
    assert (answer.status_code, answer.text) == (400, "no_secret")


async def test_a_new_secret_is_noticed(http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.inbox.directory.AGAIN_S", 0.0)
    account = await add_account()
    assert (await post(http)).status_code == 200
    await add_secret(account, "whsec_new")
    assert (await post(http, header=signed(EVENT, "whsec_new"))).status_code == 200


async def test_unknown_accounts_and_connections_are_404(http: httpx.AsyncClient) -> None:
    await add_account()
    assert (await post(http, url="/webhooks/stripe/nobody")).status_code == 404
    assert (await post(http, url="/webhooks/stripe/No%00body")).status_code == 404
    assert (await http.post("/webhooks/acme/nothing", content=b"x")).status_code == 404
    assert await deliveries() == []


async def test_a_disabled_account_loses_nothing(http: httpx.AsyncClient) -> None:
    await add_account(enabled=False)
    assert (await post(http)).status_code == 200
    assert len(await deliveries()) == 1


async def test_a_duplicate_is_accepted_and_has_no_effect(http: httpx.AsyncClient) -> None:
    await add_account()
    for _ in range(3):
        assert (await post(http)).status_code == 200
    assert len(await deliveries()) == 1
    assert len(await sql.rows("select 1 from tollbridge_queue.pgqueuer")) == 1


async def test_the_same_event_id_in_two_accounts_is_two_events(http: httpx.AsyncClient) -> None:
    await add_account()
    await add_account("other", "whsec_other")
    assert (await post(http)).status_code == 200
    assert (await post(http, header=signed(EVENT, "whsec_other"), url="/webhooks/stripe/other")).status_code == 200
    assert len(await deliveries()) == 2


async def test_a_live_event_does_not_enter_a_test_account(http: httpx.AsyncClient) -> None:
    await add_account()
    body = snapshot("invoice.paid", {"id": "in_1"}, livemode=True)
    answer = await post(http, body)
    assert (answer.status_code, answer.text) == (400, "livemode")
    assert await deliveries() == []


@pytest.mark.parametrize(
    "body", [b"not json", b"[]", b"", b'{"id": 5, "type": {}}', b'{"id": "a\\u0000b", "type": "x"}', b"[" * 9999]
)
async def test_a_signed_body_that_is_no_event_is_kept(http: httpx.AsyncClient, body: bytes) -> None:
    await add_account()
    assert (await post(http, body)).status_code == 200
    [row] = await deliveries()
    assert (row["kind"], row["delivery_key"], opened(row)) == ("unreadable", None, body)


async def test_a_thin_event_is_accepted(http: httpx.AsyncClient) -> None:
    await add_account()
    body = thin("v1.invoice.finalized", {"id": "in_1", "type": "invoice", "url": "/v1/invoices/in_1"})
    assert (await post(http, body)).status_code == 200
    [row] = await deliveries()
    assert (row["kind"], row["object_id"]) == ("v1.invoice.finalized", "in_1")


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(http: httpx.AsyncClient, chunked: bool) -> None:
    await add_account()
    body = b"x" * 20_001

    async def parts() -> object:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    before = refused("body_too_large")
    headers = {"stripe-signature": signed(body, SECRET)}
    answer = await http.post(URL, content=parts() if chunked else body, headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == 413
    assert refused("body_too_large") == before + 1
    assert await deliveries() == []


async def test_a_processors_notices_are_rows_of_their_own(http: httpx.AsyncClient, scripted: ScriptedAdapter) -> None:
    connection = await add_connection(await add_account())
    url, headers = "/webhooks/acme/scripted-eu", {"scripted-signature": "right"}
    for body in (b"one\ntwo", b"two\nthree"):
        assert (await http.post(url, content=body, headers=headers)).status_code == 200
    rows = await deliveries()
    assert sorted(row["delivery_key"] for row in rows) == ["one", "three", "two"]
    assert {row["source"] for row in rows} == {connection}


async def test_an_unverified_notice_leaves_nothing(http: httpx.AsyncClient, scripted: ScriptedAdapter) -> None:
    await add_connection(await add_account())
    before = refused("notice_refused")
    for method in (http.post, http.get):
        answer = await method("/webhooks/acme/scripted-eu", headers={"scripted-signature": "wrong"})
        assert answer.status_code == 400
    assert refused("notice_refused") == before + 2
    assert await deliveries() == []


async def test_a_connection_is_reached_under_its_own_account_only(
    http: httpx.AsyncClient, scripted: ScriptedAdapter
) -> None:
    await add_connection(await add_account())
    await add_account("other")
    answer = await http.post("/webhooks/other/scripted-eu", content=b"x", headers={"scripted-signature": "right"})
    assert answer.status_code == 404


async def test_headers_beyond_reason_are_refused(http: httpx.AsyncClient, scripted: ScriptedAdapter) -> None:
    await add_connection(await add_account())
    headers = {"scripted-signature": "right"} | {f"x-{n}": "y" for n in range(200)}
    assert (await http.post("/webhooks/acme/scripted-eu", content=b"x", headers=headers)).status_code == 431


@pytest.mark.parametrize("mistake", [ValueError, KeyError])
async def test_a_mistake_in_an_adapter_costs_no_delivery(
    http: httpx.AsyncClient,
    scripted: ScriptedAdapter,
    monkeypatch: pytest.MonkeyPatch,
    mistake: Callable[..., Exception],
) -> None:
    await add_connection(await add_account())

    async def verify(delivery: object) -> object:
        raise mistake("secret")

    monkeypatch.setattr(scripted, "verify", verify)
    answer = await http.post("/webhooks/acme/scripted-eu", content=b"x")
    assert (answer.status_code, answer.text) == (503, "configuration")


async def test_the_answer_is_the_one_that_the_processor_wants(
    http: httpx.AsyncClient, scripted: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_connection(await add_account())
    replies = {Acknowledgement.STORED: Reply(202, "[accepted]"), Acknowledgement.REFUSED: Reply(498, "")}
    monkeypatch.setattr(scripted, "acknowledge", lambda _delivery, became: replies[became])
    stored = await http.post("/webhooks/acme/scripted-eu", content=b"x", headers={"scripted-signature": "right"})
    refused = await http.post("/webhooks/acme/scripted-eu", content=b"x")
    assert (stored.status_code, stored.text) == (202, "[accepted]")
    assert (refused.status_code, refused.text) == (498, "notice_refused")


async def test_what_could_not_be_verified_comes_again(
    http: httpx.AsyncClient, scripted: ScriptedAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_connection(await add_account())

    async def verify(_delivery: object) -> object:
        raise NotSentError("no certificate")

    monkeypatch.setattr(scripted, "verify", verify)
    answer = await http.post("/webhooks/acme/scripted-eu", content=b"x")
    assert (answer.status_code, answer.text) == (503, "unavailable")
