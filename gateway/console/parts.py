"""A part of a page that is asked for by itself: bare for HTMX, which puts it into its place, and as a page of its own
for a browser that runs no script and follows the link in that place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from litestar import Request
from litestar.params import QueryParameter
from litestar.response import Template

from gateway.console.desk import Desk
from gateway.console.render import shown

Looks = Annotated[int, QueryParameter(ge=0, le=1000)]
"""How often a page has looked again by itself."""
MOST_LOOKS: Final = 100
"""So often it does; then it has a link. A page that is left open keeps no session alive for ever."""


def again(looks: int) -> dict[str, Any]:
    """For a template that looks again by itself, while `looks_on`, under its own address with `looks`."""
    return {"looks": looks + 1, "looks_on": looks < MOST_LOOKS}


def by_htmx(request: Request[Any, Any, Any]) -> bool:
    """Whether HTMX asks, and puts the answer where the question was; else it is a page."""
    return request.headers.get("hx-request") == "true"


def part(
    request: Request[Any, Any, Any], desk: Desk, name: str, context: Mapping[str, Any], *, of: str, title: str
) -> Template:
    """The template `name`, of the page `of` (its path below the account's)."""
    if by_htmx(request):
        return shown(desk, name, context)
    return shown(desk, "part.html", {**context, "part": name, "of": of, "title": title})
