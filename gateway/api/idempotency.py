"""`Idempotency-Key`: the same POST again gives the stored reply, and does nothing.

A row per (account, principal, key) is taken before the handler runs and completed with its reply. Another body under
the same key is `idempotency_mismatch`; an equal request while the first runs is `in_progress`, until the lock runs out
(machine time), so that a process that died lets go. Kept are replies that stand: never 5xx, 429 or `in_progress`, nor
those of requests that were refused unread (400, 401, 403, 413, 415), which may be mended and sent again under their
key. Bodies are stored encrypted: a reply may show a secret once. Kept for 24 hours of business time.

Handlers for which the key is required carry `opt={"idempotency": "required"}`; those whose body itself says whether it
is the same again (a file, known by its hash, and too long to be held) `"by_content"`: a key changes nothing there.
`"by_identifier"`: a key is required, and nothing is kept under it. Each reported event carries an identifier, which
holds for 180 days where a reply is kept for one, and under which other content is refused; two more COMMITs for each
request would prove nothing else. What an equal request is answered is how the events stand: they are duplicates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from db import sql
from db.encryption import Keyring
from gateway.api.auth import Principal
from gateway.api.body import again, read_body
from gateway.api.problems import Code, ProblemError
from gateway.clock import business_now
from gateway.replies import place
from gateway.runtime import Runtime

log = structlog.get_logger()

HEADER: Final = b"idempotency-key"
KEPT: Final = timedelta(hours=24)
LOCK_S: Final = 120.0
"""Longer than the longest answer takes."""
NOT_KEPT: Final = frozenset({400, 401, 403, 413, 415, 429})
KEPT_HEADERS: Final = frozenset({b"content-type", b"location"})

TAKE = """
    insert into tollbridge.idempotent_reply as r (account, principal, key, fingerprint, created_at, locked_until)
    values ($1, $2, $3, $4, $5, clock_timestamp() + make_interval(secs => $6))
    on conflict (account, principal, key) do update
        set fingerprint = $4, created_at = $5, locked_until = excluded.locked_until, status = null, headers = '{}',
            body = null
        where r.created_at < $7
           or (r.status is null and r.locked_until < clock_timestamp() and r.fingerprint = $4)
    returning locked_until
"""
STORED = """
    select fingerprint, status, headers, body from tollbridge.idempotent_reply
    where account = $1 and principal = $2 and key = $3
"""
# `locked_until` names the holding: who lost it to another must not write over the other's reply.
COMPLETE = """
    update tollbridge.idempotent_reply set status = $5, headers = $6, body = $7
    where account = $1 and principal = $2 and key = $3 and locked_until = $4 and status is null
"""
LET_GO = """
    delete from tollbridge.idempotent_reply
    where account = $1 and principal = $2 and key = $3 and locked_until = $4 and status is null
"""


class Reply(msgspec.Struct):
    """A reply as it is sent, kept back until it is stored."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Reply({self.status})"

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")

    async def give(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Idempotency(ASGIMiddleware):
    """Runs inside authentication."""

    # It holds nothing: Litestar copies routers with their middleware deeply.
    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] != ScopeType.HTTP or scope["method"] != "POST":
            await next_app(scope, receive, send)
            return
        rule = scope["route_handler"].opt.get("idempotency")
        key = key_of(scope, required=rule in ("required", "by_identifier"))
        principal: Principal = scope["user"]
        if not key or not principal.account or rule in ("by_content", "by_identifier"):
            # The platform key belongs to no account; what it makes has a unique name.
            await next_app(scope, receive, send)
            return
        runtime: Runtime = scope["litestar_app"].state.runtime
        body = await read_body(scope, receive, runtime.settings.max_body_bytes)
        await answered_once(runtime.keyring, scope, (principal.account, principal.id, key), body, send, next_app)


def stands(reply: Reply) -> bool:
    """Whether a reply of the API is kept."""
    return reply.status < 500 and reply.status not in NOT_KEPT and not _in_progress(reply)


async def answered_once(
    keyring: Keyring,
    scope: HTTPScope,
    whose: tuple[str, str, str],
    body: bytes,
    send: Send,
    app: ASGIApp,
    *,
    kept: Callable[[Reply], bool] = stands,
) -> None:
    """Let `app` answer, or give the reply that this account, principal and key got before; raises ProblemError.

    A reply that is not `kept` must be one of a request that did nothing: an equal one is carried out again.
    """
    fingerprint = _fingerprint(scope, body)
    now = await business_now()
    held = await sql.value(TAKE, *whose, fingerprint, now, LOCK_S, now - KEPT)
    if held is None:
        await (await _stored(keyring, whose, fingerprint)).give(send)
        return
    reply = Reply()
    try:
        await app(scope, again(body), reply.take)
    except BaseException:
        await sql.rows(LET_GO, *whose, held)
        raise
    try:
        if not kept(reply):
            await sql.rows(LET_GO, *whose, held)
        else:
            headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in reply.headers if n in KEPT_HEADERS}
            sealed = keyring.encrypt(reply.body, **place(whose))
            shown = msgspec.json.encode(headers).decode()
            await sql.rows(COMPLETE, *whose, held, reply.status, shown, sealed)
    except Exception as error:
        # What was asked for is done: a reply that can't be kept is given all the same.
        log.warning("reply_not_kept", error=type(error).__name__)
    await reply.give(send)


async def _stored(keyring: Keyring, whose: tuple[str, str, str], fingerprint: bytes) -> Reply:
    """The reply of an equal request; raises ProblemError."""
    row = await sql.row(STORED, *whose)
    if row is not None and row["fingerprint"] != fingerprint:
        raise ProblemError(Code.IDEMPOTENCY_MISMATCH, param="Idempotency-Key")
    if row is None or row["status"] is None:
        raise ProblemError(Code.IN_PROGRESS, param="Idempotency-Key", headers={"Retry-After": "1"})
    headers = msgspec.json.decode(row["headers"], type=dict[str, str])
    shown = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    return Reply(
        status=row["status"],
        headers=[*shown, (b"idempotent-replayed", b"true")],
        body=keyring.decrypt(row["body"], **place(whose)),
    )


def key_of(scope: HTTPScope, *, required: bool) -> str:
    """The request's key, or nothing; raises ProblemError for one that is malformed, or missing where it is needed."""
    values = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == HEADER]
    if not values:
        if required:
            raise ProblemError(Code.IDEMPOTENCY_KEY_REQUIRED, param="Idempotency-Key")
        return ""
    if len(values) > 1 or not values[0] or len(values[0]) > 255 or not values[0].isprintable():
        detail = "Idempotency-Key: must be one header of 1 to 255 printable letters"
        raise ProblemError(Code.INVALID_REQUEST, detail, param="Idempotency-Key")
    return values[0]


def _fingerprint(scope: HTTPScope, body: bytes) -> bytes:
    head = f"{scope['method']} {scope['path']}?{scope['query_string'].decode('latin-1')}\n"
    return hashlib.sha256(head.encode() + body).digest()


def _in_progress(reply: Reply) -> bool:
    return reply.status == 409 and b'"urn:tollbridge:error:in_progress"' in reply.body
