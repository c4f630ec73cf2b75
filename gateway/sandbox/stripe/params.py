"""Form parameters: brackets decoded, types checked, everything unknown refused.

What an endpoint accepts is written as a compact table beside its handler::

    *customer days_until_due:int metadata:map? items:[{*price quantity:int}] behavior:void|keep_as_draft

``*`` required, ``?`` may be sent empty to unset, ``int|now`` one of several; no type means a string. ``range`` is
an integer or ``{gt,gte,lt,lte}``. The names come from Stripe's OpenAPI description (2026-08-26.dahlia); a parameter
of Stripe's that the sandbox does not act on is left out, so that it is refused and never silently ignored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from gateway.sandbox.kit.asgi import Request
from gateway.sandbox.stripe.errors import bad_params

TOKEN = re.compile(r"[*:?{}\[\]]|[\w|.-]+")
EVENT_FETCH = "stripe-request-trigger"
RANGE = "gt:int gte:int lt:int lte:int"
SCALARS = frozenset({"str", "int", "bool", "num", "map", "range"})
MAX_DEPTH = 8
MAX_PARAMS = 2000
METADATA_KEYS, METADATA_KEY_LEN, METADATA_VALUE_LEN = 50, 40, 500


@dataclass(slots=True)
class Kind:
    """The type of one parameter: scalar names and enum words, or a table, or an array."""

    words: tuple[str, ...] = ("str",)
    table: dict[str, Kind] | None = None
    items: Kind | None = None
    required: bool = False
    unset: bool = False
    scalars: frozenset[str] = field(default_factory=frozenset)


@lru_cache
def table(text: str) -> dict[str, Kind]:
    """Parse a table; `expand` is accepted everywhere."""
    tokens = TOKEN.findall(text)
    fields, end = _fields(tokens, 0)
    if end != len(tokens):
        raise ValueError(f"stray {tokens[end]!r} in parameter table {text!r}")
    fields.setdefault("expand", Kind(items=Kind(scalars=frozenset({"str"}))))
    return fields


def _fields(tokens: list[str], at: int) -> tuple[dict[str, Kind], int]:
    fields: dict[str, Kind] = {}
    while at < len(tokens) and tokens[at] not in "}]":
        required = tokens[at] == "*"
        at += required
        name, at = tokens[at], at + 1
        kind = Kind(scalars=frozenset({"str"}))
        if at < len(tokens) and tokens[at] == ":":
            kind, at = _kind(tokens, at + 1)
        if at < len(tokens) and tokens[at] == "?":
            kind.unset, at = True, at + 1
        kind.required = required
        fields[name] = kind
    return fields, at


def _kind(tokens: list[str], at: int) -> tuple[Kind, int]:
    if tokens[at] == "{":
        fields, at = _fields(tokens, at + 1)
        return Kind(table=fields), at + 1
    if tokens[at] == "[":
        items, at = _kind(tokens, at + 1)
        return Kind(items=items), at + 1
    words = tuple(tokens[at].split("|"))
    return Kind(words=words, scalars=frozenset(words) & SCALARS), at + 1


def read_params(request: Request) -> dict[str, Any]:
    """What a request was sent with, unchecked: query and form, or for API v2 query and JSON body.

    The official package 16.1 lets its own telemetry slip into the query where it fetches for an event
    (`usage[0]=fetch_related_object`); Stripe can't mind, so it is dropped there, and only there.
    """
    query = decode(request.query_string)
    if EVENT_FETCH in request.headers:
        query.pop("usage", None)
    try:
        text = request.body.decode()
    except UnicodeDecodeError:
        raise bad_params("Invalid request body: it is not UTF-8.") from None
    if not request.path.startswith("/v2/"):
        return query | decode(text)
    try:
        body = msgspec.json.decode(text or "{}")
    except msgspec.DecodeError:
        raise bad_params("Invalid request body: it can't be parsed as JSON.") from None
    if not isinstance(body, dict):
        raise bad_params("Invalid request body: it must be a JSON object.")
    return query | {name: _from_json(value, name) for name, value in body.items()}


def _from_json(value: Any, name: str) -> Any:
    """A JSON value in the form of decoded brackets; null unsets. All parameters of v2 known here are texts."""
    if value is None:
        return ""
    if isinstance(value, dict):
        return {key: _from_json(item, f"{name}[{key}]") for key, item in value.items()}
    if isinstance(value, list):
        return {str(at): _from_json(item, f"{name}[{at}]") for at, item in enumerate(value)}
    if isinstance(value, str):
        return value
    raise bad_params(f"Invalid string: {value}", param=name)


def decode(text: str) -> dict[str, Any]:
    """``a[b][0]=c`` (brackets raw or percent-encoded) as nested dicts; arrays are dicts with digit keys."""
    out: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_PARAMS):
        head, *rest = key.replace("]", "").split("[")
        if len(rest) > MAX_DEPTH:
            raise bad_params(f"Invalid parameter: {key} is nested too deeply.", param=key)
        node, path = out, [head, *rest]
        for part in path[:-1]:
            child = node.setdefault(part or str(len(node)), {})
            if not isinstance(child, dict):
                raise bad_params(f"Invalid object: {key}", param=key)
            node = child
        node[path[-1] or str(len(node))] = value
    return out


def check(given: dict[str, Any], fields: dict[str, Kind], prefix: str = "") -> dict[str, Any]:
    """The parameters with their types. Raises Stripe's answer for what is unknown, missing or mistyped."""
    unknown = [_name(prefix, key) for key in given if key not in fields]
    if unknown:
        plural = "s" if len(unknown) > 1 else ""
        text = f"Received unknown parameter{plural}: {', '.join(unknown)}"
        raise bad_params(text, code="parameter_unknown", param=unknown[0])
    for key, kind in fields.items():
        if kind.required and key not in given:
            name = _name(prefix, key)
            raise bad_params(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return {key: _value(value, fields[key], _name(prefix, key)) for key, value in given.items()}


def _name(prefix: str, key: str) -> str:
    return f"{prefix}[{key}]" if prefix else key


def _value(value: Any, kind: Kind, name: str) -> Any:
    if value == "" and kind.unset:
        return ""
    if kind.table is not None:
        if not isinstance(value, dict):
            raise bad_params("Invalid object", param=name)
        return check(value, kind.table, name)
    if kind.items is not None:
        if not isinstance(value, dict) or not all(key.isdigit() for key in value):
            raise bad_params("Invalid array", param=name)
        ordered = sorted(value.items(), key=lambda pair: int(pair[0]))
        return [_value(item, kind.items, f"{name}[{key}]") for key, item in ordered]
    if "range" in kind.scalars and isinstance(value, dict):
        return check(value, _bare(RANGE), name)
    if "map" in kind.scalars:
        return _map(value, name)
    if isinstance(value, dict):
        raise bad_params("Invalid string: value must be a string", param=name)
    return _scalar(value, kind, name)


@lru_cache
def _bare(text: str) -> dict[str, Kind]:
    return _fields(TOKEN.findall(text), 0)[0]


def _scalar(value: str, kind: Kind, name: str) -> Any:
    if kind.scalars != {"str"} and value in kind.words:
        return value
    if kind.scalars & {"int", "range"}:
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise bad_params(f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        return int(value)
    if "bool" in kind.scalars:
        if value not in ("true", "false"):
            raise bad_params(f"Invalid boolean: {value}", param=name)
        return value == "true"
    if "num" in kind.scalars:
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise bad_params(f"Invalid decimal: {value}", param=name) from None
        if not number.is_finite():
            raise bad_params(f"Invalid decimal: {value}", param=name)
        return number
    if "str" in kind.scalars:
        if value == "":
            raise bad_params(
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a "
                f"parameter; however '{name}' cannot be unset. You should remove '{name}' from your request or "
                "supply a non-empty value.",
                code="parameter_invalid_empty",
                param=name,
            )
        return value
    raise bad_params(f"Invalid {name}: must be one of {', '.join(kind.words)}", param=name)


def _map(value: Any, name: str) -> dict[str, str]:
    """Metadata: at most 50 keys of 40 characters, values of 500 (Stripe's limits)."""
    if not isinstance(value, dict) or any(isinstance(item, dict) for item in value.values()):
        raise bad_params("Invalid object: metadata must be a flat map of strings", param=name)
    if len(value) > METADATA_KEYS:
        raise bad_params(f"Metadata can only have up to {METADATA_KEYS} keys.", param=name)
    for key, text in value.items():
        if len(key) > METADATA_KEY_LEN:
            raise bad_params(f"Metadata keys can only be {METADATA_KEY_LEN} characters or less.", param=name)
        if len(text) > METADATA_VALUE_LEN:
            raise bad_params(f"Metadata values must be {METADATA_VALUE_LEN} characters or less.", param=name)
    return value
