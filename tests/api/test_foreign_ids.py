"""Another account's ids in filters and bodies, for every route that takes any: nothing is found, and nothing changes.

Ids in paths are `test_matrix`'s. A route that takes a new field of these names fails here until it has a row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from tests.api.conftest import Api, problem
from tests.api.matrix import CHECKOUT, IMPORT, READ_AS, ROUTES, SETUP, USAGE
from tests.api.seed import Seeded, add_setup, seed
from tests.support.tenants import rows_of

pytestmark = pytest.mark.usefixtures("nobody_is_waited_for")

USED: Final = {name: value for name, value in USAGE.items() if name != "customer"}

OURS: Final = ("account", "attempt", "connection", "customer", "invoice", "payment_method", "refund", "subscription")
NAMES: Final = frozenset({*OURS, "object", "object_id", "processor", "setup", "starting_after", "webhook_endpoint"})
"""Fields that name an object of ours. What Stripe alone knows (prices, tax rates, promotion codes, its payment methods)
is asked of it with the account's own key."""

AS_FILTER: Final[dict[str, dict[str, str]]] = {
    "GET /v1/attempts": {"invoice": "invoice"},
    "GET /v1/cases": {"invoice": "invoice"},
    "GET /v1/credit_notes": {"invoice": "invoice"},
    "GET /v1/disputes": {"invoice": "invoice"},
    "GET /v1/events": {"object": "invoice", "webhook_endpoint": "endpoint"},
    "GET /v1/inbox": {"object_id": "invoice"},
    "GET /v1/invoices": {"customer": "customer", "subscription": "subscription", "connection": "connection"},
    "GET /v1/organization/invoices": {"subscription": "subscription"},
    "GET /v1/reconciliations/{reconciliation_id}/breaks": {"invoice": "invoice"},
    "GET /v1/refunds": {"invoice": "invoice"},
    "GET /v1/settlements": {"connection": "connection"},
    "GET /v1/subscriptions": {"customer": "customer"},
    "GET /v1/usage": {"customer": "customer"},
}
"""These find nothing, or are refused."""
AS_PLACE: Final[dict[str, str]] = {
    "GET /v1/attempts": "attempt",
    "GET /v1/audit_log": "event",
    "GET /v1/cases": "case",
    "GET /v1/cases/{case_id}/notes": "case_note",
    "GET /v1/credit_notes": "note",
    "GET /v1/disputes": "dispute",
    "GET /v1/events": "event",
    "GET /v1/inbox": "delivery",
    "GET /v1/invoices": "invoice",
    "GET /v1/webhook_endpoints/{endpoint_id}/deliveries": "event",
    "GET /v1/customers/{customer_id}/payment_methods": "method",
    "GET /v1/organization/invoices": "invoice",
    "GET /v1/organization/subscriptions": "subscription",
    "GET /v1/reconciliations": "reconciliation",
    "GET /v1/reconciliations/{reconciliation_id}/breaks": "reconciliation_break",
    "GET /v1/reconciliations/{reconciliation_id}/in_transit": "attempt",
    "GET /v1/refunds": "refund",
    "GET /v1/settlements": "settlement",
    "GET /v1/subscriptions": "subscription",
    "GET /v1/subscriptions/{subscription_id}/access_grants": "grant",
    "GET /v1/usage": "usage",
}
"""`starting_after`, which must be on the list."""
REFUSED: Final[dict[str, dict[str, tuple[str, dict[str, Any]]]]] = {
    "GET /v1/api_keys": {"account": ("account", {})},
    "DELETE /v1/api_keys/{key_id}": {"account": ("account", {})},
    "POST /v1/api_keys": {"account": ("account", {"name": "x", "scopes": ["server"]})},
    "POST /v1/checkout_sessions": {
        "customer": ("customer", CHECKOUT),
        "payment_method": ("method", CHECKOUT),
    },
    "POST /v1/checkout_sessions/{session_id}/setup": {"processor": ("connection", SETUP)},
    "POST /v1/checkout_sessions/{session_id}/confirm": {"payment_method": ("method", {}), "setup": ("setup", {})},
    "POST /v1/credit_notes/{note_id}/resolve": {"refund": ("refund", {})},
    "POST /v1/customers/{customer_id}/payment_methods": {"connection": ("connection", IMPORT)},
    "POST /v1/events/{event_id}/replay": {"webhook_endpoint": ("endpoint", {})},
    "POST /v1/organization_tokens": {
        "customer": ("customer", {}),
        "subscription": ("subscription", {"customer": "own:customer"}),
    },
    "POST /v1/payment_method_sessions": {
        "customer": ("customer", {"currency": "eur"}),
        "connection": ("connection", {"currency": "eur", "customer": "own:customer"}),
        "subscription": ("subscription", {"currency": "eur", "customer": "own:customer"}),
    },
    "POST /v1/payment_method_sessions/{session_id}/setup": {"processor": ("connection", SETUP)},
    "POST /v1/payment_method_sessions/{session_id}/complete": {"setup": ("setup", {})},
    "POST /v1/refunds": {
        "invoice": ("invoice", {}),
        "attempt": ("attempt", {"invoice": "own:invoice"}),
    },
    "POST /v1/refunds/preview": {
        "invoice": ("invoice", {}),
        "attempt": ("attempt", {"invoice": "own:invoice"}),
    },
    "POST /v1/settlements": {"connection": ("connection", dict(READ_AS))},
    "POST /v1/subscriptions/{subscription_id}/switch": {
        "payment_method": ("method", {"to": "gateway", "wait_s": 0}),
    },
    "POST /v1/usage": {"customer": ("customer", USED), "subscription": ("subscription", USED)},
}
"""What is sent beside the foreign id; `own:` is the asking account's. A customer is looked up at Stripe, with the
account's own key."""


