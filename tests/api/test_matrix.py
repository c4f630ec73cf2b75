"""Every route of /v1 × no key, wrong scope, another account's object. A route that is not in the table fails."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api, problem
from tests.api.seed import Seeded, seed

SCOPES = {"checkout", "server", "finance", "admin"}
ADMIN, READ, SHOP = {"admin"}, {"server", "finance"}, {"checkout", "server"}

NEW_ACCOUNT = {"name": "new", "api_key": "sk_test_new"}
NEW_CONNECTION = {
    "name": "new",
    "adapter": "practice",
    "credentials": {"api_key": "k", "webhook_secret": "s"},
    "options": {"base_url": "http://127.0.0.1:1", "account": "pa_1"},
}
CHECKOUT = {"client_reference": "r", "items": [{"price": "price_1"}], "customer": "cus_1"}
SETUP = {"processor": "practice", "return_url": "https://shop.example/back"}

PAYMENT = {"source": "credits", "reference": "r", "received_at": 1, "reason": "paid"}

# Method, address, scopes that open it, a body that fits. In braces: an object of the account's.
ROUTES: list[tuple[str, str, set[str], Any]] = [
    ("POST", "/v1/accounts", set(), NEW_ACCOUNT),
    ("GET", "/v1/accounts", ADMIN, None),
    ("GET", "/v1/accounts/{account}", ADMIN, None),
    ("POST", "/v1/accounts/{account}", ADMIN, {"enabled": True}),
    ("POST", "/v1/accounts/{account}/check", ADMIN, None),
    ("POST", "/v1/accounts/{account}/webhook_secrets", ADMIN, {"secret": "whsec_0123456789"}),
    ("DELETE", "/v1/accounts/{account}/webhook_secrets/whs_1", ADMIN, None),
    ("POST", "/v1/api_keys", ADMIN, {"name": "x", "scopes": ["server"]}),
    ("GET", "/v1/api_keys", ADMIN, None),
    ("DELETE", "/v1/api_keys/{key}", ADMIN, None),
    ("POST", "/v1/connections", ADMIN, NEW_CONNECTION),
    ("GET", "/v1/connections", ADMIN, None),
    ("GET", "/v1/connections/{connection}", ADMIN, None),
    ("POST", "/v1/connections/{connection}", ADMIN, {"priority": 1}),
    ("POST", "/v1/connections/{connection}/check", ADMIN, None),
    ("GET", "/v1/events", ADMIN, None),
    ("GET", "/v1/events/{event}", ADMIN, None),
    ("POST", "/v1/events/{event}/replay", ADMIN, None),
    ("GET", "/v1/invoices", READ, None),
    ("GET", "/v1/invoices/{invoice}", READ, None),
    ("POST", "/v1/invoices/{invoice}/collect", READ, {}),
    ("POST", "/v1/invoices/{invoice}/record_payment", {"finance"}, PAYMENT),
    ("GET", "/v1/attempts", READ, None),
    ("GET", "/v1/attempts/{attempt}", READ, None),
    ("GET", "/v1/cases", {"finance"}, None),
    ("GET", "/v1/cases/{case}", {"finance"}, None),
    ("POST", "/v1/cases/{case}/close", {"finance"}, {"reason": "done"}),
    ("POST", "/v1/customers/{customer}", {"server"}, {"opted_out": True}),
    ("GET", "/v1/customers/{customer}/payment_methods", {"server"}, None),
    ("GET", "/v1/customers/{customer}/access", {"server"}, None),
    ("GET", "/v1/subscriptions/{subscription}/access", {"server"}, None),
    ("POST", "/v1/checkout_sessions", SHOP, CHECKOUT),
    ("GET", "/v1/checkout_sessions/{session}", SHOP, None),
    ("POST", "/v1/checkout_sessions/{session}", SHOP, {}),
    ("POST", "/v1/checkout_sessions/{session}/setup", SHOP, SETUP),
    ("POST", "/v1/checkout_sessions/{session}/confirm", SHOP, {}),
]
IDS = [f"{method} {path}" for method, path, _, _ in ROUTES]


def filled(path: str, seeded: Seeded | None) -> str:
    names = vars(seeded) if seeded else {}
    return path.format_map({"key": "key_1"} | {name: names.get(name, "x") for name in Seeded.__annotations__})


def test_the_table_names_every_route(api: Api) -> None:
    known = {
        (method, route.path)
        for route in api.app.routes
        if route.path.startswith("/v1/")
        for method in route.methods
        if method != "OPTIONS"
    }
    assert len(known) == len(ROUTES)
    for method, path, _, _ in ROUTES:
        shape = filled(path, None).split("/")
        matches = [k for k in known if k[0] == method and _fits(k[1].split("/"), shape)]
        assert matches, f"no route {method} {path}"


def _fits(route: list[str], path: list[str]) -> bool:
    return len(route) == len(path) and all(r == p or r.startswith("{") for r, p in zip(route, path, strict=True))


@pytest.mark.parametrize(("method", "path", "scopes", "body"), ROUTES, ids=IDS)
async def test_without_a_key_it_is_401(api: Api, method: str, path: str, scopes: set[str], body: Any) -> None:
    for headers in ({}, {"authorization": "Bearer tb_test_unknown"}, {"authorization": "Basic eDp5"}):
        answer = await api.http.request(method, filled(path, None), json=body, headers=headers)
        assert problem(answer)[:2] == (401, "unauthenticated")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(("method", "path", "scopes", "body"), ROUTES, ids=IDS)
async def test_with_another_scope_it_is_403(api: Api, method: str, path: str, scopes: set[str], body: Any) -> None:
    for scope in sorted(SCOPES - scopes):
        headers = api.ours.bearer(scope) | {"idempotency-key": f"k-{scope}"}
        answer = await api.http.request(method, filled(path, None), json=body, headers=headers)
        assert problem(answer)[:2] == (403, "scope_missing"), scope


@pytest.mark.parametrize(
    ("method", "path", "scopes", "body"), [r for r in ROUTES if "{" in r[1]], ids=[i for i in IDS if "{" in i]
)
async def test_another_accounts_object_is_404(api: Api, method: str, path: str, scopes: set[str], body: Any) -> None:
    theirs = await seed(api.runtime, api.theirs.id)
    for scope in sorted(scopes):
        headers = api.ours.bearer(scope) | {"idempotency-key": f"k-{scope}"}
        answer = await api.http.request(method, filled(path, theirs), json=body, headers=headers)
        assert problem(answer)[:2] == (404, "not_found"), scope


@pytest.mark.parametrize("path", sorted({path for method, path, _, _ in ROUTES if method == "GET" and "{" not in path}))
async def test_lists_hold_nothing_of_another_account(api: Api, path: str) -> None:
    theirs = await seed(api.runtime, api.theirs.id)
    scope = next(iter(sorted({s for m, p, scopes, _ in ROUTES if (m, p) == ("GET", path) for s in scopes})))
    text = (await api.get(path, scope)).text
    assert not [one for one in vars(theirs).values() if one in text]


async def test_the_platform_key_makes_accounts_and_reads_no_business(api: Api) -> None:
    made = await api.http.post("/v1/accounts", json=NEW_ACCOUNT, headers=api.platform)
    assert made.status_code == 200
    key = await api.http.post(
        "/v1/api_keys", json={"name": "first", "scopes": ["admin"], "account": made.json()["id"]}, headers=api.platform
    )
    assert key.json()["secret"].startswith("tb_test_")
    for path in ("/v1/invoices", "/v1/cases", "/v1/events", "/v1/connections"):
        assert problem(await api.http.get(path, headers=api.platform))[0] == 403


async def test_a_revoked_key_is_401_at_once(api: Api) -> None:
    made = (await api.post("/v1/api_keys", {"name": "x", "scopes": ["finance"]})).json()
    bearer = {"authorization": f"Bearer {made['secret']}"}
    assert (await api.http.get("/v1/cases", headers=bearer)).status_code == 200
    await api.http.delete(f"/v1/api_keys/{made['id']}", headers=api.ours.bearer())
    assert problem(await api.http.get("/v1/cases", headers=bearer))[0] == 401


async def test_a_disabled_account_is_403(api: Api) -> None:
    await api.http.post(f"/v1/accounts/{api.ours.id}", json={"enabled": False}, headers=api.platform)
    assert problem(await api.get("/v1/cases", "finance"))[:2] == (403, "account_disabled")


async def test_a_client_secret_opens_its_own_session_and_nothing_else(api: Api) -> None:
    ours, theirs = await seed(api.runtime, api.ours.id), await seed(api.runtime, api.theirs.id)
    bearer = {"authorization": f"Bearer {ours.client_secret}"}
    own = await api.http.get(f"/v1/checkout_sessions/{ours.session}", headers=bearer)
    assert own.status_code == 200
    assert own.json()["client_secret"] is None
    other = await api.http.get(f"/v1/checkout_sessions/{theirs.session}", headers=bearer)
    assert problem(other)[0] == 404
    for path in ("/v1/invoices", f"/v1/invoices/{ours.invoice}", f"/v1/customers/{ours.customer}/payment_methods"):
        assert problem(await api.http.get(path, headers=bearer))[0] == 403
    made = await api.http.post("/v1/checkout_sessions", json=CHECKOUT, headers=bearer)
    assert problem(made)[0] == 403
