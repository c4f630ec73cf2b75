"""Signing in through an issuer of identities: to its page, and back. Whatever fails ends on the sign-in page."""

from __future__ import annotations

from typing import Annotated, Any, Final

from litestar import Request, get
from litestar.datastructures import Cookie, State
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from gateway.console.desk import HOME, OPEN
from gateway.console.errors import said_of
from gateway.console.protection import cookie, cookie_name, read_cookie
from gateway.console.sign_in import Next, asking, entered, inside, place_of
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.users import oidc
from gateway.users.errors import IssuerAwayError
from gateway.users.issuer import Issuer

BEGIN: Final = "/sign-in/oidc"
BACK: Final = f"{BEGIN}/back"
Given = Annotated[str, QueryParameter(max_length=8_192)]


def issuer_of(state: State) -> Issuer:
    """This process's issuer, as a dependency; raises NotFoundException where none is configured."""
    issuer: Issuer | None = state.issuer
    if issuer is None:
        raise NotFoundException
    return issuer


@get(BEGIN, opt=OPEN)
async def begin(
    runtime: NamedDependency[Runtime], issuer: NamedDependency[Issuer], next_: Next = ""
) -> Redirect | Template:
    """To the issuer's page."""
    try:
        begun = await oidc.begin(runtime, issuer, _redirect_uri(runtime.settings), inside(next_))
    except Exception as error:
        return _failed(runtime, error)
    answer = Redirect(begun.address, status_code=303)
    answer.cookies.append(_cookie(runtime.settings, begun.cookie))
    return answer


@get(BACK, opt=OPEN)
async def finish(
    request: Request[Any, Any, Any],
    runtime: NamedDependency[Runtime],
    issuer: NamedDependency[Issuer],
    code: Given = "",
    in_state: Annotated[str, QueryParameter(name="state", max_length=200)] = "",
    error: Annotated[str, QueryParameter(max_length=200)] = "",
    iss: Annotated[str, QueryParameter(max_length=2_000)] = "",
) -> Redirect | Template:
    """And back: signed in, or the sign-in page with a word of why not."""
    kept = read_cookie(request.scope, _cookie_name(runtime.settings))
    back = oidc.Back(code, in_state, error, iss)
    try:
        came = await oidc.finish(runtime, issuer, _redirect_uri(runtime.settings), kept, back, place_of(request))
    except Exception as failure:
        answer: Redirect | Template = _failed(runtime, failure)
    else:
        answer = entered(runtime, came.opened, came.wanted)
    # It was for this one answer.
    answer.cookies.append(_cookie(runtime.settings, ""))
    return answer


def _failed(runtime: Runtime, error: Exception) -> Template:
    problem, status = said_of(error)
    return asking(runtime, "", "", problem=problem, status=503 if isinstance(error, IssuerAwayError) else status)


def _redirect_uri(settings: Settings) -> str:
    return f"{settings.base_url}{HOME}{BACK}"


def _cookie_name(settings: Settings) -> str:
    return f"{cookie_name(settings)}-oidc"


def _cookie(settings: Settings, value: str) -> Cookie:
    return cookie(settings, _cookie_name(settings), value, oidc.PENDING_S)


oidc_routes: Final[list[Any]] = [begin, finish]