def below(schema: dict[str, Any], all_: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """The names of a schema's fields, however deep."""
    if "$ref" in schema:
        schema = all_[schema["$ref"].rpartition("/")[2]]
    for way in ("oneOf", "anyOf", "allOf"):
        for one in schema.get(way, []):
            yield from below(one, all_, depth)
    for name, field in schema.get("properties", {}).items():
        yield name
        if depth < 4:
            yield from below(field, all_, depth + 1)


async def test_every_field_that_names_an_object_has_a_row(api: Api) -> None:
    description = (await api.http.get("/docs/openapi.json")).json()
    found: set[tuple[str, str]] = set()
    for path, verbs in description["paths"].items():
        for verb, told in verbs.items():
            route = f"{verb.upper()} {path}"
            names = {p["name"] for p in told.get("parameters", []) if p["in"] == "query"}
            for media in told.get("requestBody", {}).get("content", {}).values():
                names |= set(below(media["schema"], description["components"]["schemas"]))
            found |= {(route, name) for name in names & NAMES}
    rows = {(route, name) for table in (AS_FILTER, REFUSED) for route, fields in table.items() for name in fields}
    rows |= {(route, "starting_after") for route in AS_PLACE}
    assert found == rows


async def ask(api: Api, route: str, own: Seeded, params: dict[str, Any]) -> httpx.Response:
    """With the first key that opens it, about the account's own object where the path names one."""
    row, method = ROUTES[route], route.partition(" ")[0]
    kind = sorted(row.opens - {"platform", "session", "method_session"})[0]
    bearer = {"authorization": f"Bearer {own.organization_token}"} if kind == "organization" else api.ours.bearer(kind)
    headers = bearer | ({"idempotency-key": uuid4().hex} if method == "POST" else {})
    path = row.path(route, own)
    if isinstance(row.body, str):
        headers["content-type"] = "text/csv"
        return await api.http.request(method, path, params=params, content=row.body, headers=headers)
    if method == "POST":
        return await api.http.request(method, path, json=params, headers=headers)
    return await api.http.request(method, path, params=params, headers=headers)


async def test_in_a_filter_they_find_nothing(api: Api) -> None:
    own, theirs = await seed(api.runtime, api.ours.id), await seed(api.runtime, api.theirs.id)
    before = await rows_of(api.theirs.id)
    for route, fields in AS_FILTER.items():
        for field, name in fields.items():
            mine = await ask(api, route, own, {field: getattr(own, name)})
            found = await ask(api, route, own, {field: getattr(theirs, name)})
            assert mine.status_code == 200, (route, field, mine.text)
            assert found.status_code == 404 or found.json()["data"] == [], (route, field, found.text)
    for route, name in AS_PLACE.items():
        refused = await ask(api, route, own, {"starting_after": getattr(theirs, name)})
        assert problem(refused) == (400, "invalid_request", "starting_after"), route
    assert await rows_of(api.theirs.id) == before


async def test_in_a_body_they_are_refused_as_what_nobody_has_and_nothing_of_theirs_changes(api: Api) -> None:
    own, theirs = await seed(api.runtime, api.ours.id), await seed(api.runtime, api.theirs.id)
    setup = await add_setup(api.runtime.keyring, theirs, checkout_session=theirs.session)
    before = await rows_of(api.theirs.id)
    for route, fields in REFUSED.items():
        for field, (name, beside) in fields.items():
            filled = {k: getattr(own, v[4:]) if str(v).startswith("own:") else v for k, v in beside.items()}
            foreign = setup if name == "setup" else getattr(theirs, name)
            answer = await ask(api, route, own, filled | {field: foreign})
            nobodys = await ask(api, route, own, filled | {field: f"{foreign[:-6]}000000"})
            assert problem(answer) == problem(nobodys), (route, field, answer.text, nobodys.text)
            assert not [one for one in vars(theirs).values() if one not in foreign and one in answer.text]
    assert await rows_of(api.theirs.id) == before
