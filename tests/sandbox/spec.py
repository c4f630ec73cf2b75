"""Holds a server to Stripe's own OpenAPI description.

`SpecChecked(app)` wraps the sandbox (or anything that speaks Stripe) and notes every accepted request and every answer
that the description does not allow; `raise_violations()` fails the test that caused them. The description is not
shipped: it is looked for in ``TOLLBRIDGE_SPECS`` or ``../shared/specs``; without it the check is skipped, or fails
with ``TOLLBRIDGE_SPECS_REQUIRED=1``.

API v2 is not in it: `v2_shapes` stands in for it.

The overlay, what we read differently from the file (2026-08-26.dahlia):

* ``invoice.amount_paid_off_stripe`` is listed as required and is expand-only (changelog 2026-05-27);
* what the official package fetches for an event carries its telemetry, `usage[0]`, which is no parameter of Stripe's;
* a property that the description does not know is a violation in answers too, except the few of `ENDIVE`, which the
  next family adds, and those of older API versions, which are not checked at all.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import jsonschema_rs
import pytest

from tests.sandbox import v2_shapes

Json = dict[str, Any]
VERSION = "2026-08-26.dahlia"
FILE = f"stripe/spec3-{VERSION}.json.gz"
NOT_REQUIRED = {"invoice": {"amount_paid_off_stripe"}}
ENDIVE: dict[str, Json] = {
    "invoice": {"status_details": {}},
    "subscription": {"status_details": {}},
    "subscription_item": {"current_trial": {}},
    "payment_intent": {"payment_record": {}},
}
FORM = "application/x-www-form-urlencoded"
MAX_SHOWN = 10

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def spec_file() -> Path:
    """Where the description lies; skips or fails the calling test when it is missing."""
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("TOLLBRIDGE_SPECS") or root.parent / "shared" / "specs")
    file = folder / FILE
    if not file.exists():
        reason = f"Stripe's description is not at {file} (set TOLLBRIDGE_SPECS)"
        if os.environ.get("TOLLBRIDGE_SPECS_REQUIRED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return file


@cache
def load() -> Spec:
    return Spec(json.loads(gzip.decompress(spec_file().read_bytes())))


class Spec:
    """The description, made strict: nullable as JSON Schema says it, unknown properties refused."""

    def __init__(self, raw: Json) -> None:
        for name, names in NOT_REQUIRED.items():
            schema = raw["components"]["schemas"][name]
            schema["required"] = [field for field in schema["required"] if field not in names]
        for name, fields in ENDIVE.items():
            raw["components"]["schemas"][name]["properties"] |= fields
        self.components = {"schemas": _strict(raw["components"]["schemas"])}
        self.operations = [
            (re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(path))), path, methods)
            for path, methods in raw["paths"].items()
        ]
        self.operations.sort(key=lambda operation: operation[1].count("{"))
        self._requests: dict[str, Any] = {}
        self._answers: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def operation(self, method: str, path: str) -> tuple[str, Json] | None:
        for pattern, template, methods in self.operations:
            if pattern.fullmatch(path) and method.lower() in methods:
                return f"{method} {template}", methods[method.lower()]
        return None

    def check_request(self, name: str, operation: Json, query: str, body: str) -> list[str]:
        """What the description says against an accepted request."""
        if name not in self._requests:
            schema = _strict(_request_schema(operation))
            self._requests[name] = (schema, jsonschema_rs.Draft202012Validator(schema))
        schema, validator = self._requests[name]
        given = coerce(decode("&".join(part for part in (query, body) if part)), schema)
        return _errors(validator, given, f"request {name}")

    def check_answer(self, name: str, operation: Json, status: int, payload: Json) -> list[str]:
        response = operation["responses"].get(str(status)) or operation["responses"]["default"]
        schema = response["content"]["application/json"]["schema"]
        return self._check(schema, payload, f"answer {status} {name}")

    def check_object(self, payload: Json) -> list[str]:
        """An object by itself, as in an event's ``data.object``."""
        name = f"deleted_{payload['object']}" if payload.get("deleted") else payload["object"]
        return self._check({"$ref": f"#/components/schemas/{name}"}, payload, name)

    def _check(self, schema: Json, payload: Any, where: str) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        if key not in self._answers:
            root = {**_strict(schema), "components": self.components}
            self._answers[key] = jsonschema_rs.Draft202012Validator(root)
        return _errors(self._answers[key], payload, where)


def _errors(validator: Any, value: Any, where: str) -> list[str]:
    found = []
    for error in validator.iter_errors(value):
        path = ".".join(str(part) for part in error.instance_path)
        found.append(f"{where}: {path or '(body)'}: {_short(error)}")
    return found


