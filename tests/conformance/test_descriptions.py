"""Descriptions refuse what is wrong: closed schemas, and the official ones where they are on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from processors.conformance.descriptions import DescriptionMissingError
from processors.conformance.descriptions.closed import SHIPPED, ClosedSchema
from processors.conformance.descriptions.graphql import GraphQlSchema
from processors.conformance.descriptions.openapi import OpenApi, Patch, strict

SPEC = {
    "openapi": "3.0.3",
    "paths": {
        "/payments/{id}": {
            "parameters": [{"in": "path", "name": "id", "required": True, "schema": {"type": "string"}}],
            "post": {
                "parameters": [
                    {"in": "header", "name": "Key", "required": True, "schema": {"type": "string", "maxLength": 4}},
                    {"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 5}},
                ],
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Payment"}}},
                },
            },
        }
    },
    "components": {
        "schemas": {
            "Money": {
                "type": "object",
                "required": ["value"],
                "properties": {"value": {"type": "integer", "minimum": 0, "exclusiveMinimum": True}},
            },
            "Payment": {
                "allOf": [
                    {"$ref": "#/components/schemas/Money"},
                    {
                        "type": "object",
                        "properties": {
                            "note": {"type": "string", "nullable": True},
                            "fee": {"$ref": "#/components/schemas/Money"},
                            "metadata": {"type": "object"},
                        },
                    },
                ]
            },
        }
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "spec.json"
    path.write_bytes(msgspec.json.encode(SPEC))
    return path


def request(body: Any, path: str = "/v1/payments/1", key: str = "k") -> httpx.Request:
    return httpx.Request("POST", f"https://pay.example{path}", json=body, headers={"key": key} if key else {})


GOOD = {"value": 5, "note": None, "fee": {"value": 1}, "metadata": {"a": "b"}}


@pytest.mark.parametrize("body", [GOOD, {"value": 5}])
def test_a_request_that_fits(file: Path, body: Any) -> None:
    assert OpenApi(file, "/v1").violations(request(body)) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"value": "5"},
        {"value": 0},
        {**GOOD, "more": 1},
        {**GOOD, "fee": {"value": 1, "more": 1}},
        {**GOOD, "note": 1},
    ],
)
def test_a_body_that_does_not(file: Path, body: Any) -> None:
    assert OpenApi(file, "/v1").violations(request(body))


def test_headers_and_query(file: Path) -> None:
    described = OpenApi(file, "/v1")
    assert described.violations(request(GOOD, key=""))
    assert described.violations(request(GOOD, key="far too long"))
    assert described.violations(request(GOOD, "/v1/payments/1?limit=9"))
    assert described.violations(request(GOOD, "/v1/payments/1?unheard=of"))
    assert described.violations(request(GOOD, "/v1/payments/1?limit=5")) == []


def test_an_operation_that_it_does_not_know(file: Path) -> None:
    assert OpenApi(file, "/v1").violations(request(GOOD, "/v2/payments/1")) is None
    assert OpenApi(file, "/v1").violations(request(GOOD, "/v1/payments/1/more")) is None


def test_its_canary_is_refused(file: Path) -> None:
    [(name, found)] = OpenApi(file, "/v1").canaries([request(GOOD), request({"value": 7})])
    assert (name, bool(found)) == ("POST /payments/{id}", True)


def test_an_overlay_changes_one_place(file: Path) -> None:
    place = "/components/schemas/Payment/allOf/1/properties/more"
    overlay = [Patch(place, "newer than the description", {"type": "string"})]
    assert OpenApi(file, "/v1", overlay).violations(request({**GOOD, "more": "a"})) == []
    assert OpenApi(file, "/v1", overlay).violations(request({**GOOD, "more": 1}))
    gone = [Patch("/components/schemas/Money/required", "an amount may be left out")]
    assert OpenApi(file, "/v1", gone).violations(request({})) == []


def test_an_overlay_for_nothing_is_an_error(file: Path) -> None:
    with pytest.raises(LookupError):
        OpenApi(file, "/v1", [Patch("/components/schemas/Nobody/required", "?")]).violations(request(GOOD))


def test_a_description_that_is_missing() -> None:
    with pytest.raises(DescriptionMissingError):
        OpenApi("nobody/at-home.json").violations(request(GOOD))


def test_a_closed_schema_that_is_missing_is_no_reason_to_skip() -> None:
    with pytest.raises(FileNotFoundError):
        ClosedSchema("nobody").violations(request(GOOD))
    with pytest.raises(FileNotFoundError):
        GraphQlSchema("practice").violations(request({"query": "{ node }", "variables": {}}, "/v1/setups"))


def test_a_free_form_object_stays_free() -> None:
    assert strict({"type": "object"}, closed=True)["additionalProperties"] is True


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_every_canary_of_a_closed_schema_is_refused(path: Path) -> None:
    canaries = list(ClosedSchema(path).canaries([]))
    assert canaries
    assert [name for name, found in canaries if not found] == []


NODE = "query Node($id: ID!) { node(id: $id) { ... on Refund { id status } } }"


def asks(document: str, **variables: Any) -> list[str]:
    """What Braintree's description has against a document with these variables."""
    headers = {"authorization": "Basic ZXhhbXBsZTpvbmx5", "braintree-version": "2025-04-29"}
    body = {"query": document, "variables": variables}
    sent = httpx.Request("POST", "https://b.example/graphql", json=body, headers=headers)
    return GraphQlSchema("braintree").violations(sent) or []


