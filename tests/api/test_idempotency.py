"""The same request again gives the stored reply, and does nothing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from db import sql
from gateway.accounts import keys
from gateway.clock import move_clock
from tests.api.conftest import Api, problem
from tests.api.seed import add_session

BODY = {"name": "backend", "scopes": ["server"]}


async def test_the_same_again_is_replayed(api: Api) -> None:
    first = await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    again = await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    assert again.status_code == first.status_code == 200
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert again.headers["request-id"] != first.headers["request-id"]
    assert await sql.value("select count(*) from tollbridge.api_key where name = 'backend'") == 1


async def test_without_a_key_nothing_is_stored(api: Api) -> None:
    await api.post("/v1/api_keys", BODY)
    await api.post("/v1/api_keys", BODY)
    assert await sql.value("select count(*) from tollbridge.api_key where name = 'backend'") == 2
    assert await sql.value("select count(*) from tollbridge.idempotent_reply") == 0


async def test_another_body_or_address_is_a_mismatch(api: Api) -> None:
    await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    other = await api.post("/v1/api_keys", BODY | {"name": "other"}, idempotency_key="k1")
    assert problem(other) == (422, "idempotency_mismatch", "Idempotency-Key")
    elsewhere = await api.post(f"/v1/accounts/{api.ours.id}", {"enabled": True}, idempotency_key="k1")
    assert problem(elsewhere)[1] == "idempotency_mismatch"


async def test_keys_of_two_callers_are_two(api: Api) -> None:
    await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    theirs = {"idempotency-key": "k1"} | api.theirs.bearer()
    answer = await api.http.post("/v1/api_keys", json=BODY, headers=theirs)
    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers


async def test_two_at_once_do_it_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()
    create = keys.create

    async def slow(*args: Any, **named: Any) -> Any:
        entered.set()
        await go_on.wait()
        return await create(*args, **named)

    monkeypatch.setattr(keys, "create", slow)
    first = asyncio.create_task(api.post("/v1/api_keys", BODY, idempotency_key="k1"))
    await entered.wait()
    second = await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    assert problem(second) == (409, "in_progress", "Idempotency-Key")
    assert second.headers["retry-after"] == "1"
    go_on.set()
    made = (await first).json()
    assert (await api.post("/v1/api_keys", BODY, idempotency_key="k1")).json() == made


async def test_a_dead_holder_lets_go(api: Api) -> None:
    await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    die = "update tollbridge.idempotent_reply set status = null, body = null, locked_until = "
    await sql.rows(die + "clock_timestamp() + interval '1 minute'")
    assert problem(await api.post("/v1/api_keys", BODY, idempotency_key="k1"))[1] == "in_progress"
    await sql.rows(die + "clock_timestamp() - interval '1 second'")
    answer = await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    assert answer.status_code == 200
    assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize("error", [RuntimeError("broken"), ConnectionResetError("away")])
async def test_a_failure_of_ours_is_not_kept(api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(keys, "create", broken)
        assert (await api.post("/v1/api_keys", BODY, idempotency_key="k1")).status_code == 500
    assert (await api.post("/v1/api_keys", BODY, idempotency_key="k1")).status_code == 200


async def test_a_request_that_was_wrong_may_be_mended_under_its_key(api: Api) -> None:
    assert (await api.post("/v1/api_keys", {"name": "x"}, idempotency_key="k1")).status_code == 400
    assert (await api.post("/v1/api_keys", BODY, idempotency_key="k1")).status_code == 200


async def test_an_error_that_stands_is_kept(api: Api) -> None:
    body = {"name": "p", "adapter": "practice", "credentials": {"api_key": "k", "webhook_secret": "s"}}
    body["options"] = {"base_url": "http://127.0.0.1:1", "account": "pa_1"}
    await api.post("/v1/connections", body)
    assert problem(await api.post("/v1/connections", body, idempotency_key="k1"))[:2] == (409, "already_exists")
    again = await api.post("/v1/connections", body, idempotency_key="k1")
    assert again.headers["idempotent-replayed"] == "true"
    assert again.headers["content-type"] == "application/problem+json"
    assert again.status_code == 409


async def test_a_reply_is_kept_for_a_day(api: Api) -> None:
    first = await api.post("/v1/api_keys", BODY, idempotency_key="k1")
    await move_clock(timedelta(hours=23))
    assert (await api.post("/v1/api_keys", BODY, idempotency_key="k1")).json() == first.json()
    await move_clock(timedelta(hours=2))
    later = await api.post("/v1/api_keys", BODY | {"name": "another"}, idempotency_key="k1")
    assert later.json()["name"] == "another"


async def test_secrets_in_kept_replies_are_encrypted(api: Api) -> None:
    secret = (await api.post("/v1/api_keys", BODY, idempotency_key="k1")).json()["secret"]
    row = await sql.row("select body, headers, fingerprint from tollbridge.idempotent_reply")
    assert row is not None
    assert secret.encode() not in bytes(row["body"])


@pytest.mark.parametrize("key", ["", "x" * 256, "a\x01b"])
async def test_a_malformed_key_is_refused(api: Api, key: str) -> None:
    answer = await api.post("/v1/api_keys", BODY, idempotency_key=key)
    assert problem(answer) == (400, "invalid_request", "Idempotency-Key")


async def test_where_money_moves_a_key_is_required(api: Api) -> None:
    _, secret = await add_session(api.runtime.keyring, api.ours.id)
    session = await sql.value("select id from tollbridge.checkout_session")
    bearer = {"authorization": f"Bearer {secret}"}
    answer = await api.http.post(f"/v1/checkout_sessions/{session}/confirm", json={}, headers=bearer)
    assert problem(answer) == (400, "idempotency_key_required", "Idempotency-Key")
