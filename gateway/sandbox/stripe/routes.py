"""The table of endpoints. A handler stands beside the parameters that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.params import Kind, table
from gateway.sandbox.stripe.store import Account

PAGE = "limit:int starting_after ending_before"


@dataclass(slots=True)
class Call:
    """One authenticated request with checked parameters; `ids` are the variable parts of its path."""

    account: Account
    params: dict[str, Any]
    ids: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.ids[0]


Handler = Callable[[Call], Obj]


@dataclass(slots=True)
class Route:
    handler: Handler
    accepts: dict[str, Kind]


@dataclass(slots=True)
class Node:
    children: dict[str, Node] = field(default_factory=dict)
    routes: dict[str, Route] = field(default_factory=dict)


ROOT = Node()


def route(method: str, path: str, accepts: str = "") -> Callable[[Handler], Handler]:
    """Register a handler for a path template such as ``/v1/invoices/{id}/pay``."""
    fields = table(accepts)

    def register(handler: Handler) -> Handler:
        node = ROOT
        for part in path.strip("/").split("/"):
            node = node.children.setdefault("{}" if part.startswith("{") else part, Node())
        node.routes[method] = Route(handler, fields)
        return handler

    return register


def find(method: str, path: str) -> tuple[Route | None, tuple[str, ...]]:
    """The route of a request and the ids in its path; literal parts win over ids."""
    node, ids = ROOT, []
    for part in path.strip("/").split("/"):
        child = node.children.get(part)
        if child is None:
            child = node.children.get("{}")
            ids.append(part)
        if child is None or not part:
            return None, ()
        node = child
    return node.routes.get(method), tuple(ids)
