"""Who asks: an API key, or the client secret of one checkout session. Both are bearer tokens, known here by hash.

A key reaches its own account and nothing else: every statement of the API carries the principal's account, so another
account's object is not found (404). A missing scope is 403. A client secret opens only its own session.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from db import sql
from gateway.accounts.keys import Scope as KeyScope
from gateway.accounts.keys import digest
from gateway.api.problems import Code, ProblemError
from gateway.checkout.sessions import SECRET_PREFIX, secret_hash

KEY_PREFIX: Final = "tb_"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="tollbridge"'}
LONGEST: Final = 200

KEY = """
    select k.id, k.account, k.scopes, coalesce(a.livemode, false) as livemode, coalesce(a.enabled, true) as enabled
    from tollbridge.api_key k left join tollbridge.account a on a.id = k.account
    where k.hash = $1 and k.revoked_at is null
"""
SESSION = """
    select s.id, s.account, a.livemode, a.enabled
    from tollbridge.checkout_session s join tollbridge.account a on a.id = s.account
    where s.client_secret_hash = $1
"""


class Principal(msgspec.Struct, frozen=True):
    """Who asks. `id` is the key's or the session's; `account` is empty for the platform key alone."""

    kind: Literal["key", "session", "platform"]
    id: str
    account: str
    scopes: frozenset[str]
    livemode: bool

    @property
    def actor(self) -> str:
        """The name that goes into the audit log."""
        return self.id


class Authentication(ASGIMiddleware):
    """Puts the principal into the scope, or answers 401."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            scope["user"] = await principal_of(_header(scope, b"authorization"))
        await next_app(scope, receive, send)


async def principal_of(authorization: str) -> Principal:
    """The principal of an `Authorization` header; raises ProblemError."""
    kind, _, token = authorization.partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token or len(token) > LONGEST:
        raise ProblemError(Code.UNAUTHENTICATED, "Send an API key: Authorization: Bearer tb_…", headers=CHALLENGE)
    found = await (_session(token) if token.startswith(SECRET_PREFIX) else _key(token))
    if found is None:
        raise ProblemError(Code.UNAUTHENTICATED, "This key is unknown or revoked.", headers=CHALLENGE)
    principal, enabled = found
    if not enabled:
        raise ProblemError(Code.ACCOUNT_DISABLED)
    return principal


async def _key(token: str) -> tuple[Principal, bool] | None:
    if not token.startswith(KEY_PREFIX):
        return None
    row = await sql.row(KEY, digest(token))
    if row is None:
        return None
    account = row["account"] or ""
    scopes = frozenset(row["scopes"])
    return Principal("key" if account else "platform", row["id"], account, scopes, row["livemode"]), row["enabled"]


async def _session(token: str) -> tuple[Principal, bool] | None:
    row = await sql.row(SESSION, secret_hash(token))
    if row is None:
        return None
    return Principal("session", row["id"], row["account"], frozenset(), row["livemode"]), row["enabled"]


def requires(*scopes: KeyScope, session: bool = False) -> Guard:
    """A guard that lets a key with any of these scopes in; with `session`, also the client secret of the very session
    that the path names (`session_id`). Raises ProblemError: 403, or 404 for another session's."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if principal.kind == "session" and session:
            if connection.path_params.get("session_id") != principal.id:
                raise ProblemError(Code.NOT_FOUND)
            return
        if not principal.scopes & set(scopes):
            needed = " or ".join(scopes)
            raise ProblemError(Code.SCOPE_MISSING, f"This needs a key with the scope {needed}.")

    return guard


def principal(scope: Scope) -> Principal:
    """The principal of a request, as a dependency."""
    found: Principal = scope["user"]
    return found


def _header(scope: Scope, name: bytes) -> str:
    values = [value for key, value in scope["headers"] if key == name]
    return values[0].decode("latin-1") if len(values) == 1 else ""
