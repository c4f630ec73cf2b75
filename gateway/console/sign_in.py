"""Signing in: mail address and password, then a code; setting up the codes; signing out."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import quote, unquote

import segno
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from gateway.console.desk import HOME, OPEN, SignInNeededError
from gateway.console.errors import STAGES, said_of
from gateway.console.forms import Form, Plain, Posted
from gateway.console.protection import cookie_for
from gateway.console.render import led, shown_to
from gateway.runtime import Runtime
from gateway.users import second_factor, sign_in
from gateway.users.sessions import Opened, Session, Stage, end_sessions
from gateway.users.sign_in import From

ENROL: Final = HOME + STAGES[Stage.ENROL]
Next = Annotated[str, QueryParameter(name="next", max_length=2000)]
Said = Annotated[str, QueryParameter(max_length=40)]


class SigningIn(Form, frozen=True):
    email: str = ""
    password: str = ""
    next: str = ""


class Coding(Form, frozen=True):
    code: str = ""
    next: str = ""


@get("/sign-in", sync_to_thread=False, opt=OPEN)
def ask(runtime: NamedDependency[Runtime], next_: Next = "", said: Said = "") -> Template:
    """Who is there?"""
    return asking(runtime, "", next_, said=said)


@post("/sign-in", status_code=200, opt=OPEN)
async def enter(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: Posted[SigningIn]
) -> Redirect | Template:
    """A session, or the same page again."""
    try:
        opened = await sign_in.with_password(runtime, data.email, data.password, place_of(request))
    except Exception as error:
        problem, status = said_of(error)
        return asking(runtime, data.email, data.next, problem=problem, status=status)
    return entered(runtime, opened, data.next)


@get("/sign-in/code", sync_to_thread=False)
def ask_code(request: Request[Any, Any, Any], next_: Next = "") -> Template:
    """Which code?"""
    return _coding(_at(request, Stage.CODE), next_)


@post("/sign-in/code", status_code=200)
async def enter_code(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: Posted[Coding]
) -> Redirect | Template:
    """Signed in, or the same page again."""
    session = _at(request, Stage.CODE)
    try:
        opened = await sign_in.with_code(runtime, session, data.code, place_of(request))
    except Exception as error:
        problem, status = said_of(error)
        return _coding(session, data.next, problem=problem, status=status)
    return entered(runtime, opened, data.next)


@get("/sign-in/enrol")
async def ask_enrol(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    next_: Next = "",
) -> Template:
    """A picture for the phone, and a first code."""
    return await enrolling(runtime, _at(request, Stage.ENROL), ENROL, next_)


@post("/sign-in/enrol", status_code=200)
async def enrol(
    request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: Posted[Coding]
) -> Redirect | Template:
    """Signed in, and from now on always with a code."""
    session = _at(request, Stage.ENROL)
    try:
        opened = await sign_in.with_code(runtime, session, data.code, place_of(request))
    except Exception as error:
        problem, status = said_of(error)
        return await enrolling(runtime, session, ENROL, data.next, problem=problem, status=status)
    return entered(runtime, opened, data.next)


@post("/sign-out", status_code=200)
async def leave(request: Request[Any, Any, Any], runtime: NamedDependency[Runtime], data: Posted[Plain]) -> Redirect:
    """The session ends."""
    session: Session | None = request.scope["user"]
    if session is not None:
        await end_sessions(session.user, session.id)
    answer = led(f"{HOME}/sign-in", "signed_out")
    answer.cookies.append(cookie_for(runtime.settings, ""))
    return answer


def entered(runtime: Runtime, opened: Opened, wanted: str) -> Redirect:
    """On, with the session's cookie: to what is missing yet, or to the page that was wanted."""
    path = inside(wanted) if opened.stage is Stage.COMPLETE else HOME + STAGES[opened.stage] + _carried(wanted)
    answer = led(path)
    answer.cookies.append(cookie_for(runtime.settings, opened.token))
    return answer


def inside(wanted: str) -> str:
    """A page of the console: nobody is led elsewhere by an address that somebody made (CWE-601), nor out of it by
    steps up, which browsers take also where they are written as `%2e` (WHATWG URL, 4.4)."""
    plain = wanted.isascii() and wanted.isprintable() and "\\" not in wanted and "//" not in wanted
    steps = {".", ".."}.intersection(unquote(wanted.partition("?")[0]).split("/"))
    return wanted if plain and not steps and (wanted == HOME or wanted.startswith(f"{HOME}/")) else HOME


def _carried(wanted: str) -> str:
    return f"?next={quote(inside(wanted), safe='')}" if wanted else ""


def place_of(request: Request[Any, Any, Any]) -> From:
    """Where a request comes from, for the throttle and the list of sessions."""
    return From(request.client.host if request.client else "", request.headers.get("user-agent", ""))


def _at(request: Request[Any, Any, Any], stage: Stage) -> Session:
    session: Session | None = request.scope["user"]
    if session is None or session.stage is not stage:
        raise SignInNeededError(session.stage if session and session.stage is not Stage.COMPLETE else None)
    return session


def asking(
    runtime: Runtime, email: str, wanted: str, *, said: str = "", problem: str = "", status: int = 200
) -> Template:
    """The sign-in page: a password, another way, or both."""
    settings = runtime.settings
    other = settings.oidc_name if settings.oidc_issuer else ""
    context = {
        "email": email,
        "next": wanted,
        "said": said,
        "problem": problem,
        "other": other,
        "by_password": not settings.oidc_only,
    }
    return shown_to(None, "sign_in.html", context, status=status)


def _coding(session: Session, wanted: str, *, problem: str = "", status: int = 200) -> Template:
    return shown_to(session, "sign_in_code.html", {"next": wanted, "problem": problem}, status=status)


async def enrolling(
    runtime: Runtime, session: Session, to: str, wanted: str = "", *, problem: str = "", status: int = 200
) -> Template:
    """A picture for the phone, and a form for the first code, which is posted `to` this address."""
    secret = await second_factor.secret_to_enrol(runtime.keyring, session)
    # Without one it was set up in another browser meanwhile, and a code is all that is missing.
    picture = _picture(second_factor.address_of(secret, session.email)) if secret else ""
    context = {"next": wanted, "problem": problem, "secret": secret, "picture": picture, "to": to}
    return shown_to(session, "second_factor.html", context, status=status)


def _picture(address: str) -> str:
    return segno.make(address).svg_data_uri(scale=5, border=2, light="#fff")


sign_in_routes: Final[list[Any]] = [ask, enter, ask_code, enter_code, ask_enrol, enrol, leave]
