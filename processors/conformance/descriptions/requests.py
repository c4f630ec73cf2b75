"""A request, taken apart for validation: its operation's path, its query, headers and body as values."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx
import jsonschema_rs
import msgspec

FORM: Final = "application/x-www-form-urlencoded"
MAX_SHOWN: Final = 8


def template_pattern(template: str) -> re.Pattern[str]:
    """`/payments/{id}` as a pattern whose variables are one segment each."""
    return re.compile(re.sub(r"\\\{[^}]*\\\}", "[^/]+", re.escape(template)))


def query_of(request: httpx.Request) -> dict[str, Any]:
    """A name that comes twice is a list."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(request.url.query.decode(), keep_blank_values=True):
        found[name] = [*_listed(found[name]), value] if name in found else value
    return found


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def content_type(request: httpx.Request) -> str:
    return str(request.headers.get("content-type", "")).partition(";")[0].strip()


def body_of(request: httpx.Request) -> Any:
    """The body's value; raises ValueError for one that its content type does not fit."""
    if content_type(request) == FORM:
        return dict(parse_qsl(request.content.decode(), keep_blank_values=True, strict_parsing=True))
    return msgspec.json.decode(request.content)


def errors(validator: Any, value: Any, where: str) -> list[str]:
    """What a validator has against a value, shortly; a union by its nearest alternative."""
    found = []
    for error in validator.iter_errors(value):
        path = ".".join(str(part) for part in error.instance_path)
        found.append(f"{where}{'.' if path else ''}{path}: {_short(error)}")
        if len(found) == MAX_SHOWN:
            break
    return found


def _short(error: jsonschema_rs.ValidationError) -> str:
    context: Iterable[list[Any]] | None = getattr(error.kind, "context", None)
    if not context:
        return str(error.message)[:400]
    nearest = min(context, key=len)
    inner = ["/".join(map(str, one.instance_path)) + ": " + str(one.message)[:200] for one in nearest]
    return f"no alternative fits; nearest: {inner[:3]}"
