"""Closed schemas: what a processor without an official description takes, written from its documentation.

Whoever writes one is somebody else than the adapter's author, so that one misreading does not prove itself. The file:

    {"processor": "...", "source": "where it was read",
     "operations": [{"operation": "charge", "method": "POST", "path": "/payments/{id}",
                     "content_type": "application/json",                  or application/x-www-form-urlencoded
                     "headers": {"idempotency-key": "^.{1,64}$"},         required, each with a pattern
                     "query": {JSON schema of an object},                 left out: no query
                     "body": {JSON schema},                               left out: no body
                     "example": {"path", "headers", "query", "body"},     for readers; it passes
                     "canary": {"why": "...", "body" | "query" | "headers": what must be refused}}]}

Schemas are closed (`additionalProperties: false`) and each property has a `$comment` that names its source. A path is
the whole path of the URL, or what follows that of the `base` given here. Where operations share method and path, as in
GraphQL, a request must fit one of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import httpx
import jsonschema_rs
import msgspec

from processors.conformance.descriptions.requests import body_of, content_type, errors, query_of, template_pattern

SHIPPED: Final = Path(__file__).parents[1] / "schemas"


class Canary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    why: str
    body: Any = msgspec.UNSET
    query: dict[str, Any] | None = None
    headers: dict[str, str] | None = None


class Operation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    operation: str
    method: str
    path: str
    canary: Canary
    example: dict[str, Any] = {}
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    query: dict[str, Any] | None = None
    body: dict[str, Any] | None = None

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return template_pattern(self.path)

    @cached_property
    def validators(self) -> tuple[Any, Any]:
        """Of the query and of the body."""
        nothing = {"type": "object", "maxProperties": 0}
        query = jsonschema_rs.Draft202012Validator(self.query or nothing)
        return query, None if self.body is None else jsonschema_rs.Draft202012Validator(self.body)

    def violations(self, request: httpx.Request) -> list[str]:
        found = self.check_headers(request.headers) + errors(self.validators[0], query_of(request), "query")
        if self.body is None:
            return found + (["a body where none is taken"] if request.content else [])
        if content_type(request) != self.content_type:
            found.append(f"content-type: {content_type(request)!r} is not {self.content_type}")
        try:
            return found + errors(self.validators[1], body_of(request), "body")
        except ValueError:
            return [*found, "body: it can't be read"]

    def check_headers(self, given: Mapping[str, str]) -> list[str]:
        return [
            f"header {name}: it does not fit {pattern}"
            for name, pattern in self.headers.items()
            if not re.search(pattern, given.get(name, ""))
        ]

    def check_canary(self) -> list[str]:
        canary = self.canary
        found = [] if canary.headers is None else self.check_headers(canary.headers)
        if canary.query is not None:
            found += errors(self.validators[0], canary.query, "query")
        if canary.body is not msgspec.UNSET and self.body is not None:
            found += errors(self.validators[1], canary.body, "body")
        return found


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    processor: str
    source: str
    operations: list[Operation]


class ClosedSchema:
    """The schema of a processor by its name, or one of your own by its file; `base` is the path of its base URL."""

    def __init__(self, of: str | Path, base: str = "") -> None:
        self.file = SHIPPED / f"{of}.json" if isinstance(of, str) else of
        self._base = base.rstrip("/")

    @cached_property
    def operations(self) -> list[Operation]:
        """Raises FileNotFoundError: nobody else has the file, so that without it nothing would be checked, unseen."""
        if not self.file.is_file():
            raise FileNotFoundError(f"there is no {self.file}: a closed schema lies with its adapter, package data too")
        return msgspec.json.decode(self.file.read_bytes(), type=File).operations

    def violations(self, request: httpx.Request) -> list[str] | None:
        paths = {request.url.path, request.url.path.removeprefix(self._base)}
        fitting = [
            one.violations(request)
            for one in self.operations
            if one.method == request.method and any(one.pattern.fullmatch(path) for path in paths)
        ]
        return min(fitting, key=len, default=None)

    def canaries(self, sent: Sequence[httpx.Request]) -> Iterator[tuple[str, list[str]]]:
        for one in self.operations:
            yield f"{one.operation}: {one.canary.why}", one.check_canary()
