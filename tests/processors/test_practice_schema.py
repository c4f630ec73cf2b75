"""The closed schema of the practice processor against its server: what the one takes, the other takes.

It stands in for an official description and is written beside the adapter, so the server is the other hand.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

import processors
from gateway.sandbox.practice.api import NewSetup
from gateway.sandbox.practice.charge_api import Cancel, NewCharge
from gateway.sandbox.practice.return_api import NewRefund
from tests.processors.conftest import API_KEY, Practice

FILE = Path(processors.__file__).parent / "conformance" / "schemas" / "practice.json"
OPERATIONS = {one["operation"]: one for one in json.loads(FILE.read_text())["operations"]}
READ = {"begin_setup": NewSetup, "charge": NewCharge, "cancel": Cancel, "refund": NewRefund}
"""What the server reads each body as."""
BODIES = {name: READ[name.partition(",")[0]] for name, one in OPERATIONS.items() if "body" in one}
each_body = pytest.mark.parametrize("name", BODIES)

VALUES: list[Any] = [
    *("", "x", "EUR", "eur", "EURO", "https://shop.example/", "ftp://shop.example/", None, True, 1.5, [], {}),
    *("x" * length for length in (64, 65, 500, 501)),
    *(-1, 0, 1, 10**11, 10**11 + 1, 10**12, 10**12 + 1),
    *({"k": "v"}, {"k": 1}, {"": "x" * 600}),
    *([{"description": text, "amount": amount}] for text in ("", "x" * 501) for amount in (0, 1, 10**12 + 1, "1")),
    *([{"amount": 1}], [{"description": "x", "amount": 1, "more": 1}], [{"description": "x", "amount": 1}] * 1001),
]
STRICTER = {("begin_setup", "currency"), ("begin_setup", "return_url")}
"""Where the server refuses later, or not at all, what its documentation does not have."""


def served(name: str, body: Any) -> bool:
    try:
        msgspec.json.decode(json.dumps(body), type=BODIES[name])
    except msgspec.ValidationError:
        return False
    return True


def described(name: str, body: Any) -> bool:
    return jsonschema_rs.Draft202012Validator(OPERATIONS[name]["body"]).is_valid(body)


@each_body
def test_the_fields_are_those_that_the_server_reads(name: str) -> None:
    in_body = {"idempotency_key"} if name.endswith("body") else set()
    fields = set(BODIES[name].__struct_fields__) - {"idempotency_key"}
    assert set(OPERATIONS[name]["body"]["properties"]) == fields | in_body


@each_body
def test_a_field_that_may_be_left_out_is_the_same(name: str) -> None:
    body = OPERATIONS[name]["example"]["body"]
    for field in set(body) - {"idempotency_key"}:
        left = {key: value for key, value in body.items() if key != field}
        assert described(name, left) == served(name, left), field


@each_body
def test_a_value_is_taken_by_both_or_by_none(name: str) -> None:
    operation = OPERATIONS[name]
    for field in set(operation["body"]["properties"]) - {"idempotency_key"}:
        for value in VALUES:
            body = {**operation["example"]["body"], field: value}
            if value is None and (field, name.partition(",")[0]) == ("amount", "refund"):
                continue  # to the server it is as if it were left out
            if described(name, body) != served(name, body):
                said = f"{field}: {value!r:.80}"
                assert (name.partition(",")[0], field) in STRICTER, said
                assert served(name, body), f"{said} is described, and the server refuses it"


@pytest.mark.parametrize("name", [name for name, one in OPERATIONS.items() if one["method"] == "GET"])
async def test_the_server_takes_the_query_of_the_example_and_no_other(practice: Practice, name: str) -> None:
    practice.processor.set_manner(API_KEY, lookup="scan" if name == "scan_charges" else "by_reference")
    operation = OPERATIONS[name]
    asked, bearer = operation["example"].get("query", {}), {"authorization": f"Bearer {API_KEY}"}
    url = practice.base_url + operation["example"]["path"]
    assert (await practice.http.get(url, params=asked, headers=bearer)).status_code in (200, 404)
    if asked:
        more = await practice.http.get(url, params={**asked, "unheard_of": "1"}, headers=bearer)
        assert more.status_code in (400, 404)


@pytest.mark.parametrize("name", BODIES)
async def test_the_server_reads_the_example(practice: Practice, name: str) -> None:
    practice.processor.set_manner(API_KEY, key_place="body" if name.endswith("body") else "header")
    operation = OPERATIONS[name]
    headers = {**operation["example"]["headers"], "authorization": f"Bearer {API_KEY}"}
    url = practice.base_url + operation["example"]["path"]
    for body, wanted in ((operation["example"]["body"], {201, 404, 422}), (operation["canary"]["body"], {400, 404})):
        answer = await practice.http.post(url, json=body, headers=headers)
        assert answer.status_code in wanted or name.startswith("begin_setup"), answer.text
