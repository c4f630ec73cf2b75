"""The table of endpoints. A handler stands beside the parameters that it accepts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gateway.sandbox.kit.asgi import HttpError, Router
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.objects import API_VERSION, Obj, merge_metadata
from gateway.sandbox.stripe.params import Kind, table
from gateway.sandbox.stripe.store import Account, Collection

PAGE = "limit:int starting_after ending_before"


@dataclass(slots=True)
class Call:
    """One authenticated request with checked parameters; `ids` are the variable parts of its path."""

    account: Account
    params: dict[str, Any]
    ids: tuple[str, ...] = ()
    version: str = API_VERSION

    @property
    def id(self) -> str:
        return self.ids[0]


Handler = Callable[[Call], Obj]


@dataclass(slots=True)
class Route:
    """`name` is the operation, as ``POST /v1/invoices/{id}/pay``."""

    handler: Handler
    accepts: dict[str, Kind]
    name: str


ROUTES: Router[Route] = Router()


def route(method: str, path: str, accepts: str = "") -> Callable[[Handler], Handler]:
    """Register a handler for a path template such as ``/v1/invoices/{id}/pay``. API v2 has no `expand`."""
    fields = {n: kind for n, kind in table(accepts).items() if n != "expand" or not path.startswith("/v2/")}

    def register(handler: Handler) -> Handler:
        ROUTES.add(method, path, Route(handler, fields, f"{method} {path}"))
        return handler

    return register


def operation(method: str, path: str) -> str:
    """The name of the operation behind a path, or the path itself where there is none."""
    try:
        return ROUTES.find(method, path)[0].name
    except HttpError:
        return f"{method} {path}"


def retrieves(path: str, of: Callable[[Account], Collection[Obj]]) -> None:
    """GET of one object by its id."""
    route("GET", path)(lambda call: of(call.account).need(call.id))


def updates(path: str, accepts: str, of: Callable[[Account], Collection[Obj]]) -> None:
    """POST to one object whose parameters are its fields: they replace, and metadata is merged."""

    def update(call: Call) -> Obj:
        obj = of(call.account).need(call.id)
        with updating(call.account, obj, f"{obj['object']}.updated"):
            obj |= {name: value for name, value in call.params.items() if name != "metadata"}
            merge_metadata(obj, call.params)
        return obj

    route("POST", path, accepts)(update)