def _short(error: Any) -> str:
    """The message; of a union, what the nearest alternative (most of it fits) had against the value."""
    context = getattr(error.kind, "context", None)
    if not context:
        return str(error.message)[:600]
    nearest = min(context, key=len)
    inner = ["/".join(map(str, e.instance_path)) + ": " + str(e.message)[:300] for e in nearest]
    return f"no alternative fits; nearest: {inner[:3]}"


def _strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out: Json = {}
    for key, value in schema.items():
        if key == "properties":
            out[key] = {name: _strict(item) for name, item in value.items()}
        elif not key.startswith("x-") and key not in ("nullable", "description", "example"):
            out[key] = _strict(value)
    if out.get("type") == "object" and "properties" in out:
        out.setdefault("additionalProperties", False)
    return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") is True else out


def _request_schema(operation: Json) -> Json:
    content = operation.get("requestBody", {}).get("content", {})
    body = content.get(FORM, {}).get("schema", {"type": "object", "properties": {}})
    query = [p for p in operation.get("parameters", []) if p["in"] == "query"]
    required = body.get("required", []) + [p["name"] for p in query if p.get("required")]
    fields = {**body.get("properties", {}), **{p["name"]: p["schema"] for p in query}}
    return {"type": "object", "properties": fields, "required": required, "additionalProperties": False}


def decode(text: str) -> Json:
    """``a[b][0]=c`` as nested dicts, independent of the server's own decoder."""
    out: Json = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        parts = re.findall(r"[^\[\]]+|(?<=\[)(?=\])", key)
        node = out
        for part in parts[:-1]:
            node = node.setdefault(part or str(len(node)), {})
        node[parts[-1] or str(len(node))] = value
    return out


def coerce(value: Any, schema: Json) -> Any:
    """Form strings by the schema: numbers, booleans, arrays; for a union the first alternative that fits."""
    if "anyOf" in schema:
        for option in schema["anyOf"]:
            candidate = coerce(value, option)
            if jsonschema_rs.is_valid(option, candidate):
                return candidate
        return value
    kind = schema.get("type")
    if isinstance(value, dict):
        if kind == "array" and all(key.isdigit() for key in value):
            return [coerce(value[key], schema["items"]) for key in sorted(value, key=int)]
        fields = schema.get("properties", {})
        return {key: coerce(item, fields[key]) if key in fields else item for key, item in value.items()}
    if kind == "integer" and re.fullmatch(r"-?\d+", value):
        return int(value)
    if kind == "number" and re.fullmatch(r"-?\d+(\.\d+)?", value):
        return float(value)
    if kind == "boolean" and value in ("true", "false"):
        return value == "true"
    return value


class SpecChecked:
    """ASGI middleware: passes everything on, and remembers what the description forbids."""

    def __init__(self, app: App, spec: Spec | None = None) -> None:
        self.app = app
        self.spec = spec or load()
        self.violations: list[str] = []
        self.checked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(("/v1/", "/v2/")):
            await self.app(scope, receive, send)
            return
        body, status, answer = bytearray(), 0, bytearray()

        async def reading() -> MutableMapping[str, Any]:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            answer.extend(message.get("body", b""))
            await send(message)

        setattr(reading, "__wrapped__", receive)  # noqa: B010  a dropped connection looks for the server behind it
        await self.app(scope, reading, sending)
        if answer:
            self._check(scope, body.decode(), status, json.loads(bytes(answer)))

    def _check(self, scope: Scope, body: str, status: int, payload: Json) -> None:
        if scope["path"].startswith("/v2/"):
            self.checked += 1
            self.violations += v2_shapes.check(scope["method"], scope["path"], body, status, payload)
            return
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        found = self.spec.operation(scope["method"], scope["path"])
        if found is None:
            if status < 400:
                self.violations.append(
                    f"answer {status} for {scope['method']} {scope['path']}, which Stripe does not have"
                )
            return
        name, operation = found
        self.checked += 1
        if status < 300:
            query = scope["query_string"].decode()
            if "stripe-request-trigger" in headers:
                query = re.sub(r"usage\[\d+\]=\w+&?", "", query)
            self.violations += self.spec.check_request(name, operation, query, body)
        if headers.get("stripe-version", VERSION)[:10] >= VERSION[:10]:
            self.violations += self.spec.check_answer(name, operation, status, payload)

    def raise_violations(self) -> None:
        """AssertionError with what was found since the last call."""
        found, self.violations = list(dict.fromkeys(self.violations)), []
        if found:
            more = f"\n... and {len(found) - MAX_SHOWN} more" if len(found) > MAX_SHOWN else ""
            raise AssertionError("against Stripe's description:\n" + "\n".join(found[:MAX_SHOWN]) + more)
