"""One's own page: what one may do where, one's password and second factor, and where one is signed in."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from gateway.accounts.audit import Author
from gateway.console.browsers import browser_of
from gateway.console.desk import HOME, session_of, signed_in
from gateway.console.errors import said_of
from gateway.console.forms import Form, Posted
from gateway.console.render import led, shown_to
from gateway.console.sign_in import Coding, enrolling, place_of
from gateway.runtime import Runtime
from gateway.users import sign_in, users
from gateway.users.own_password import change_password
from gateway.users.sessions import Session, living_sessions

SECOND_FACTOR: Final = "/me/second-factor"


class Changing(Form, frozen=True):
    old: str = ""
    password: str = ""
    again: str = ""


class Ending(Form, frozen=True):
    session: str = ""
    """Empty: all others."""


@get("/me", guards=[signed_in])
async def me(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    said: Annotated[str, QueryParameter(max_length=40)] = "",
) -> Template:
    """Who is signed in, and where."""
    return await _shown(request, runtime, said=said)


@post("/me/password", guards=[signed_in], status_code=200)
async def change(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: Posted[Changing]
) -> Redirect | Template:
    """Another password, for whoever knows the present one; sessions elsewhere end."""
    if data.password != data.again:
        return await _shown(request, runtime, problem="The two passwords differ.", status=400)
    session = session_of(request.scope)
    try:
        await change_password(runtime, session, data.old, data.password, place_of(request))
    except Exception as error:
        problem, status = said_of(error)
        return await _shown(request, runtime, problem=problem, status=status)
    return led(f"{HOME}/me", "password_changed")


async def _shown(
    request: Request[Any, Any, Any], runtime: Runtime, *, said: str = "", problem: str = "", status: int = 200
) -> Template:
    session = session_of(request.scope)
    context = {
        "user": await users.by_id(session.user),
        "by_password": not runtime.settings.oidc_only,
        "living": [(one, browser_of(one["agent"])) for one in await living_sessions(session.user)],
        "said": said,
        "problem": problem,
    }
    return shown_to(session, "me.html", context, status=status)


@get(SECOND_FACTOR, guards=[signed_in])
async def ask_second_factor(request: Request[Any, Any, Any], runtime: NamedDependency[Runtime]) -> Redirect | Template:
    """A picture for the phone, and a first code, of somebody who has no second factor yet."""
    return await _enrolling(runtime, session_of(request.scope))


@post(SECOND_FACTOR, guards=[signed_in], status_code=200)
async def set_second_factor_up(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: Posted[Coding]
) -> Redirect | Template:
    """From now on a code is asked for besides the password; an admin alone takes that away again."""
    session = session_of(request.scope)
    try:
        await sign_in.set_factor_up(runtime, session, data.code, place_of(request))
    except Exception as error:
        problem, status = said_of(error)
        return await _enrolling(runtime, session, problem=problem, status=status)
    return led(f"{HOME}/me", "second_factor")


async def _enrolling(
    runtime: Runtime, session: Session, *, problem: str = "", status: int = 200
) -> Redirect | Template:
    if (await users.by_id(session.user)).has_second_factor:
        return led(f"{HOME}/me")
    return await enrolling(runtime, session, HOME + SECOND_FACTOR, problem=problem, status=status)


@post("/me/end-session", guards=[signed_in], status_code=200)
async def end(request: Request[Any, Any, Any], data: Posted[Ending]) -> Redirect:
    """One session ends, or all but this."""
    session = session_of(request.scope)
    await users.sign_out(Author(session.user), session.user, data.session, but="" if data.session else session.id)
    return led(f"{HOME}/me", "session_ended")


me_routes: Final[list[Any]] = [me, ask_second_factor, set_second_factor_up, change, end]
