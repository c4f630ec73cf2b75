"""What stands between the console and a hostile page: the session's cookie, proof that a form is ours, one reply for
each form, and headers by which a browser runs nothing but what we serve.

A POST is refused unless the browser says that it comes from our own origin (`Sec-Fetch-Site`, or `Origin` where that is
missing), and, in a session, unless the form carries what was made from its cookie. SameSite alone would let a sibling
domain in. (OWASP: Cross-Site Request Forgery Prevention.)
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from gateway.api.body import again, read_body
from gateway.api.idempotency import answered_once
from gateway.api.problems import Code, ProblemError
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.users.sessions import Manner, Session, find_session

HEADERS: Final = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        b"form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
]
NEVER_KEPT: Final = (b"cache-control", b"no-store")
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_FORM: Final = 262_144


class Protection(ASGIMiddleware):
    """Finds the session, and lets in what may come in."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] != ScopeType.HTTP:
            await next_app(scope, receive, send)
            return
        send = _guarded(send)
        runtime: Runtime = scope["litestar_app"].state.runtime
        open_to_all = bool(scope["route_handler"].opt.get("open"))
        token = "" if open_to_all else cookie_of(scope, runtime.settings)
        session = await find_session(token) if token else None
        if session is not None and session.manner is Manner.PASSWORD and runtime.settings.oidc_only:
            session = None
        scope["user"] = session
        if scope["method"] in SAFE:
            await next_app(scope, receive, send)
            return
        await _posted(runtime, scope, receive, send, next_app)


async def _posted(runtime: Runtime, scope: HTTPScope, receive: Receive, send: Send, app: ASGIApp) -> None:
    refuse_foreign(scope, runtime.settings)
    body = await read_body(scope, receive, LONGEST_FORM)
    fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    session: Session | None = scope["user"]
    once = fields.get("once", "")
    if session is None:
        await app(scope, again(body), send)
        return
    if not hmac.compare_digest(fields.get("csrf", "").encode(), session.csrf.encode()):
        raise ProblemError(Code.SCOPE_MISSING, "This form is out of date. Please load the page again.")
    account = next((s.account for s in session.seats if s.name == scope["path_params"].get("account")), "")
    if not account or not once:
        await app(scope, again(body), send)
        return
    await answered_once(runtime.keyring, scope, (account, session.user, once[:255]), body, send, app)


def refuse_foreign(scope: HTTPScope, settings: Settings) -> None:
    """Raises ProblemError for a form that another site posts."""
    said = _header(scope, b"sec-fetch-site")
    if said:
        ours = said in ("same-origin", "none")
    else:
        origin = _header(scope, b"origin")
        ours = bool(origin) and urlsplit(origin).netloc in (_header(scope, b"host"), urlsplit(settings.base_url).netloc)
    if not ours:
        raise ProblemError(Code.SCOPE_MISSING, "This form does not come from the console.")


def secure(settings: Settings) -> bool:
    """Whether browsers reach us over TLS."""
    return settings.base_url.startswith("https://")


def cookie_name(settings: Settings) -> str:
    """With the prefix that keeps sibling domains from setting it, where browsers heed that (RFC 6265bis, 4.1.3.2)."""
    return "__Host-tollbridge" if secure(settings) else "tollbridge"


def cookie_for(settings: Settings, token: str) -> Cookie:
    """Sets the session's cookie; an empty token takes it away. It ends with the browser's own session."""
    return Cookie(
        key=cookie_name(settings),
        value=token,
        path="/",
        secure=secure(settings),
        httponly=True,
        samesite="lax",
        max_age=None if token else 0,
    )


def cookie_of(scope: HTTPScope, settings: Settings) -> str:
    """The session's token, as a browser sends it."""
    return read_cookie(scope, cookie_name(settings))


def read_cookie(scope: HTTPScope, name: str) -> str:
    """A cookie's value, or nothing."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(_header(scope, b"cookie"))
    except CookieError:
        return ""
    found = jar.get(name)
    return found.value if found is not None else ""


def _guarded(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = list(message["headers"])
            kept = any(name == b"cache-control" for name, _ in given)
            message["headers"] = [*given, *HEADERS, *([] if kept else [NEVER_KEPT])]
        await send(message)

    return answer


def _header(scope: HTTPScope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
