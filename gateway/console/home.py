"""The first page: the accounts that somebody works in."""

from __future__ import annotations

from typing import Any, Final

from litestar import Request, get
from litestar.response import Redirect, Template

from gateway.console.desk import HOME, session_of, signed_in
from gateway.console.render import led, shown_to


@get("/", guards=[signed_in], sync_to_thread=False)
def home(request: Request[Any, Any, Any]) -> Redirect | Template:
    """To the account, where there is one alone."""
    session = session_of(request.scope)
    if len(session.seats) == 1:
        return led(f"{HOME}/a/{session.seats[0].name}")
    return shown_to(session, "home.html", {"seats": session.seats})


home_routes: Final[list[Any]] = [home]
