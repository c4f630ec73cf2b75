"""The closed schemas of the processors that publish no usable description: they refuse what they are there to refuse.

A canary is a request with one fault, which its `why` names: "<keyword> at <place>: <reason>".
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from graphql import GraphQLError, GraphQLInputObjectType, build_schema, get_named_type, parse, type_from_ast, validate
from graphql.execution.values import get_variable_values

import processors

Json = dict[str, Any]
FOLDER = Path(processors.__file__).parent / "conformance" / "schemas"
FILES = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
OPERATIONS = [
    pytest.param(operation, id=f"{name}-{operation['operation']}")
    for name, file in FILES.items()
    for operation in file["operations"]
]
each = pytest.mark.parametrize("operation", OPERATIONS)
GRAPHQL = [pytest.param(one, id=one["operation"]) for one in FILES["braintree"]["operations"]]
each_document = pytest.mark.parametrize("operation", GRAPHQL)

KEYS = {"operation", "method", "path", "headers", "query", "example", "canary"}
LEFT_OUT = object()
PACKAGES = r"gocardless-(nodejs|pro-python) |checkout-sdk-java: |gateway/sandbox/practice/"
SECTION = r"[0-9](\.[0-9])?|fixtures/|RFC |docs: "
SOURCE = re.compile(rf"^({SECTION}|{PACKAGES}).*\[(S|D|V|M|F|I|3|D/S)\]")
REASON = re.compile(r"^(?P<keyword>\w+) at (?P<place>[^:]+): .{10,}$")
CONDITIONS = ("allOf", "anyOf", "oneOf")


def inner(schema: Json) -> Iterator[tuple[str, Json]]:
    """The schema of each property below, with its name, those of free names and of a list's items too."""
    named = schema.get("properties", {}) | schema.get("patternProperties", {})
    items = {"items": schema["items"]} if schema.get("type") == "array" else {}
    for name, child in (named | items).items():
        yield name, child
        yield from inner(child)


def conditions(schema: Json) -> Iterator[Json]:
    yield from (one for word in CONDITIONS for one in schema.get(word, []))


def named_in(condition: Json) -> set[str]:
    """The properties that a condition speaks of."""
    below = [condition[word] for word in ("if", "then", "else") if word in condition]
    found = set(condition.get("properties", {})) | set(condition.get("required", []))
    return found.union(*map(named_in, [*below, *conditions(condition)]))


def faults(operation: Json, request: Json) -> list[tuple[str, str]]:
    """What an operation has against a request: keyword and place of each."""
    found = []
    for part in ("query", "body"):
        if part in request:
            errors = jsonschema_rs.Draft202012Validator(operation[part]).iter_errors(request[part])
            found += [(str(one.schema_path[-1]), "/" + "/".join(map(str, one.instance_path))) for one in errors]
    given = request.get("headers", dict.fromkeys(operation["headers"]))
    for name, pattern in operation["headers"].items():
        value = given.get(name, "")
        if value is not None and not re.search(pattern, value):
            found.append(("pattern", name))
    return found


def test_there_is_one_for_each_processor_without_a_description() -> None:
    assert list(FILES) == ["adyen", "braintree", "checkout_com", "gocardless", "mollie", "practice"]
    assert all(file["processor"] == name and file["source"].startswith("facts as of ") for name, file in FILES.items())


@pytest.mark.parametrize("name", FILES)
def test_an_operation_is_named_once(name: str) -> None:
    names = [one["operation"] for one in FILES[name]["operations"]]
    assert len(set(names)) == len(names)
    if name == "adyen":
        return  # what its official description has isn't here
    assert {"begin_setup", "complete_setup", "charge", "lookup_charge", "refund", "revoke"} - set(names) <= (
        {"complete_setup"} if name == "checkout_com" else set()  # a session ends in a payment, which is looked up
    )


