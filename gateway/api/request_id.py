"""The id of a request: in the answer's `Request-Id` header, in problem documents, and on every line of the log."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from db.ids import new_id


def request_id(scope: MutableMapping[str, Any] | Any) -> str:
    """The request's id, made when it is first asked for."""
    state = scope.setdefault("state", {})
    if "request_id" not in state:
        state["request_id"] = new_id("req")
    return str(state["request_id"])
