"""What stands between the console and a hostile page: the session's cookie, proof that a form is ours, one reply for
each form, and headers by which a browser runs nothing but what we serve.

A POST is refused unless the browser says that it comes from our own origin (`Sec-Fetch-Site`, or `Origin` where that is
missing), and, in a session, unless the form carries what was made from its cookie. SameSite alone would let a sibling
domain in. (OWASP: Cross-Site Request Forgery Prevention.)
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from gateway.api.body import NUL, again, read_body
from gateway.api.headers import header
from gateway.api.idempotency import Reply, answered_once
from gateway.api.problems import Code, ProblemError
from gateway.console import uploads
from gateway.console.desk import permitted_desk
from gateway.runtime import Runtime
from gateway.settings import Settings
from gateway.users.sessions import Manner, Session, end_sessions, find_session

HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cache-control": "no-store",
}
"""Of every answer, unless it says otherwise itself."""
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_FORM: Final = 262_144
TWICE_S: Final = (0.05, 0.1, 0.2, 0.4) + (0.5,) * 18
"""A button that was pressed twice shows what its second press is answered: that waits until the first one has ended."""


class SentBeforeError(Exception):
    """A form's mark is one that was sent with something else in it: the back button leads to a form as it was, with its
    mark. `typed`: what is in it now, without what is secret."""

    def __init__(self, typed: Sequence[tuple[str, str]]) -> None:
        super().__init__("the form was sent before, with something else in it")
        self.typed = typed


class FormRefusedError(ProblemError):
    """Nothing of a form was done: it is not one that we have shown in this session."""

    def __init__(self, detail: str) -> None:
        super().__init__(Code.SCOPE_MISSING, detail)


class Protection(ASGIMiddleware):
    """Finds the session, and lets in what may come in."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] != ScopeType.HTTP:
            await next_app(scope, receive, send)
            return
        send = _guarded(send)
        if NUL in scope["path"] or b"%00" in scope["query_string"]:
            # No column can hold it.
            raise ProblemError(Code.INVALID_REQUEST, "The address holds the character NUL.")
        # A form of filters sends the fields that nobody filled in, too: they are no condition.
        scope["query_string"] = urlencode(parse_qsl(scope["query_string"].decode("latin-1"))).encode()
        runtime: Runtime = scope["litestar_app"].state.runtime
        open_to_all = bool(scope["route_handler"].opt.get("open"))
        token = "" if open_to_all else cookie_of(scope, runtime.settings)
        session = await find_session(token) if token else None
        if session is not None and session.manner is Manner.PASSWORD and runtime.settings.oidc_only:
            await end_sessions(session.user, session.id)
            session = None
        scope["user"] = session
        if scope["method"] in SAFE:
            await next_app(scope, receive, send)
            return
        await _posted(runtime, scope, receive, send, next_app)


async def _posted(runtime: Runtime, scope: HTTPScope, receive: Receive, send: Send, app: ASGIApp) -> None:
    refuse_foreign(scope, runtime.settings)
    session: Session | None = scope["user"]
    if scope["route_handler"].opt.get("with_file"):
        # The file is not read before the fields in front of it have proven whose form it is.
        if session is not None:
            upload = await uploads.begin(scope, receive, runtime.settings.max_settlement_bytes)
            refuse_unproven(session, upload.fields.get("csrf", ""))
            uploads.keep(scope, upload)
        await app(scope, receive, send)
        return
    body = await read_body(scope, receive, LONGEST_FORM)
    typed = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
    fields = dict(typed)
    if any(NUL in text for field in fields.items() for text in field):
        raise ProblemError(Code.INVALID_REQUEST, "The form holds the character NUL.")
    once = fields.get("once", "")
    if session is None:
        await app(scope, again(body), send)
        return
    refuse_unproven(session, fields.get("csrf", ""))
    opt = scope["route_handler"].opt
    if "action" not in opt or not once or opt.get("changes_nothing"):
        await app(scope, again(body), send)
        return
    # A reply that is kept passes no guard, and may hold a secret: it is for who may ask for it still.
    whose = (permitted_desk(scope, opt["action"]).account, session.user, once[:255])
    for pause_s in (*TWICE_S, None):
        try:
            await answered_once(runtime.keyring, scope, whose, body, send, app, kept=_did_something)
        except ProblemError as error:
            if error.code is Code.IDEMPOTENCY_MISMATCH:
                secret = scope["route_handler"].opt.get("with_secret")
                kept = [] if secret else [field for field in typed if field[0] not in ("csrf", "once")]
                raise SentBeforeError(kept) from None
            if error.code is not Code.IN_PROGRESS or pause_s is None:
                raise
            await asyncio.sleep(pause_s)
        else:
            return


def _did_something(reply: Reply) -> bool:
    """A form that was refused has done nothing: it is sent again under its mark, as it was or mended."""
    return reply.status < 400


def refuse_foreign(scope: HTTPScope, settings: Settings) -> None:
    """Raises FormRefusedError for a form that another site posts."""
    said = header(scope, b"sec-fetch-site")
    if said:
        ours = said in ("same-origin", "none")
    else:
        ours = _is_ours(header(scope, b"origin"), header(scope, b"host"), settings)
    if not ours:
        raise FormRefusedError("This form does not come from the console.")


def _is_ours(origin: str, host: str, settings: Settings) -> bool:
    """Over plain http anybody in the network can be our host, so that the scheme counts too."""
    ours = urlsplit(settings.base_url)
    try:
        given = urlsplit(origin)
    except ValueError:
        return False
    return bool(given.netloc) and given.scheme == ours.scheme and given.netloc in (host, ours.netloc)


def refuse_unproven(session: Session, csrf: str) -> None:
    """Raises FormRefusedError for a form without the proof that we have made it for this session."""
    if not hmac.compare_digest(csrf.encode(), session.csrf.encode()):
        raise FormRefusedError(
            "This form is out of date: it was shown before you signed in again. Load its page, and fill it in again."
        )


def cookie_name(settings: Settings) -> str:
    """With the prefix that keeps sibling domains from setting it, where browsers heed that (RFC 6265bis, 4.1.3.2)."""
    return "__Host-tollbridge" if settings.over_tls else "tollbridge"


def cookie(settings: Settings, name: str, value: str, max_age_s: int | None = None) -> Cookie:
    """Sets a cookie; an empty value takes it away. Without `max_age_s` it ends with the browser's own session.

    Lax, and not Strict: links from elsewhere lead in with it, such as the redirect of an issuer of identities.
    """
    return Cookie(
        key=name,
        value=value,
        path="/",
        secure=settings.over_tls,
        httponly=True,
        samesite="lax",
        max_age=max_age_s if value else 0,
    )


def cookie_for(settings: Settings, token: str) -> Cookie:
    """Sets the session's cookie; an empty token takes it away."""
    return cookie(settings, cookie_name(settings), token)


def cookie_of(scope: HTTPScope, settings: Settings) -> str:
    """The session's token, as a browser sends it."""
    return read_cookie(scope, cookie_name(settings))


def read_cookie(scope: HTTPScope, name: str) -> str:
    """A cookie's value, or nothing."""
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header(scope, b"cookie"))
    except CookieError:
        return ""
    found = jar.get(name)
    return found.value if found is not None else ""


def _guarded(send: Send) -> Send:
    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = {name for name, _ in message["headers"]}
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items() if name.encode() not in given]
            message["headers"] = [*message["headers"], *added]
        await send(message)

    return answer