def test_a_document_that_fits() -> None:
    assert asks(NODE, id="cmVmdW5k") == []


@pytest.mark.parametrize(
    ("document", "variables", "said"),
    [
        (NODE.replace("status", "stutas"), {"id": "a"}, "Cannot query field 'stutas'"),
        (NODE.replace("$id: ID!", "$id: ID"), {"id": "a"}, "Variable '$id' of type 'ID'"),
        (NODE + NODE.replace("Node(", "Other("), {"id": "a"}, "2 operations"),
        ("query Node($id: ID!) { node(id: $id) {", {"id": "a"}, "Syntax Error"),
        ('query { node(id: "a") { id } }', {"id": "a"}, "id is not asked for"),
        (NODE, {"id": {"is": "a"}}, "ID cannot represent"),
        (NODE, {"id": "a", "legacyId": "a"}, "Additional properties"),
    ],
)
def test_a_document_that_does_not(document: str, variables: dict[str, Any], said: str) -> None:
    assert said in " ".join(asks(document, **variables))


def test_documents_have_their_canaries() -> None:
    sent = httpx.Request("POST", "https://b.example/graphql", json={"query": NODE, "variables": {"id": "a"}})
    own = dict(GraphQlSchema("braintree").canaries([sent]))
    assert own.keys() - dict(ClosedSchema("braintree").canaries([])).keys() == {"query Node($id: ID!): canaryOfTheKit"}
    assert own["query Node($id: ID!): canaryOfTheKit"] == [
        "document: Cannot query field 'canaryOfTheKit' on type 'Query'."
    ]


ADYEN: dict[str, Any] = {
    "merchantAccount": "M",
    "amount": {"currency": "USD", "value": 1000},
    "reference": "in_1.1",
    "paymentMethod": {"type": "scheme", "storedPaymentMethodId": "M5N7TQ4TG5PFWR50"},
    "returnUrl": "https://shop.example/unused",
}
PAYPAL: dict[str, Any] = {
    "intent": "CAPTURE",
    "purchase_units": [{"invoice_id": "in_1.1", "amount": {"currency_code": "USD", "value": "10.00"}}],
    "payment_source": {"paypal": {"vault_id": "8kk8451t"}},
}


@pytest.mark.parametrize(
    ("name", "base", "url", "body", "wrong"),
    [
        ("adyen/CheckoutService-v72.json.gz", "/v72", "/v72/payments", ADYEN, {"shoperReference": "cus_1"}),
        ("adyen/CheckoutService-v72.json.gz", "/v72", "/v72/payments", ADYEN, {"amount": {"currency": "USD"}}),
        ("paypal/checkout_orders_v2.json.gz", "", "/v2/checkout/orders", PAYPAL, {"intent": "SALE"}),
        ("paypal/checkout_orders_v2.json.gz", "", "/v2/checkout/orders", PAYPAL, {"invoice_id": "in_1.1"}),
    ],
)
def test_official_descriptions(name: str, base: str, url: str, body: Any, wrong: Any) -> None:
    """As they stand: their patterns are read, unknown fields are refused."""
    described = OpenApi(name, base)
    try:
        assert described.violations(request(body, url)) == []
    except DescriptionMissingError as reason:
        pytest.fail(str(reason)) if os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1" else pytest.skip(str(reason))
    assert described.violations(request({**body, **wrong}, url))
    assert all(found for _, found in described.canaries([request(body, url)]))
