"""One's own page: what one may do where, and where one is signed in."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from db.engine import DB
from gateway.accounts.audit import Author
from gateway.console.desk import HOME, session_of, signed_in
from gateway.console.forms import Form, Posted
from gateway.console.render import led, shown_to
from gateway.users.sessions import end_sessions, living_sessions


class Ending(Form, frozen=True):
    session: str = ""
    """Empty: all others."""


@get("/me", guards=[signed_in])
async def me(request: Request[Any, Any, Any], said: Annotated[str, QueryParameter(max_length=40)] = "") -> Template:
    """Who is signed in, and where."""
    session = session_of(request.scope)
    context = {"living": await living_sessions(session.user), "said": said}
    return shown_to(session, "me.html", context)


@post("/me/end-session", guards=[signed_in], status_code=200)
async def end(request: Request[Any, Any, Any], data: Posted[Ending]) -> Redirect:
    """One session ends, or all but this."""
    session = session_of(request.scope)
    async with DB.transaction():
        for ended in await end_sessions(session.user, data.session, but="" if data.session else session.id):
            await Author(session.user).note(None, "console_session.end", ended)
    return led(f"{HOME}/me", "session_ended")


me_routes: Final[list[Any]] = [me, end]
