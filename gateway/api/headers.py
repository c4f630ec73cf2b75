"""What stands in the head of a request."""

from __future__ import annotations

from litestar.types import HTTPScope, Scope


def header(scope: HTTPScope | Scope, name: bytes) -> str:
    """The value of a header (its name in lower case) that stands there once; empty otherwise."""
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""
