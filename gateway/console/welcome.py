"""The page that an invitation leads to: choosing a password. The secret stands behind the `#` of its address, which
browsers keep to themselves, and comes in a form."""

from __future__ import annotations

from typing import Any, Final

from litestar import get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from gateway.console.desk import HOME, OPEN
from gateway.console.errors import said_of
from gateway.console.forms import Form, Posted
from gateway.console.render import led, shown_to
from gateway.runtime import Runtime
from gateway.users import users
from gateway.users.errors import PasswordsOffError


class Choosing(Form, frozen=True):
    invitation: str = ""
    password: str = ""
    again: str = ""


@get("/welcome", sync_to_thread=False, opt=OPEN)
def ask() -> Template:
    """The same bytes for everybody."""
    return shown_to(None, "welcome.html", {"problem": "", "invitation": ""})


@post("/welcome", status_code=200, opt=OPEN)
async def choose(runtime: NamedDependency[Runtime], data: Posted[Choosing]) -> Redirect | Template:
    """The password is set, and one can sign in with it."""
    try:
        if runtime.settings.oidc_only:
            raise PasswordsOffError
        if data.password != data.again:
            return _again(data, "The two passwords differ.", 400)
        await users.accept(data.invitation, data.password)
    except Exception as error:
        return _again(data, *said_of(error))
    return led(f"{HOME}/sign-in", "password")


def _again(data: Choosing, problem: str, status: int) -> Template:
    return shown_to(None, "welcome.html", {"problem": problem, "invitation": data.invitation}, status=status)


welcome_routes: Final[list[Any]] = [ask, choose]
