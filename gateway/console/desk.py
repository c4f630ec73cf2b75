"""At whose desk a request comes in: the session, the account that the path names, and what its user may do there.

Every handler of the console says by `page` or `change` what it wants; the guard lets nobody in otherwise. An account
where somebody has no role is not to be found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import get, post
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.types import Scope

from gateway.accounts.audit import Author
from gateway.api.problems import Code, ProblemError
from gateway.domain.roles import LEAST, Action, allows
from gateway.readers.refunds import Waiting, waiting
from gateway.users.sessions import Seat, Session, Stage

HOME: Final = "/console"
ACCOUNT_PATH: Final = "/a/{account:str}"
OPEN: Final = {"open": True}
"""For what is the same for everybody: no session is looked for."""


class SignInNeededError(Exception):
    """Nobody is signed in, or not wholly."""

    def __init__(self, stage: Stage | None = None) -> None:
        super().__init__(f"sign in first ({stage})" if stage else "sign in first")
        self.stage = stage


class Desk(msgspec.Struct, frozen=True):
    """Somebody at work in one account."""

    session: Session
    seat: Seat
    waiting: Waiting | None = None
    """Refunds that wait for approval, for whoever may approve them."""

    @property
    def account(self) -> str:
        """Its id, which every statement carries."""
        return self.seat.account

    @property
    def path(self) -> str:
        """Where the account's pages stand."""
        return f"{HOME}/a/{self.seat.name}"

    @property
    def user(self) -> str:
        return self.session.user

    def may(self, action: Action) -> bool:
        """For handlers and templates alike."""
        return allows(self.seat.role, action)

    def author(self, reason: str = "") -> Author:
        """For the audit log."""
        return Author(self.session.user, reason)


def session_of(scope: Scope) -> Session:
    """The complete session of a request; raises SignInNeededError."""
    session: Session | None = scope["user"]
    if session is None:
        raise SignInNeededError
    if session.stage is not Stage.COMPLETE:
        raise SignInNeededError(session.stage)
    return session


def desk(scope: Scope) -> Desk:
    """The desk of a request; raises SignInNeededError, ProblemError."""
    session = session_of(scope)
    wanted = scope["path_params"].get("account", "")
    seat = next((seat for seat in session.seats if seat.name == wanted), None)
    if seat is None:
        raise ProblemError(Code.NOT_FOUND)
    return Desk(session, seat)


def permitted_desk(scope: Scope, action: Action) -> Desk:
    """The desk of somebody who may do that there; raises SignInNeededError, ProblemError."""
    found = desk(scope)
    if not found.may(action):
        raise ProblemError(Code.SCOPE_MISSING, f"This needs the role {LEAST[action]} in this account.")
    return found


async def seated(scope: Scope) -> Desk:
    """The same with what the navigation counts, where there is one; raises SignInNeededError, ProblemError."""
    at = desk(scope)
    if not at.may(Action.APPROVE) or any(name == b"hx-request" for name, _ in scope["headers"]):
        return at
    return msgspec.structs.replace(at, waiting=await waiting(at.account, at.user))


def permitted(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """The guard of every page of an account. Raises SignInNeededError, ProblemError: 404, or 403 for the role."""
    permitted_desk(connection.scope, handler.opt["action"])


def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The guard of pages that are of no account. Raises SignInNeededError."""
    session_of(connection.scope)


Handler = Callable[[Callable[..., Any]], HTTPRouteHandler]


def page(path: str, action: Action = Action.LOOK) -> Handler:
    """A page of an account, for whoever may do `action`; it changes nothing."""
    return get(ACCOUNT_PATH + path, guards=[permitted], opt={"action": action}, include_in_schema=False)


def change(path: str, action: Action, *, with_file: bool = False, with_secret: bool = False) -> Handler:
    """What a form of an account's page asks for; it is carried out once for each form that was shown.

    `with_file`: it brings a file, which is known by its content instead (`uploads`); the handler reads
    `upload_of(request)`. `with_secret`: what is typed into it is never shown again.
    """
    opt = {"action": action, "with_file": with_file, "with_secret": with_secret}
    return post(ACCOUNT_PATH + path, guards=[permitted], opt=opt, include_in_schema=False, status_code=200)


def look(path: str, action: Action, *, with_file: bool = False) -> Handler:
    """What a form asks to be shown before it is sent: it changes nothing, and is answered as often as it is asked."""
    opt = {"action": action, "changes_nothing": True, "with_file": with_file}
    return post(ACCOUNT_PATH + path, guards=[permitted], opt=opt, include_in_schema=False, status_code=200)
