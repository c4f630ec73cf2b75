"""Every route × every kind of key × one's own object, another account's, and a live account's."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from db import sql
from db.encryption import Keyring
from gateway.accounts import keys
from gateway.accounts.audit import Author
from gateway.console.desk import HOME as CONSOLE
from tests.api.conftest import Api, Tenant, make_tenant, problem
from tests.api.matrix import ACCOUNT_KEYS, PUBLIC, ROUTES
from tests.api.seed import Seeded, seed

pytestmark = pytest.mark.usefixtures("nobody_is_waited_for")

Headers = dict[str, str]
WITH_AN_OBJECT = [route for route, row in ROUTES.items() if row.ids]
LISTS = [route for route, row in ROUTES.items() if not row.ids and route.startswith("GET")]
NOTED = "select count(*) from tollbridge.audit_log"
"""Whoever is turned away changes nothing: so all routes share one world in the tests of that, and leave no note."""


def bearer(secret: str) -> Headers:
    return {"authorization": f"Bearer {secret}"}


async def ask(api: Api, route: str, seeded: Seeded, headers: Headers, account: str = "") -> httpx.Response:
    """Ask for one of these objects; `account` is named as well, as the platform's key must."""
    row, method = ROUTES[route], route.partition(" ")[0]
    key = {"idempotency-key": uuid4().hex} if method == "POST" else {}
    body, params = row.body, {}
    if account and method == "POST":
        body = {**row.body, "account": account}
    elif account:
        params = {"account": account}
    path, params = row.path(route, seeded), params | dict(row.query or {})
    if isinstance(body, str):
        key["content-type"] = "text/csv"
        return await api.http.request(method, path, content=body, params=params, headers=headers | key)
    return await api.http.request(method, path, json=body, params=params, headers=headers | key)


def test_every_route_has_a_row(api: Api) -> None:
    ours = [route for route in api.app.routes if not route.path.startswith(CONSOLE)]
    served = {f"{method} {route.path_format}" for route in ours for method in route.methods - {"OPTIONS"}}
    assert served == set(ROUTES) | set(PUBLIC)


def test_the_description_shows_the_routes_of_the_table(api: Api) -> None:
    paths = api.app.openapi_schema.to_schema()["paths"]
    described = {f"{verb.upper()} {path}" for path, verbs in paths.items() for verb in verbs}
    assert described == set(ROUTES)


@pytest.mark.parametrize("route", PUBLIC)
async def test_without_a_key_what_is_public_answers(api: Api, route: str) -> None:
    await seed(api.runtime, api.ours.id)
    path, status = PUBLIC[route]
    answer = await api.http.request(route.partition(" ")[0], path)
    assert answer.status_code == status, answer.text


