"""A GraphQL API: each document is held to a schema in its own language, and its variables to a closed schema beside it.

`schemas/braintree.json` says which operations there are and what their variables look like; `schemas/braintree.graphql`
which fields a document may ask for. Variables are named as the arguments of the fields.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import httpx
import msgspec
from graphql import GraphQLError, GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate
from graphql.execution.values import get_variable_values

from processors.conformance.descriptions.closed import ClosedSchema

UNHEARD_OF: Final = "canaryOfTheKit"


class GraphQlSchema(ClosedSchema):
    """The closed schema of a processor by its name, or one of your own by its file, and the `.graphql` beside it."""

    @cached_property
    def sdl(self) -> GraphQLSchema:
        """Raises FileNotFoundError."""
        file = self.file.with_suffix(".graphql")
        if not file.is_file():
            raise FileNotFoundError(f"there is no {file}: it lies beside its closed schema, package data too")
        return build_schema(file.read_text())

    def violations(self, request: httpx.Request) -> list[str] | None:
        found = super().violations(request)
        if found is None:
            return None
        call = call_of(request)
        return found if call is None else found + check(self.sdl, *call)

    def canaries(self, sent: Sequence[httpx.Request]) -> Iterator[tuple[str, list[str]]]:
        """Those of the closed schema, and each document that was sent with a field that nobody knows."""
        yield from super().canaries(sent)
        calls = [call for request in sent if (call := call_of(request)) is not None]
        for document, variables in dict(calls).items():
            yield f"{document.partition('{')[0].strip()}: {UNHEARD_OF}", check(self.sdl, broken(document), variables)


def call_of(request: httpx.Request) -> tuple[str, dict[str, Any]] | None:
    """Its document and the variables; None where the closed schema has said already that there are none."""
    try:
        body = msgspec.json.decode(request.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    match body:
        case {"query": str(document), "variables": dict(variables)}:
            return document, variables
        case _:
            return None


def check(sdl: GraphQLSchema, document: str, variables: dict[str, Any]) -> list[str]:
    """What the schema has against a document of one operation, and against the values of its variables."""
    try:
        parsed = parse(document)
    except GraphQLError as error:
        return [f"document: {error.message}"]
    operations = [one for one in parsed.definitions if isinstance(one, OperationDefinitionNode)]
    found = [f"document: {error.message}" for error in validate(sdl, parsed)]
    if found or len(operations) != 1:
        return found or [f"document: {len(operations)} operations in it"]
    asked = operations[0].variable_definitions or ()
    unasked = set(variables) - {one.variable.name.value for one in asked}
    given = get_variable_values(sdl, asked, variables)
    found = [f"variables: {error.message}" for error in given] if isinstance(given, list) else []
    return found + [f"variables: {name} is not asked for" for name in sorted(unasked)]


def broken(document: str) -> str:
    """The same document, its first operation asking for one field more."""
    operation = next(one for one in parse(document).definitions if isinstance(one, OperationDefinitionNode))
    if operation.selection_set.loc is None:
        return UNHEARD_OF
    start = operation.selection_set.loc.start + 1
    return f"{document[:start]} {UNHEARD_OF} {document[start:]}"
