"""What the served description says of the API: every parameter, header and field, with examples that hold."""

from __future__ import annotations

from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.api.matrix import ROUTES

Description = dict[str, Any]


@pytest.fixture(scope="session")
async def description(served: Any) -> Description:
    """As it is served, read once."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=served), base_url="http://test") as http:
        return dict((await http.get("/docs/openapi.json")).json())


def operation(description: Description, route: str) -> Description:
    method, _, path = route.partition(" ")
    return dict(description["paths"][path][method.lower()])


def resolved(description: Description, schema: Description) -> Description:
    """The schema with the description's components beside it, so that references hold."""
    return schema | {"components": description["components"]}


MOVES_MONEY = {
    "POST /v1/checkout_sessions/{session_id}/confirm",
    "POST /v1/disputes/{dispute_id}/retry",
    "POST /v1/invoices/{invoice_id}/collect",
    "POST /v1/invoices/{invoice_id}/record_payment",
    "POST /v1/refunds",
    "POST /v1/refunds/{refund_id}/approve",
    "POST /v1/refunds/{refund_id}/retry",
    "POST /v1/credit_notes/{note_id}/resolve",
}


WANTS_KEY = MOVES_MONEY | {"POST /v1/usage"}


@pytest.mark.parametrize("route", ROUTES)
def test_every_parameter_is_explained(description: Description, route: str) -> None:
    parameters = operation(description, route).get("parameters", [])
    assert [p["name"] for p in parameters if not p.get("description")] == []


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith("POST")])
def test_every_post_takes_an_idempotency_key(description: Description, route: str) -> None:
    [header] = [p for p in operation(description, route)["parameters"] if p["in"] == "header"]
    assert header["name"] == "Idempotency-Key"
    assert header.get("required", False) is (route in WANTS_KEY)


@pytest.mark.parametrize("route", [route for route, row in ROUTES.items() if row.body is not None])
def test_every_body_has_an_example_that_holds(description: Description, route: str) -> None:
    [media] = operation(description, route)["requestBody"]["content"].values()
    schema = media["schema"]
    examples = schema.get("examples") or description["components"]["schemas"][_name(schema)]["examples"]
    validator = jsonschema_rs.validator_for(resolved(description, schema))
    assert examples
    for example in examples:
        validator.validate(example)


def test_every_field_of_a_request_is_explained(description: Description) -> None:
    schemas = description["components"]["schemas"]
    closed = {name: schema for name, schema in schemas.items() if schema.get("additionalProperties") is False}
    assert {"CheckoutRequest", "ConfirmBody", "SetupBody", "NewConnection"} <= set(closed)
    bare = [
        f"{name}.{field}"
        for name, schema in closed.items()
        for field, told in schema["properties"].items()
        if not told.get("description") and "$ref" not in told
    ]
    assert bare == []


def test_every_object_says_what_it_is(description: Description) -> None:
    schemas = description["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []


def _name(schema: Description) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
