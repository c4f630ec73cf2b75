"""Health, metrics, the description, and what the log says of a request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from db import sql
from db.engine import DB
from db.errors import DatabaseUnavailableError
from gateway.logs import hide_secrets
from tests.api.conftest import Api
from tests.api.seed import add_case, add_delivery, add_endpoint, add_event


async def test_it_lives_and_is_ready(api: Api) -> None:
    await add_delivery(api.ours.id, at=datetime.now(UTC) - timedelta(seconds=90), state="stored")
    await sql.rows(
        "insert into tollbridge.worker values ('wrk_1', clock_timestamp(), clock_timestamp() - interval '7 s')"
    )
    assert (await api.http.get("/health/live")).json() == {"status": "live"}
    ready = await api.http.get("/health/ready")
    assert ready.status_code == 200
    report = ready.json()
    assert (report["status"], report["database"], report["migrations_pending"]) == ("ready", "up", [])
    assert 89 < report["oldest_unrouted_delivery_s"] < 120
    assert 6 < report["last_worker_beat_s"] < 30


async def test_health_says_that_the_database_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise DatabaseUnavailableError("gone")

    monkeypatch.setattr(DB, "take_connection", away)
    ready = await api.http.get("/health/ready")
    assert (ready.status_code, ready.json()["database"]) == (503, "down")
    assert (await api.http.get("/health/live")).status_code == 200
    assert "tollbridge_database_up 0.0" in (await api.http.get("/metrics")).text


async def test_health_says_that_the_schema_is_old(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def missing(_: str) -> list[str]:
        return ["0002_next"]

    monkeypatch.setattr("gateway.api.health.pending", missing)
    api.app.state["migrated"] = False
    ready = await api.http.get("/health/ready")
    assert (ready.status_code, ready.json()["status"]) == (503, "migrations_pending")
    assert ready.json()["migrations_pending"] == ["0002_next"]


async def test_metrics_are_numbers_without_names(api: Api) -> None:
    await add_case(api.ours.id, "in_1")
    await add_endpoint(api.runtime, api.ours.id)
    await add_event(api.ours.id, at=datetime.now(UTC) - timedelta(days=2))
    await api.get("/v1/invoices/in_secret_name", "finance")
    text = (await api.http.get("/metrics")).text
    assert "tollbridge_events_late_seconds 172" in text
    assert "tollbridge_database_up 1.0" in text
    assert "tollbridge_cases_open 1.0" in text
    assert 'route="/v1/invoices/{invoice_id}",status="404"' in text
    assert "in_secret_name" not in text
    assert api.ours.id not in text


async def test_the_description_is_whole_and_its_page_needs_nobody_else(api: Api) -> None:
    described = (await api.http.get("/docs/openapi.json")).json()
    for path, verbs in described["paths"].items():
        for verb, operation in verbs.items():
            errors = {s: r for s, r in operation["responses"].items() if s >= "400"}
            assert {"400", "401", "403", "500", "503"} <= set(errors), f"{verb} {path}"
            assert all(list(r["content"]) == ["application/problem+json"] for r in errors.values())
    page = await api.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "http://" not in page.text
    assert "https://" not in page.text


async def test_the_log_line_holds_no_secret(api: Api) -> None:
    body = {"name": "x", "adapter": "practice", "credentials": {"api_key": "hush-1", "webhook_secret": "hush-2"}}
    with capture_logs() as lines:
        await api.http.post(
            "/v1/connections?token=hush-3", json=body, headers=api.ours.bearer() | {"cookie": "session=hush-4"}
        )
        await api.http.get("/nothing/hush-5")
    said = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in said] == [400, 404]
    assert said[0]["route"] == "/v1/connections"
    assert said[0]["account"] == api.ours.id
    assert "hush" not in str(lines)
    assert api.ours.keys["admin"] not in str(lines)


def test_what_is_named_like_a_secret_is_hidden() -> None:
    line = {"event": "x", "api_key": "1", "Authorization": "2", "client_secret": "3", "count": 4}
    assert hide_secrets(None, "info", line) == {
        "event": "x",
        "api_key": "***",
        "Authorization": "***",
        "client_secret": "***",
        "count": 4,
    }