@each
def test_an_operation_is_written_as_the_format_says(operation: Json) -> None:
    assert set(operation) - {"body", "content_type"} == KEYS
    assert ("body" in operation) is ("content_type" in operation)
    assert operation["method"] in ({"POST"} if "body" in operation else {"GET", "DELETE", "POST"})
    for part in ("query", "body"):
        assert jsonschema_rs.meta.is_valid(operation.get(part, {}))
        jsonschema_rs.Draft202012Validator(operation.get(part, {}))
    assert all(re.compile(pattern) for pattern in operation["headers"].values())


@each
def test_every_object_is_closed(operation: Json) -> None:
    roots = [operation[part] for part in ("query", "body") if part in operation]
    for schema in [*roots, *(child for root in roots for _, child in inner(root))]:
        if schema.get("type") == "object" or "properties" in schema:
            assert schema["type"] == "object"
            assert schema["additionalProperties"] is False
            assert set(schema.get("required", [])) <= set(schema.get("properties", {}))
        else:
            assert {"type", "const"} & set(schema)


@each
def test_a_condition_speaks_of_known_properties_only(operation: Json) -> None:
    for root in (operation["query"], operation.get("body", {})):
        for schema in [root, *(child for _, child in inner(root))]:
            assert all(named_in(one) <= set(schema["properties"]) for one in conditions(schema))


@each
def test_every_property_names_its_source(operation: Json) -> None:
    assert SOURCE.match(operation["query"]["$comment"])
    for part in ("query", "body"):
        for name, schema in inner(operation.get(part, {})):
            assert SOURCE.match(schema.get("$comment", "")), name


@each
def test_the_example_passes(operation: Json) -> None:
    example = operation["example"]
    assert faults(operation, {"headers": {}, "query": {}} | example) == []
    assert ("body" in example) is ("body" in operation)
    assert re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", operation["path"]), example["path"])


@each
def test_the_canary_is_refused_for_its_reason_alone(operation: Json) -> None:
    canary = operation["canary"]
    reason = REASON.match(canary["why"])
    assert reason is not None
    assert len(set(canary) - {"why"}) == 1
    assert faults(operation, canary) == [(reason["keyword"], reason["place"])]


@each
def test_a_missing_header_is_refused(operation: Json) -> None:
    for name in operation["headers"]:
        given = {key: value for key, value in operation["example"]["headers"].items() if key != name}
        assert faults(operation, {"headers": given}) == [("pattern", name)]


@each
def test_nothing_may_be_added_and_nothing_needed_left_out(operation: Json) -> None:
    for part in ("query", "body"):
        schema, given = operation.get(part), operation["example"].get(part, {})
        if schema is not None:
            assert faults(operation, {part: given | {"unheard_of": "1"}}) == [("additionalProperties", "/")]
            for name in schema.get("required", []):
                left = {key: value for key, value in given.items() if key != name}
                assert ("required", "/") in faults(operation, {part: left})


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("braintree charge", "variables input apiRequestKey", LEFT_OUT),
        ("braintree charge", "variables input transaction amount", "10.0"),
        ("braintree charge", "variables input transaction amount", "0.00"),
        ("braintree charge", "variables input transaction merchantAccountId", LEFT_OUT),
        ("braintree charge", "variables input transaction orderId", LEFT_OUT),
        ("braintree charge", "variables input transaction paymentInitiator", "RECURRING_FIRST"),
        ("braintree charge", "variables input transaction currency", "USD"),
        ("braintree refund", "variables input apiRequestKey", LEFT_OUT),
        ("braintree id_from_legacy_id", "variables type", "CUSTOMER"),
        ("braintree poll_charges", "variables input merchantAccountId", LEFT_OUT),
        ("braintree poll_charges", "variables input merchantAccountId in", []),
        ("braintree poll_charges", "variables input createdAt", LEFT_OUT),
        ("braintree poll_disputes", "variables input transaction", LEFT_OUT),
        ("braintree refund", "variables input refund amount", "-5.00"),
        ("checkout_com charge", "amount", 0),
        ("checkout_com charge", "amount", "1000"),
        ("checkout_com charge", "capture", False),
        ("checkout_com charge", "currency", "usd"),
        ("checkout_com charge", "merchant_initiated", False),
        ("checkout_com charge", "payment_type", "Regular"),
        ("checkout_com charge", "previous_payment_id", LEFT_OUT),
        ("checkout_com charge", "reference", LEFT_OUT),
        ("checkout_com charge", "source id", "tok_1"),
        ("checkout_com refund", "amount", LEFT_OUT),
        ("gocardless charge", "payments amount", 10.5),
        ("gocardless charge", "payments currency", "CHF"),
        ("gocardless charge", "payments links mandate", "BRQ123"),
        ("gocardless charge", "payments metadata", LEFT_OUT),
        ("gocardless charge", "payments retry_if_possible", True),
        ("gocardless charge", "payments retry_if_possible", LEFT_OUT),
        ("gocardless refund", "refunds links payment", "MD123"),
        ("mollie charge", "mandateId", LEFT_OUT),
        ("mollie charge", "metadata", {}),
        ("mollie charge", "sequenceType", "first"),
        ("mollie refund", "amount", "5.00"),
    ],
)
def test_a_mistake_that_costs_money_is_refused(name: str, place: str, value: Any) -> None:
    file, _, wanted = name.partition(" ")
    operation = next(one for one in FILES[file]["operations"] if one["operation"] == wanted)
    body = json.loads(json.dumps(operation["example"]["body"]))
    *way, last = place.split()
    inside = body
    for step in way:
        inside = inside[step]
    inside.pop(last, None) if value is LEFT_OUT else inside.update({last: value})
    assert len(faults(operation, {"body": body})) == 1


