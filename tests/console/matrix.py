"""The console's routes as its application has them, what a hand could write into their forms, and what a page's forms
post to. Nothing here is a list that grows with the pages but the sample ids of path parameters.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Annotated, Any, Final, get_args, get_origin
from uuid import uuid4

import msgspec
from litestar.handlers import HTTPRouteHandler

from db import sql
from gateway.console.desk import HOME
from gateway.console.routes import console
from gateway.domain.roles import Action
from tests.api.seed import Seeded

IN_ACCOUNT: Final = f"{HOME}/a/{{account}}"
NOT_SEEDED: Final = "not-seeded"
SAMPLES: Final[Mapping[str, str]] = {
    "delivery_id": "delivery",
    "break_id": "reconciliation_break",
    "run_id": "reconciliation",
    "secret_id": "webhook_secret",
    "session_id": "method_session",
}
"""Path parameters that are not simply called by their seeded object: `invoice_id` is `Seeded.invoice` by itself."""

SAME: Final = ("console_session", "idempotent_reply")
"""Tables that a request may touch whatever it asks for: when it was seen, and the place of its answer."""


@dataclass(frozen=True)
class Route:
    """One method of one path."""

    method: str
    path: str
    handler: HTTPRouteHandler

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def action(self) -> Action | None:
        found: Action | None = self.handler.opt.get("action")
        return found

    @property
    def changes(self) -> bool:
        return self.method != "GET"

    @property
    def in_account(self) -> bool:
        return self.path.startswith(IN_ACCOUNT)

    def at(self, account: str, seeded: Seeded | None = None) -> str:
        """Its address in an account, with the ids of these objects."""
        return self.path.format_map(_Ids(account, seeded))

    def parameters(self) -> int:
        """How many its path has, the account among them."""
        return self.path.count("{")

    def leads_to(self, path: str) -> bool:
        """Whether an address without its query is one of this route's."""
        parts, given = self.path.split("/"), path.split("/")
        alike = all(one.startswith("{") or one == other for one, other in zip(parts, given, strict=False))
        return len(parts) == len(given) and alike

    def filled(self) -> dict[str, str]:
        """Its form with something in every field."""
        hints = typing.get_type_hints(self.handler.fn, include_extras=True)
        form = next((get_args(hints[name])[0] for name in ("data",) if get_origin(hints.get(name)) is Annotated), None)
        if not (isinstance(form, type) and issubclass(form, msgspec.Struct)):
            return {"once": uuid4().hex, "reason": "made up", "amount": "1.00"}
        fields = (field for field in msgspec.structs.fields(form) if field.name != "csrf")
        return {field.encode_name: _plausible(field.encode_name, field.type) for field in fields}


class _Ids(dict[str, str]):
    """What stands for a path parameter."""

    def __init__(self, account: str, seeded: Seeded | None) -> None:
        super().__init__(account=account)
        self._seeded = seeded

    def __missing__(self, parameter: str) -> str:
        return str(getattr(self._seeded, seeded_by(parameter), NOT_SEEDED))


def seeded_by(parameter: str) -> str:
    """Which of the seeded objects stands for a path parameter."""
    return SAMPLES.get(parameter, parameter.removesuffix("_id"))


def _plausible(name: str, wanted: Any) -> str:
    if name == "once":
        return uuid4().hex
    if isinstance(wanted, type) and issubclass(wanted, bool):
        return "true"
    choices = [one for one in get_args(wanted) if isinstance(one, str)]
    if isinstance(wanted, type) and hasattr(wanted, "__members__"):
        choices = [str(one) for one in wanted]
    return choices[0] if choices else "1"


def _routes() -> Iterator[Route]:
    for route in console().routes:
        for handler in getattr(route, "route_handlers", ()):
            yield from (
                Route(str(method), route.path_format, handler)
                for method in sorted(handler.http_methods)
                if method not in ("OPTIONS", "HEAD")
            )


ROUTES: Final = sorted(_routes(), key=str)
PAGES: Final = [route for route in ROUTES if route.in_account and not route.changes]
CHANGES: Final = [route for route in ROUTES if route.in_account and route.changes]


class _Links(HTMLParser):
    """What a page's forms post to, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.posts: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and given.get("method", "").lower() == "post":
            self.posts.append(given.get("action", ""))
        self.posts += [value for name, value in given.items() if name in ("hx-post", "formaction")]
        self.links += [value for name, value in given.items() if name in ("href", "hx-get")]


def posts_and_links(page: str) -> tuple[list[str], list[str]]:
    """Addresses without their queries."""
    found = _Links()
    found.feed(page)
    bare = [[one.partition("#")[0].partition("?")[0] for one in some] for some in (found.posts, found.links)]
    return bare[0], bare[1]


async def contents() -> dict[str, str]:
    """A digest of each table, to see that nothing changed."""
    tables = await sql.rows("select tablename from pg_tables where schemaname = 'tollbridge' order by 1")
    asked = [
        f"select '{name}' as name, md5(coalesce(string_agg(t::text, '|' order by t::text), '')) as digest "
        f"from tollbridge.{name} t"
        for (name,) in tables
        if name not in SAME
    ]
    return {row["name"]: row["digest"] for row in await sql.rows(" union all ".join(asked))}
