"""Who asks: an API key, the client secret of one session, or an organization's token. All are bearer tokens, known here
by hash.

A key reaches its own account and nothing else: every statement of the API carries the principal's account, so another
account's object is not found (404). A missing scope is 403. A client secret opens only its own session.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Guard, Receive, Scope, Send

from db import sql
from db.poke import Kind
from gateway.accounts.keys import Scope as KeyScope
from gateway.accounts.keys import digest
from gateway.api.headers import header
from gateway.api.problems import Code, ProblemError
from gateway.customers import organization_tokens
from gateway.customers.client_secret import PREFIXES, secret_hash

KEY_PREFIX: Final = "tb_"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="tollbridge"'}
LONGEST: Final = 200

KEY = """
    select k.id, k.account, k.scopes, coalesce(a.livemode, false) as livemode, coalesce(a.enabled, true) as enabled
    from tollbridge.api_key k left join tollbridge.account a on a.id = k.account
    where k.hash = $1 and k.revoked_at is null
"""
SESSIONS: Final = {
    kind: f"""
        select s.id, s.account, a.livemode, a.enabled
        from tollbridge.{kind} s join tollbridge.account a on a.id = s.account where s.client_secret_hash = $1
    """  # noqa: S608
    for kind in PREFIXES
}


class Bearer(StrEnum):
    """What was shown: a key, or the client secret of a session of this kind."""

    KEY = "key"
    PLATFORM = "platform"
    CHECKOUT = Kind.CHECKOUT.value
    METHOD_SESSION = Kind.METHOD_SESSION.value
    ORGANIZATION = "organization"


class Principal(msgspec.Struct, frozen=True):
    """Who asks. `id` is the key's, the session's, whose kind is then that, or the token's; `account` is empty for the
    platform key alone. `customer`, `subscription`: what an organization's token shows."""

    kind: Bearer
    id: str
    account: str
    scopes: frozenset[str]
    livemode: bool
    customer: str = ""
    subscription: str = ""
    return_url: str = ""

    @property
    def actor(self) -> str:
        """The name that goes into the audit log."""
        return self.id


class Authentication(ASGIMiddleware):
    """Puts the principal into the scope, or answers 401."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            scope["user"] = await principal_of(header(scope, b"authorization"))
        await next_app(scope, receive, send)


async def principal_of(authorization: str) -> Principal:
    """The principal of an `Authorization` header; raises ProblemError."""
    kind, _, token = authorization.partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token or len(token) > LONGEST:
        raise ProblemError(Code.UNAUTHENTICATED, "Send an API key: Authorization: Bearer tb_…", headers=CHALLENGE)
    if token.startswith(organization_tokens.PREFIX):
        return await organization_of(token)
    session = next((kind for kind, prefix in PREFIXES.items() if token.startswith(prefix)), None)
    found = await (_key(token) if session is None else _session(session, token))
    if found is None:
        raise ProblemError(Code.UNAUTHENTICATED, "This key is unknown or revoked.", headers=CHALLENGE)
    principal, enabled = found
    if not enabled:
        raise ProblemError(Code.ACCOUNT_DISABLED)
    return principal


async def organization_of(token: str) -> Principal:
    """The principal of an organization's token; raises ProblemError."""
    row = await organization_tokens.opened_by(token)
    if row is None:
        raise ProblemError(Code.UNAUTHENTICATED, "This token is unknown or has expired.", headers=CHALLENGE)
    if not row["enabled"]:
        raise ProblemError(Code.ACCOUNT_DISABLED)
    shows = (row["customer"], row["subscription"], row["return_url"])
    return Principal(Bearer.ORGANIZATION, row["id"], row["account"], frozenset(), row["livemode"], *shows)


async def _key(token: str) -> tuple[Principal, bool] | None:
    if not token.startswith(KEY_PREFIX):
        return None
    row = await sql.row(KEY, digest(token))
    if row is None:
        return None
    account = row["account"] or ""
    scopes = frozenset(row["scopes"])
    return Principal(Bearer.KEY if account else Bearer.PLATFORM, row["id"], account, scopes, row["livemode"]), row[
        "enabled"
    ]


async def _session(kind: Kind, token: str) -> tuple[Principal, bool] | None:
    row = await sql.row(SESSIONS[kind], secret_hash(token))
    if row is None:
        return None
    return Principal(Bearer(kind), row["id"], row["account"], frozenset(), row["livemode"]), row["enabled"]


def requires(*scopes: KeyScope, session: Bearer | None = None) -> Guard:
    """A guard that lets a key with any of these scopes in; with `session`, also the client secret of the very session
    of that kind that the path names (`session_id`). Raises ProblemError: 403, or 404 for another session's."""

    def guard(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        principal: Principal = connection.user
        if session is not None and principal.kind == session:
            if connection.path_params.get("session_id") != principal.id:
                raise ProblemError(Code.NOT_FOUND)
            return
        if not principal.scopes & set(scopes):
            needed = " or ".join(scopes)
            raise ProblemError(Code.SCOPE_MISSING, f"This needs a key with the scope {needed}.")

    return guard


def organization(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard that lets an organization's token in, and nothing else. Raises ProblemError."""
    if connection.user.kind is not Bearer.ORGANIZATION:
        raise ProblemError(Code.SCOPE_MISSING, "This needs an organization's token (POST /v1/organization_tokens).")


def principal(scope: Scope) -> Principal:
    """The principal of a request, as a dependency."""
    found: Principal = scope["user"]
    return found
