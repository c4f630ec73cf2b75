"""Official OpenAPI descriptions, 3.0 and 3.1, made strict, with overlays where they are wrong or behind.

They are not shipped: they are looked for under `TOLLBRIDGE_SPECS`, else in `../shared/specs` beside the project. Their
schemas are validated as JSON Schema 2020-12: what 3.0 says otherwise (`nullable`, boolean `exclusiveMinimum`) is put
into its words first. A property that the description does not know is refused, which official schemas seldom do by
themselves: `unevaluatedProperties` stands where a schema is used, as it sees through `$ref` and `allOf`.
"""

from __future__ import annotations

import copy
import gzip
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, cast

import httpx
import jsonschema_rs
import msgspec

from processors.conformance.descriptions import DescriptionMissingError
from processors.conformance.descriptions.requests import FORM, body_of, content_type, errors, query_of, template_pattern

Json = dict[str, Any]
METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
NOT_SCHEMA: Final = frozenset({"description", "example", "examples", "discriminator", "xml", "externalDocs", "title"})
REMOVED: Final = object()


@dataclass(frozen=True)
class Patch:
    """One place of the description that we read otherwise: a JSON pointer, the value there, and the reason."""

    at: str
    why: str
    value: Any = REMOVED

    def apply(self, to: Any) -> None:
        """Adds or replaces; without a value, removes. Raises LookupError where the description has no such place."""
        *way, last = [part.replace("~1", "/").replace("~0", "~") for part in self.at.split("/")[1:]]
        for part in way:
            to = to[int(part)] if isinstance(to, list) else to[part]
        where: Any = int(last) if isinstance(to, list) and last != "-" else last
        if self.value is REMOVED:
            del to[where]
        elif where == "-":
            to.append(self.value)
        else:
            to[where] = self.value


@dataclass(frozen=True)
class Operation:
    name: str
    pattern: re.Pattern[str]
    method: str
    parameters: tuple[Json, ...]
    body: Json | None
    media: Mapping[str, Any]


