"""Idempotency keys, in each of the manners that processors have.

`same_answer` gives the first answer again; `current_state` what it made, as it stands now; `conflict_with_id` a 409
that names it. `runs_again_after_error` is `same_answer` for 2xx only: an error, even one after the effect, lets the
same key do it once more. A refusal (4xx) is remembered in no manner: nothing was made.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import msgspec

from gateway.sandbox.kit.asgi import HttpError, Reply, Request, json_reply
from gateway.sandbox.kit.idempotency import KeyInUse, KeyReused
from gateway.sandbox.practice.account import Account

MAX_KEY = 64
WAIT_S, WAITS = 0.02, 1500
REPLAYED = "idempotent-replayed"

AccountHandler = Callable[[Account, Request], Awaitable[Reply]]
Show = Callable[[Account, str], Reply]
"""An object of the account as it stands now, by its id."""


class InBody(msgspec.Struct):
    idempotency_key: str = ""


class Made(msgspec.Struct):
    """What a first answer was about."""

    id: str = ""


def once(now: Callable[[], int], handler: AccountHandler, show: Show) -> AccountHandler:
    """The handler behind the account's idempotency keys; `show` is for `current_state`."""

    async def handle(account: Account, request: Request) -> Reply:
        key = key_of(account, request)
        first = await _begin(account, key, request, now)
        if first is not None:
            return _again(account, first, show)
        reply: Reply | None = None
        try:
            reply = await handler(account, request)
        finally:
            account.replies.end(key, reply)
        return reply

    return handle


def forget(account: Account, request: Request, reply: Reply) -> None:
    """An error takes the place of `reply`: where only 2xx is kept under a key, the key is free again.

    Not if `reply` was that of an earlier call, which its caller has had.
    """
    if account.manner.idempotency == "runs_again_after_error" and REPLAYED not in reply.headers:
        account.replies.end(_sent(account, request), None)


def key_of(account: Account, request: Request) -> str:
    """The key that was sent; raises HttpError where it's missing, malformed or in the wrong place."""
    key, in_body = _sent(account, request), account.manner.key_place == "body"
    if not in_body and _body_key(request):
        raise HttpError(400, "idempotency_key_misplaced", "this account sends Idempotency-Key as a header")
    if not re.fullmatch(rf"[!-~]{{1,{MAX_KEY}}}", key):
        where = "the field idempotency_key" if in_body else "Idempotency-Key"
        raise HttpError(400, "idempotency_key_required", f"send {where} of at most {MAX_KEY} letters")
    return key


def _sent(account: Account, request: Request) -> str:
    if account.manner.key_place == "body":
        return _body_key(request)
    return request.headers.get("idempotency-key", "")


def _body_key(request: Request) -> str:
    try:
        return msgspec.json.decode(request.body or b"{}", type=InBody).idempotency_key
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""  # the handler says what is wrong with it


async def _begin(account: Account, key: str, request: Request, now: Callable[[], int]) -> Reply | None:
    where = f"{request.method} {request.path}"
    for _ in range(WAITS):
        try:
            return account.replies.begin(key, where, request.body, now())
        except KeyReused:
            raise HttpError(409, "idempotency_mismatch", "this key was used with another request") from None
        except KeyInUse:
            if account.manner.key_in_flight == "refused":
                break
        await asyncio.sleep(WAIT_S)
    raise HttpError(409, "idempotency_in_progress", "this key's first request is under way")


def _again(account: Account, first: Reply, show: Show) -> Reply:
    made = msgspec.json.decode(first.body, type=Made).id
    match account.manner.idempotency:
        case "current_state":
            reply = show(account, made)
        case "conflict_with_id":
            message = "this key has made something already"
            error = {"code": "idempotency_conflict", "message": message, "conflicting_id": made}
            return json_reply({"error": error}, 409)
        case _:
            reply = first
    return Reply(reply.status, reply.body, reply.headers | {REPLAYED: "true"})
