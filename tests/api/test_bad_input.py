"""Every wrong request gets a problem document that names the parameter."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from db import sql
from db.errors import DatabaseUnavailableError, PoolExhaustedError
from gateway.api.problems import CODES, Code, problem_of
from tests.api.conftest import MAX_BODY, ORIGIN, Api, problem
from tests.api.seed import add_setup, seed

PRACTICE = {"api_key": "k", "webhook_secret": "s"}
RECEIPT = {"source": "bank_transfer", "reference": "line 4", "received_at": 1_700_000_000, "reason": "on the statement"}
OPTIONS = {"base_url": "http://127.0.0.1:1", "account": "pa_1"}

BODIES = [
    ("/v1/api_keys", {"scopes": ["server"]}, "name"),
    ("/v1/api_keys", {"name": "x", "scopes": ["server"], "extra": 1}, "extra"),
    ("/v1/api_keys", {"name": "x", "scopes": ["root"]}, "scopes.0"),
    ("/v1/api_keys", {"name": "x", "scopes": []}, "scopes"),
    ("/v1/api_keys", {"name": "", "scopes": ["server"]}, "name"),
    ("/v1/api_keys", {"name": 5, "scopes": ["server"]}, "name"),
    ("/v1/connections", {"name": "Bad Name", "adapter": "practice", "credentials": PRACTICE}, "name"),
    ("/v1/connections", {"name": "x", "adapter": "nobody", "credentials": {}}, "adapter"),
    (
        "/v1/connections",
        {"name": "x", "adapter": "practice", "credentials": {"api_key": "k"}},
        "credentials.webhook_secret",
    ),
    (
        "/v1/connections",
        {"name": "x", "adapter": "practice", "credentials": PRACTICE | {"api_key": " "}},
        "credentials.api_key",
    ),
    (
        "/v1/connections",
        {"name": "x", "adapter": "practice", "credentials": PRACTICE | {"pin": "1"}},
        "credentials.pin",
    ),
    ("/v1/connections", {"name": "x", "adapter": "practice", "credentials": PRACTICE}, "options.base_url"),
    (
        "/v1/connections",
        {"name": "x", "adapter": "practice", "credentials": PRACTICE, "options": OPTIONS, "currencies": ["EUR"]},
        "currencies.0",
    ),
    (
        "/v1/connections",
        {"name": "x", "adapter": "practice", "credentials": PRACTICE, "options": OPTIONS, "record_on": "never"},
        "record_on",
    ),
    ("/v1/connections", {"name": "x", "adapter": "practice", "credentials": {"api_key": 5}}, "credentials"),
    ("/v1/accounts/{account}", {"policies": {"margin": 1}}, "policies.margin"),
    ("/v1/accounts/{account}", {"policies": {"margin_hours": -1}}, "policies.margin_hours"),
    ("/v1/accounts/{account}", {"policies": {"ladder_hours": [0, "x"]}}, "policies.ladder_hours.1"),
    ("/v1/accounts/{account}", {"policies": {"approval_above": {"eur": 500.0}}}, "policies.approval_above.eur"),
    ("/v1/accounts/{account}", {"api_key": "sk_live_other"}, "api_key"),
    ("/v1/accounts/{account}", {"api_key": "pk_test_public"}, "api_key"),
    ("/v1/accounts/{account}", {"api_base": "ftp://x"}, "api_base"),
    ("/v1/accounts/{account}/webhook_secrets", {"secret": ""}, "secret"),
    ("/v1/api_keys", {"name": "a\0b", "scopes": ["server"]}, "name"),
    ("/v1/accounts/{account}", {"policies": {"ladder_hours": [0, "\0"]}}, "policies.ladder_hours.1"),
    ("/v1/accounts/{account}", {"policies": {"a\0": 1}}, "policies.a\ufffd"),
    ("/v1/connections", {"name": "x", "adapter": "practice", "credentials": PRACTICE, "priority": 2**40}, "priority"),
    ("/v1/api_keys", [], ""),
    ("/v1/api_keys", None, ""),
]


@pytest.mark.parametrize(("path", "body", "param"), BODIES, ids=[f"{p} {param}" for p, _, param in BODIES])
async def test_a_wrong_body_names_the_parameter(api: Api, path: str, body: Any, param: str) -> None:
    answer = await api.post(path.format(account=api.ours.id), body)
    assert problem(answer) == (400, "invalid_request", param)


REFUNDS = [
    ("/v1/refunds", {}, "invoice"),
    ("/v1/refunds", {"invoice": "inv_1"}, "invoice"),
    ("/v1/refunds", {"invoice": "in_1", "amount": 0}, "amount"),
    ("/v1/refunds", {"invoice": "in_1", "amount": 4.5}, "amount"),
    ("/v1/refunds", {"invoice": "in_1", "amount": 4.0}, "amount"),
    ("/v1/refunds", {"invoice": "in_1", "amount": "400"}, "amount"),
    ("/v1/refunds", {"invoice": "in_1", "amount": " 400"}, "amount"),
    ("/v1/refunds", {"invoice": "in_1", "lines": [{"invoice_line_item": "il_1", "amount": 4.0}]}, "lines.0.amount"),
    ("/v1/invoices/in_1/record_payment", {"amount": 19.0}, "amount"),
    ("/v1/invoices/in_1/record_payment", RECEIPT | {"amount": 10**15 + 1}, "amount"),
    ("/v1/invoices/in_1/record_payment", RECEIPT | {"reference": " "}, "reference"),
    ("/v1/invoices/in_1/record_payment", RECEIPT | {"reason": " "}, "reason"),
    ("/v1/refunds", {"invoice": "in_1", "reason": "because"}, "reason"),
    ("/v1/refunds", {"invoice": "in_1", "attempt": "x"}, "attempt"),
    ("/v1/refunds", {"invoice": "in_1", "lines": [{"invoice_line_item": "x"}]}, "lines.0.invoice_line_item"),
    ("/v1/refunds", {"invoice": "in_1", "currency": "eur"}, "currency"),
    ("/v1/credit_notes/crn_1/resolve", {"refund": "x"}, "refund"),
]


@pytest.mark.parametrize(("path", "body", "param"), REFUNDS)
async def test_a_wrong_refund_names_the_parameter(api: Api, path: str, body: Any, param: str) -> None:
    answer = await api.post(path, body, "finance", idempotency_key="made-up")
    assert problem(answer) == (400, "invalid_request", param)


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"state": "lost"}, "state"),
        ({"starting_after": "in_nobody"}, "starting_after"),
        ({"costumer": "cus_1"}, "costumer"),
        ({"customer": "cus\0"}, "customer"),
        ({"starting_after": "\0"}, "starting_after"),
    ],
)
async def test_a_wrong_query_names_the_parameter(api: Api, query: dict[str, str], param: str) -> None:
    assert problem(await api.get("/v1/invoices", "finance", **query)) == (400, "invalid_request", param)


async def test_nul_in_an_address_names_the_parameter(api: Api) -> None:
    answer = await api.http.get("/v1/invoices/in_%00", headers=api.ours.bearer("finance"))
    assert problem(answer) == (400, "invalid_request", "invoice_id")


async def test_a_backslash_and_four_noughts_are_no_nul(api: Api) -> None:
    assert (await api.post("/v1/api_keys", {"name": "\\u0000", "scopes": ["server"]})).status_code == 200


async def test_a_set_up_in_letters_that_no_id_has_is_not_the_sessions(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    await add_setup(api.runtime.keyring, seeded, checkout_session=seeded.session)
    path = f"/v1/checkout_sessions/{seeded.session}/confirm"
    answer = await api.post(path, {"setup": "pset_é"}, "server", idempotency_key="k")
    assert problem(answer) == (400, "invalid_request", "setup")


async def test_a_value_that_is_none_of_a_closed_list_is_told_the_list(api: Api) -> None:
    wanted = {"name": "x", "adapter": "practice", "credentials": PRACTICE, "options": OPTIONS, "record_on": "never"}
    told = (await api.post("/v1/connections", wanted)).json()["detail"]
    assert told == "record_on: 'never' is none of confirmed, settled"
    told = (await api.post("/v1/api_keys", {"name": "x", "scopes": ["root"]})).json()["detail"]
    assert told.startswith("scopes.0: 'root' is none of checkout, server, ")


@pytest.mark.parametrize(
    ("path", "body", "told"),
    [
        ("/v1/refunds", {"amount": 4.0}, "amount: whole numbers, without a decimal point; amounts in minor units"),
        ("/v1/usage", {"value": 0.5}, "value: whole numbers, without a decimal point; a fraction is given as text"),
    ],
)
async def test_a_fraction_is_told_how_it_is_given(api: Api, path: str, body: Any, told: str) -> None:
    answer = await api.post(path, body, "finance" if "refunds" in path else "server", idempotency_key="made-up")
    assert answer.json()["detail"].startswith(told)


async def test_no_secret_comes_back_in_an_error(api: Api) -> None:
    secrets = {"api_key": "very secret one", "webhook_secret": "very secret two"}
    answer = await api.post("/v1/connections", {"name": "x", "adapter": "practice", "credentials": secrets})
    assert answer.status_code == 400
    assert "very secret" not in answer.text


async def test_a_body_that_is_no_json(api: Api) -> None:
    headers = api.ours.bearer()
    as_json = headers | {"content-type": "application/json"}
    broken = await api.http.post("/v1/api_keys", content=b'{"name": ', headers=as_json)
    assert problem(broken)[:2] == (400, "invalid_request")
    words = await api.http.post("/v1/api_keys", content=b"no json", headers=as_json)
    assert words.json()["detail"].startswith("the body: JSON is malformed: ")
    form = await api.http.post("/v1/api_keys", data={"name": "x"}, headers=headers)
    assert problem(form) == (415, "media_type_unsupported", "Content-Type")


@pytest.mark.parametrize("key", [{}, {"idempotency_key": "k"}])
async def test_a_body_over_the_limit_is_413(api: Api, key: dict[str, str]) -> None:
    answer = await api.post("/v1/api_keys", {"name": "x" * MAX_BODY, "scopes": ["server"]}, **key)
    assert problem(answer)[:2] == (413, "body_too_large")


async def test_a_body_over_the_limit_that_does_not_say_so_is_413(api: Api) -> None:
    async def pieces() -> Any:
        for _ in range(20):
            yield b"x" * 1000

    headers = api.ours.bearer() | {"content-type": "application/json", "idempotency-key": "k"}
    answer = await api.http.post("/v1/api_keys", content=pieces(), headers=headers)
    assert problem(answer)[:2] == (413, "body_too_large")


async def test_a_webhook_over_the_limit_is_413(api: Api) -> None:
    headers = {"stripe-signature": "t=1,v1=00"}
    answer = await api.http.post("/webhooks/stripe/ours", content=b"x" * (MAX_BODY + 1), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/invoices/in_1/nothing"])
async def test_an_unknown_address_is_404(api: Api, path: str) -> None:
    assert problem(await api.get(path))[:2] == (404, "not_found")


async def test_another_method_is_405(api: Api) -> None:
    answer = await api.http.put("/v1/invoices", headers=api.ours.bearer())
    assert problem(answer)[:2] == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "error",
    [
        DatabaseUnavailableError("gone"),
        PoolExhaustedError("busy"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.CannotConnectNowError("starting"),
        asyncpg.AdminShutdownError("restarting"),
        asyncpg.UndefinedTableError("not migrated"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_database_that_is_away_is_503(api: Api, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def away(*_: object) -> Any:
        raise error

    monkeypatch.setattr(sql, "rows", away)
    answer = await api.get("/v1/cases", "finance")
    assert problem(answer)[:2] == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


async def test_what_nobody_foresaw_is_500_without_details(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> Any:
        raise ValueError("the secret is 4711")

    monkeypatch.setattr(sql, "rows", broken)
    answer = await api.get("/v1/cases", "finance")
    assert problem(answer)[:2] == (500, "internal")
    assert "4711" not in answer.text


def test_an_os_error_of_our_own_is_no_database_error() -> None:
    assert problem_of(FileNotFoundError("x")).code is Code.INTERNAL


async def test_a_refused_connection_of_asyncpg_is() -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 (whatever the system says)
        await asyncpg.connect("postgresql://nobody@127.0.0.1:1/x", timeout=2)
    assert problem_of(caught.value).code is Code.DATABASE_UNAVAILABLE


def test_every_code_has_a_status_and_a_title() -> None:
    assert set(CODES) == set(Code)
    assert all(400 <= status < 600 and title for status, title in CODES.values())


async def test_cors_is_for_configured_origins(api: Api) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,idempotency-key"}
    ours = await api.http.options("/v1/checkout_sessions", headers={"origin": ORIGIN, **asked})
    assert ours.status_code == 204
    assert ours.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in ours.headers
    theirs = await api.http.options("/v1/checkout_sessions", headers={"origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in theirs.headers
    # An error is readable for the frontend, too.
    refused = await api.http.get("/v1/invoices", headers={"origin": ORIGIN})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN
