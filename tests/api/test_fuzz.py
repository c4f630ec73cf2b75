"""Requests made from the API's own description, right and wrong ones, with every kind of key and real ids.

Whatever is asked, the answer is one that the operation describes: its status, its media type, its body, its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from itertools import count
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import respx
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from db.encryption import Keyring, generate_key
from gateway import waiting
from gateway.app import create_app
from gateway.settings import Settings
from tests.api.conftest import Api, problem
from tests.api.matrix import ACCOUNT_KEYS, ROUTES, Row
from tests.api.seed import Seeded, seed

CHECKS: Any = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
UNREACHABLE = {"stripe_unavailable", "processor_unavailable"}
"""Nobody is there behind these, so that a 503 with one of them is right."""
EVERYTHING = {"suppress_health_check": list(HealthCheck), "deadline": None, "database": None}
EXAMPLE = "7b0f6f0c-7f5c-4d1a-9f0e-2c5a3d9b1e44"
MODES = st.sampled_from([GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
ODD = ["x", "\0", "é", "%", "in_1' or '1'='1", "\N{GRINNING FACE}", "x" * 3000]


@cache
def operations() -> dict[str, Any]:
    """The operations of the description that the application serves, by route."""
    app = create_app(Settings(), Keyring.parse(f"one:{generate_key()}", generate_key()))
    # Keys are dealt out here, not by the description's scheme.
    shown = app.openapi_schema.to_schema() | {"security": []}
    described = schemathesis.openapi.from_dict(shown)
    return {found.ok().label: found.ok() for found in described.get_all_operations()}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No worker to wait for, and nobody outside: wherever a request may lead, its connection is refused."""
    # Every look at the clock is an hour after the last: patience is over at once.
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=partial(next, count(0, 3600))))
    with respx.mock(assert_all_called=False, assert_all_mocked=True) as outside:
        outside.route().mock(side_effect=httpx.ConnectError("nobody is there"))
        yield


@pytest.mark.parametrize("route", ROUTES)
@settings(max_examples=3, derandomize=True, **EVERYTHING)
@given(data=st.data())
async def test_answers_are_as_described(api: Api, route: str, data: st.DataObject) -> None:
    await _ask(api, route, data)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("route", ROUTES)
@settings(max_examples=120, **EVERYTHING)
@given(data=st.data())
async def test_answers_are_as_described_at_length(api: Api, route: str, data: st.DataObject) -> None:
    await _ask(api, route, data)


async def _ask(api: Api, route: str, data: st.DataObject) -> None:
    row, operation = ROUTES[route], operations()[route]
    seeded = await _seeded(api)
    case = data.draw(operation.as_strategy(generation_mode=data.draw(MODES)))
    if data.draw(st.integers(0, 4)):
        case.path_parameters = {name: getattr(seeded, kind) for name, kind in (row.ids or {}).items()}
    elif row.ids:
        case.path_parameters = {name: quote(data.draw(st.sampled_from(ODD)), safe="") for name in row.ids}
    sent = case.as_transport_kwargs(base_url="http://test")
    headers = {name: value for name, value in sent.pop("headers").items() if name.lower() != "authorization"}
    if headers.get("Idempotency-Key") == EXAMPLE:
        # The example's again and again would only show the stored reply.
        headers["Idempotency-Key"] = data.draw(st.uuids()).hex
    key = data.draw(_keys(api, seeded, row))
    wire = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    request = api.http.build_request(sent.pop("method"), sent.pop("url"), headers=wire, **_body(sent))
    if key:
        request.headers["authorization"] = f"Bearer {key}"
    answer = await api.http.send(request)
    _judge(case, answer)


def _judge(case: Any, answer: httpx.Response) -> None:
    code = ""
    if answer.status_code >= 400:
        code = problem(answer)[1]
        documented = case.operation.definition.raw["responses"].get(str(answer.status_code), {})
        assert f"`{code}`" in documented.get("description", ""), f"{answer.status_code} {code} is not described"
    checks = CHECKS if code in UNREACHABLE else [*CHECKS, not_a_server_error]
    if answer.status_code == 413:
        checks = [
            one for one in checks if one is not negative_data_rejection
        ]  # refused before anybody read what is wrong
    case.validate_response(answer, checks=checks)


def _keys(api: Api, seeded: Seeded, row: Row) -> st.SearchStrategy[str]:
    """A key that opens the route, most of the time; else any, or none."""
    every = {kind: api.ours.keys[kind] for kind in ACCOUNT_KEYS}
    every |= {"platform": api.platform["authorization"].removeprefix("Bearer "), "session": seeded.client_secret}
    every |= {"method_session": seeded.method_secret, "organization": seeded.organization_token}
    right = st.sampled_from([every[kind] for kind in sorted(row.opens)])
    return st.one_of(right, right, right, st.sampled_from([*every.values(), "tb_test_unknown", ""]))


async def _seeded(api: Api) -> Seeded:
    """One object of each kind, the same in all examples of a test."""
    if not hasattr(api, "seeded"):
        api.seeded = await seed(api.runtime, api.ours.id)  # type: ignore[attr-defined]
    return api.seeded  # type: ignore[attr-defined, no-any-return]


def _body(sent: dict[str, Any]) -> dict[str, Any]:
    """The rest of a request as httpx takes it; a body that is no JSON comes as text or bytes."""
    kept = {name: sent[name] for name in ("params", "json", "cookies") if name in sent}
    if "data" in sent:
        kept["content" if isinstance(sent["data"], bytes | str) else "data"] = sent["data"]
    return kept