@pytest.mark.parametrize(
    ("currency", "value", "passes"),
    [
        ("EUR", "10.00", True), ("EUR", "10.0", False), ("EUR", "10", False), ("EUR", "0.00", False),
        ("EUR", "-1.00", False), ("EUR", "010.00", False), ("EUR", "1e3", False), ("EUR", "1,000.00", False),
        ("JPY", "10", True), ("JPY", "10.00", False), ("XXX", "10.000", True), ("eur", "10.00", False),
    ],
)  # fmt: skip
def test_mollies_amount_is_a_decimal_string_of_its_currency(currency: str, value: str, passes: bool) -> None:
    charge = next(one for one in FILES["mollie"]["operations"] if one["operation"] == "charge")
    body = charge["example"]["body"] | {"amount": {"currency": currency, "value": value}}
    assert (faults(charge, {"body": body}) == []) is passes


@pytest.mark.parametrize(("method", "value", "passes"), [
    ("creditcard", "0.00", True), ("paypal", "0.00", True), ("ideal", "0.00", False), ("ideal", "0.01", True),
])  # fmt: skip
def test_mollies_first_payment_is_of_nothing_where_its_method_allows(method: str, value: str, passes: bool) -> None:
    first = next(one for one in FILES["mollie"]["operations"] if one["operation"] == "begin_setup")
    body = first["example"]["body"] | {"method": method, "amount": {"currency": "EUR", "value": value}}
    assert (faults(first, {"body": body}) == []) is passes


@pytest.mark.parametrize(
    ("metadata", "passes"),
    [
        ({f"k{number}": "v" for number in range(3)}, True),
        ({f"k{number}": "v" for number in range(4)}, False),
        ({"k" * 50: "v" * 500}, True),
        ({"k" * 51: "v"}, False),
        ({"k": "v" * 501}, False),
        ({"k": 1}, False),
        ({}, False),
    ],
)
def test_gocardless_metadata_is_as_short_as_told(metadata: Json, passes: bool) -> None:
    charge = next(one for one in FILES["gocardless"]["operations"] if one["operation"] == "charge")
    body = {"payments": charge["example"]["body"]["payments"] | {"metadata": metadata}}
    assert (faults(charge, {"body": body}) == []) is passes


def test_gocardless_events_are_of_a_payment_or_of_a_type() -> None:
    poll = next(one for one in FILES["gocardless"]["operations"] if one["operation"] == "poll")
    payment, kind = {"payment": "PM123"}, {"resource_type": "payments"}
    assert not faults(poll, {"query": payment}) + faults(poll, {"query": kind})
    assert faults(poll, {"query": payment | kind})