class OpenApi:
    """One description. `file` is below the folder of descriptions, or a path; `base` stands before its own paths."""

    def __init__(self, file: str | Path, base: str = "", overlay: Sequence[Patch] = ()) -> None:
        self._file = file
        self._base = base.rstrip("/")
        self._overlay = overlay
        self._validators: dict[str, Any] = {}

    @cached_property
    def _raw(self) -> Json:
        found = self._file if isinstance(self._file, Path) else folder() / self._file
        if not found.is_file():
            raise DescriptionMissingError(f"the description is not at {found} (set TOLLBRIDGE_SPECS)")
        content = found.read_bytes()
        raw = msgspec.json.decode(gzip.decompress(content) if found.suffix == ".gz" else content, type=Json)
        for patch in self._overlay:
            patch.apply(raw)
        return raw

    @cached_property
    def operations(self) -> list[Operation]:
        """All of them, those with the fewest variables first. Raises DescriptionMissingError."""
        found = [
            self._operation(path, method, told, shared.get("parameters", []))
            for path, shared in self._raw["paths"].items()
            for method, told in shared.items()
            if method in METHODS
        ]
        return sorted(found, key=lambda one: one.name.count("{"))

    def _operation(self, path: str, method: str, told: Json, shared: list[Json]) -> Operation:
        parameters = tuple(self._at(one) for one in [*shared, *told.get("parameters", [])])
        body = self._at(told["requestBody"]) if "requestBody" in told else None
        pattern = template_pattern(self._base + path)
        media = body["content"] if body else {}
        return Operation(f"{method.upper()} {path}", pattern, method.upper(), parameters, body, media)

    def _at(self, said: Json) -> Json:
        """The thing itself where `said` refers to it."""
        if "$ref" not in said:
            return said
        found: Any = self._raw
        for part in said["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return cast(Json, found)

    @cached_property
    def _components(self) -> Json:
        schemas = self._raw.get("components", {}).get("schemas", {})
        return {"schemas": {name: strict(schema, closed=False) for name, schema in schemas.items()}}

    def _validator(self, name: str, schema: Json) -> Any:
        """Raises ValueError for a schema that can't be read."""
        if name not in self._validators:
            root = {**strict(schema, closed=True), "components": self._components}
            self._validators[name] = jsonschema_rs.Draft202012Validator(root)
        return self._validators[name]

    def violations(self, request: httpx.Request) -> list[str] | None:
        operation = self._find(request)
        return None if operation is None else self._check(operation, request)

    def _find(self, request: httpx.Request) -> Operation | None:
        path = request.url.path
        return next(
            (one for one in self.operations if one.method == request.method and one.pattern.fullmatch(path)), None
        )

    def _check(self, operation: Operation, request: httpx.Request) -> list[str]:
        found = self._check_parameters(operation, request)
        kind = content_type(request)
        media = operation.media.get(kind)
        if not request.content:
            return [*found, "body: it is missing"] if operation.body and operation.body.get("required") else found
        if media is None:
            return [*found, f"content-type: {kind!r} is none of {', '.join(operation.media) or 'nothing'}"]
        try:
            value = body_of(request)
        except ValueError:
            return [*found, "body: it can't be read"]
        return found + errors(self._validator(f"{operation.name} {kind}", media["schema"]), value, "body")

    def _check_parameters(self, operation: Operation, request: httpx.Request) -> list[str]:
        query, headers = query_of(request), request.headers
        told = {one["name"]: one for one in operation.parameters if one["in"] == "query"}
        found = [f"query {name}: the description does not know it" for name in query if name not in told]
        for one in operation.parameters:
            if one["in"] == "path":
                continue
            given = query.get(one["name"]) if one["in"] == "query" else headers.get(one["name"])
            if given is None:
                found += [f"{one['in']} {one['name']}: it is missing"] if one.get("required") else []
            elif "schema" in one:
                schema = self._at(one["schema"])
                where = f"{one['in']} {one['name']}"
                found += errors(self._validator(f"{operation.name} {where}", schema), _typed(given, schema), where)
        return found

    def canaries(self, sent: Sequence[httpx.Request]) -> Iterator[tuple[str, list[str]]]:
        """One for each operation that was sent: its body's first field gets a wrong type; without a body, a query."""
        seen: set[str] = set()
        for request in sent:
            operation = self._find(request)
            if operation is None or operation.name in seen:
                continue
            seen.add(operation.name)
            yield operation.name, self._check(operation, broken(request))


def folder() -> Path:
    """Where descriptions lie."""
    beside = Path(__file__).parents[3].parent / "shared" / "specs"
    return Path(os.environ.get("TOLLBRIDGE_SPECS") or beside)


def broken(request: httpx.Request) -> httpx.Request:
    """The same request with a field that can't be what it was, or with a query that nobody knows."""
    value = body_of(request) if request.content else None
    if not isinstance(value, dict) or not value:
        return httpx.Request(request.method, request.url.copy_add_param("canary", "1"), headers=request.headers)
    name = next(iter(value))
    content = b"canary=1" if content_type(request) == FORM else msgspec.json.encode({**value, name: [[value[name]]]})
    headers = {name: text for name, text in request.headers.items() if name != "content-length"}
    return httpx.Request(request.method, request.url, headers=headers, content=content)


def _typed(given: Any, schema: Json) -> Any:
    """A parameter's text as its schema's type."""
    if schema.get("type") in ("integer", "number") and isinstance(given, str) and re.fullmatch(r"-?\d+", given):
        return int(given)
    if schema.get("type") == "boolean" and given in ("true", "false"):
        return given == "true"
    return [given] if schema.get("type") == "array" and isinstance(given, str) else given


PARTS: Final = frozenset({"allOf", "anyOf", "oneOf", "not"})


def strict(schema: Any, *, closed: bool) -> Any:
    """A schema of 3.0 or 3.1 as 2020-12; `closed` where a value is held against it, not as a part of another."""
    if not isinstance(schema, dict):
        return schema
    out: Json = {}
    for word, value in schema.items():
        if word in ("properties", "patternProperties"):
            out[word] = {name: strict(item, closed=True) for name, item in value.items()}
        elif word in PARTS:
            out[word] = [strict(item, closed=False) for item in value] if isinstance(value, list) else value
        elif word in ("items", "additionalProperties"):
            out[word] = strict(value, closed=True)
        elif word not in NOT_SCHEMA and word != "nullable" and not word.startswith("x-"):
            out[word] = copy.deepcopy(value)
    _bounds(out)
    shaped = {"properties", "$ref", *PARTS} & set(out)
    if out.get("type") == "object" and not shaped:
        out.setdefault("additionalProperties", True)
    elif closed and shaped and "additionalProperties" not in out:
        out["unevaluatedProperties"] = False
    return {"anyOf": [out, {"type": "null"}]} if schema.get("nullable") is True else out


def _bounds(out: Json) -> None:
    """3.0 says `exclusiveMinimum: true` beside the minimum; 2020-12 has the bound itself there."""
    for word, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(out.get(exclusive), bool) and out.pop(exclusive):
            out[exclusive] = out.pop(word)