async def test_no_key_a_wrong_one_and_a_revoked_one_are_401(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    revoked, text = await keys.create(Author("test"), api.ours.id, "revoked", ACCOUNT_KEYS)
    await keys.revoke(Author("test"), api.ours.id, revoked.id)
    wrong = {
        "none": {},
        "unknown": bearer("tb_test_unknown"),
        "of no kind": bearer("unknown"),
        "revoked": bearer(text.reveal()),
        "cut": bearer(api.ours.keys["admin"][:-1]),
        "longer": bearer(api.ours.keys["admin"] + "0"),
        "in another scheme": {"authorization": f"Basic {api.ours.keys['admin']}"},
        "in an address": {"x-api-key": api.ours.keys["admin"]},
        "an unknown client secret": bearer("tbcs_secret_unknown"),
        "an unknown session's": bearer("tbpm_secret_unknown"),
        "an unknown organization's": bearer("tborg_secret_unknown"),
        "a client secret's first half": bearer(seeded.client_secret[:-1]),
    }
    before = await sql.value(NOTED)
    for route in ROUTES:
        for name, headers in wrong.items():
            answer = await ask(api, route, seeded, headers)
            assert problem(answer)[:2] == (401, "unauthenticated"), (route, name)
            assert answer.headers["www-authenticate"].startswith("Bearer"), route
    assert await sql.value(NOTED) == before


async def test_a_disabled_account_is_403_for_all_its_keys(api: Api) -> None:
    seeded = await seed(api.runtime, api.ours.id)
    await api.http.post(f"/v1/accounts/{api.ours.id}", json={"enabled": False}, headers=api.platform)
    before = await sql.value(NOTED)
    for route in ROUTES:
        for headers in [
            *(api.ours.bearer(kind) for kind in ACCOUNT_KEYS),
            bearer(seeded.client_secret),
            bearer(seeded.method_secret),
            bearer(seeded.organization_token),
        ]:
            assert problem(await ask(api, route, seeded, headers))[:2] == (403, "account_disabled"), route
    assert await sql.value(NOTED) == before


async def test_a_key_of_another_kind_is_403(api: Api) -> None:
    ours, theirs = await seed(api.runtime, api.ours.id), await seed(api.runtime, api.theirs.id)
    others = {kind: api.ours.bearer(kind) for kind in ACCOUNT_KEYS}
    others |= {"platform": api.platform}
    others |= {"session": bearer(ours.client_secret), "method_session": bearer(ours.method_secret)}
    others |= {"organization": bearer(ours.organization_token)}
    before = await sql.value(NOTED)
    for route, row in ROUTES.items():
        for kind in others.keys() - row.opens:
            for seeded in (ours, theirs):
                answer = await ask(api, route, seeded, others[kind])
                assert problem(answer)[:2] == (403, "scope_missing"), (route, kind)
    assert await sql.value(NOTED) == before


@pytest.mark.parametrize("route", ROUTES)
async def test_every_key_that_opens_it_does(api: Api, keyring: Keyring, route: str) -> None:
    row = ROUTES[route]
    for kind in sorted(row.opens):
        # Each in an account of its own: what the one has changed does not refuse the next.
        tenant = await make_tenant(keyring, kind)
        seeded = await seed(api.runtime, tenant.id)
        # The platform's key names the account whose keys it means.
        named = tenant.id if kind == "platform" and "/api_keys" in route else ""
        answer = await ask(api, route, seeded, _headers(api, tenant, seeded, kind), named)
        assert answer.status_code == row.answer, (kind, answer.text)
        if row.answer >= 400:
            problem(answer)


async def test_another_accounts_object_is_404_in_either_mode(api: Api, keyring: Keyring) -> None:
    live = await make_tenant(keyring, "live", mode="live")
    tenants = [api.ours, api.theirs, live]
    seeded = [await seed(api.runtime, tenant.id) for tenant in tenants]
    before = await sql.value(NOTED)
    pairs = [(own, tenant, other) for own, tenant in zip(seeded, tenants, strict=True) for other in seeded]
    for route in WITH_AN_OBJECT:
        for kind in sorted(ROUTES[route].opens - {"platform"}):
            for own, tenant, other in pairs:
                if other is not own:
                    answer = await ask(api, route, other, _headers(api, tenant, own, kind))
                    assert problem(answer)[:2] == (404, "not_found"), (route, kind, tenant.name)
    assert await sql.value(NOTED) == before


async def test_lists_hold_nothing_of_another_account(api: Api) -> None:
    theirs = await seed(api.runtime, api.theirs.id)
    ours = await seed(api.runtime, api.ours.id)
    for route in LISTS:
        for kind in sorted(ROUTES[route].opens - {"platform"}):
            answer = await ask(api, route, theirs, _headers(api, api.ours, ours, kind))
            assert answer.status_code == 200, route
            assert not [one for one in vars(theirs).values() if one in answer.text], (route, kind)


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/v1/invoices", "finance", "invoice"),
        ("/v1/attempts", "server", "attempt"),
        ("/v1/cases", "finance", "case"),
        ("/v1/events", "admin", "event"),
        ("/v1/inbox", "admin", "delivery"),
    ],
)
async def test_another_accounts_id_is_no_place_in_a_list(api: Api, path: str, kind: str, name: str) -> None:
    theirs = await seed(api.runtime, api.theirs.id)
    answer = await api.get(path, kind, starting_after=getattr(theirs, name))
    assert problem(answer) == (400, "invalid_request", "starting_after")


@pytest.mark.parametrize("path", ["/v1/invoices", "/v1/attempts", "/v1/cases"])
async def test_a_filter_by_another_accounts_id_finds_nothing(api: Api, path: str) -> None:
    await seed(api.runtime, api.ours.id)
    theirs = await seed(api.runtime, api.theirs.id)
    named = {"customer": theirs.customer} if path == "/v1/invoices" else {"invoice": theirs.invoice}
    assert (await api.get(path, "finance", **named)).json()["data"] == []


async def test_a_key_is_made_for_ones_own_account_alone(api: Api) -> None:
    body = {"name": "x", "scopes": ["admin"], "account": api.theirs.id}
    assert problem(await api.post("/v1/api_keys", body))[:2] == (404, "not_found")
    assert problem(await api.get("/v1/api_keys", account=api.theirs.id))[:2] == (404, "not_found")


async def test_another_customers_method_confirms_nothing(api: Api) -> None:
    ours, theirs = await seed(api.runtime, api.ours.id), await seed(api.runtime, api.theirs.id)
    path = f"/v1/checkout_sessions/{ours.session}/confirm"
    for method in (theirs.method, ours.method):
        answer = await api.post(path, {"payment_method": method}, "server", idempotency_key=method)
        assert problem(answer) == (404, "not_found", "payment_method"), "the session has no customer yet"


async def test_a_client_secret_is_not_shown_to_its_own_bearer(api: Api) -> None:
    ours = await seed(api.runtime, api.ours.id)
    shown = await api.http.get(f"/v1/checkout_sessions/{ours.session}", headers=bearer(ours.client_secret))
    assert shown.json()["client_secret"] is None
    assert ours.client_secret not in shown.text


def _headers(api: Api, tenant: Tenant, seeded: Seeded, kind: str) -> Headers:
    if kind == "platform":
        return api.platform
    secrets = {"session": seeded.client_secret, "method_session": seeded.method_secret}
    secrets["organization"] = seeded.organization_token
    return bearer(secrets[kind]) if kind in secrets else tenant.bearer(kind)