def test_gocardless_paths_are_those_of_its_fixtures() -> None:
    root = Path(os.environ.get("TOLLBRIDGE_SPECS") or Path(__file__).parents[3] / "shared" / "specs")
    folder = root / "gocardless" / "fixtures"
    if not folder.is_dir():
        reason = f"GoCardless's fixtures are not at {folder} (set TOLLBRIDGE_SPECS)"
        pytest.fail(reason) if os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1" else pytest.skip(reason)
    calls = [call for file in folder.glob("*.json") for call in json.loads(file.read_text()).values()]
    known = {
        (call["method"], call["path_template"].replace(":identity", "{id}"))
        for call in calls
        if isinstance(call, dict) and "path_template" in call
    }
    unrecorded = {("GET", "/creditors/{id}")}  # in the package, and without a fixture
    assert {(one["method"], one["path"]) for one in FILES["gocardless"]["operations"]} <= known | unrecorded


@pytest.fixture(scope="module")
def braintree() -> Any:
    return build_schema((FOLDER / "braintree.graphql").read_text())


@each_document
def test_the_sdl_takes_the_example_and_its_variables(braintree: Any, operation: Json) -> None:
    body = operation["example"]["body"]
    document = parse(body["query"])
    assert validate(braintree, document) == []
    given = get_variable_values(braintree, document.definitions[0].variable_definitions, body["variables"])
    assert not isinstance(given, list), [str(error) for error in given]


@each_document
def test_a_document_passes_for_its_own_field_alone(operation: Json) -> None:
    asked = operation["body"]["properties"]["query"]["pattern"]
    for param in GRAPHQL:
        other = param.values[0]
        body = operation["example"]["body"] | {"query": other["example"]["body"]["query"]}
        same = other["body"]["properties"]["query"]["pattern"] == asked
        assert faults(operation, {"body": body}) == ([] if same else [("pattern", "/query")])


def fields_used(schema: Json, kind: Any) -> Iterator[tuple[str, str]]:
    """The fields of input types, by their type, that a schema has; each is one of the SDL's, and so are the values."""
    kind = get_named_type(kind)
    if isinstance(kind, GraphQLInputObjectType):
        assert set(schema["properties"]) <= set(kind.fields)
        for name, child in schema["properties"].items():
            yield kind.name, name
            yield from fields_used(child, kind.fields[name].type)
    else:
        assert set(schema.get("enum", [])) <= set(getattr(kind, "values", ()))


def variables_used(sdl: Any, operation: Json) -> set[tuple[str, str]]:
    variables = operation["body"]["properties"]["variables"]["properties"]
    document = parse(operation["example"]["body"]["query"])
    told = {one.variable.name.value: one.type for one in document.definitions[0].variable_definitions}
    assert set(variables) <= set(told)
    used = (fields_used(schema, type_from_ast(sdl, told[name])) for name, schema in variables.items())
    return {field for one in used for field in one}


def test_variables_and_sdl_know_the_same_fields(braintree: Any) -> None:
    """Searches by reference and by time share their input: each has some of its fields, and together they have all."""
    used = set().union(*(variables_used(braintree, param.values[0]) for param in GRAPHQL))
    inputs = [one for one in braintree.type_map.values() if isinstance(one, GraphQLInputObjectType)]
    assert used == {(one.name, field) for one in inputs for field in one.fields}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{ node(id: 1) { ... on Transaction { id foo } } }", "Cannot query field 'foo' on type 'Transaction'"),
        ("{ search { transactions(input: {reference: {is: 1}}) { edges { node { id } } } } }", "reference"),
        ("mutation { chargePaymentMethod { transaction { id } } }", "input"),
        (
            'mutation { chargePaymentMethod(input: {paymentMethodId: 1, transaction: {amount: "1.00", '
            "paymentInitiator: CUSTOMER}}) { transaction { id } } }",
            "CUSTOMER",
        ),
    ],
)
def test_the_sdl_refuses_what_it_does_not_know(braintree: Any, document: str, message: str) -> None:
    errors: list[GraphQLError] = validate(braintree, parse(document))
    assert [message in str(error) for error in errors] == [True]
