"""The first page: the accounts that somebody works in."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from gateway.api.problems import Code, ProblemError
from gateway.console.desk import HOME, OPEN, Desk, page, session_of, signed_in
from gateway.console.render import led, shown_to


@get("/", guards=[signed_in], sync_to_thread=False)
def home(request: Request[Any, Any, Any]) -> Redirect | Template:
    """To the account, where there is one alone."""
    session = session_of(request.scope)
    if len(session.seats) == 1:
        return led(f"{HOME}/a/{session.seats[0].name}")
    return shown_to(session, "home.html", {"seats": session.seats})


@get("/{rest:path}", opt=OPEN, sync_to_thread=False)
def elsewhere(rest: FromPath[str]) -> None:
    """An address that there is not, as a page."""
    raise ProblemError(Code.NOT_FOUND, f"There is no page {HOME}{rest}.")


@page("/{rest:path}")
async def elsewhere_in_account(desk: NamedDependency[Desk], rest: FromPath[str]) -> None:
    """An address that there is not below an account's, as one of its pages."""
    raise ProblemError(Code.NOT_FOUND, f"There is no page {desk.path}{rest}.")


home_routes: Final[list[Any]] = [home, elsewhere, elsewhere_in_account]
