"""The ASGI application of a sandbox server, with the power to end a connection without an answer.

Frameworks hide the connection; a sandbox must be able to lose an answer, so this one speaks ASGI itself. What ASGI has
no word for goes through uvicorn's transport, which hangs on the object behind `receive`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import formatdate
from typing import Any

from gateway.sandbox.kit.asgi import Ending, Handler, HttpError, Lost, Reply, Request, error_reply
from gateway.sandbox.kit.control import ROOT
from gateway.sandbox.kit.page import guard
from gateway.sandbox.kit.page.pages import Page
from gateway.sandbox.kit.sandbox import Sandbox

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY_BYTES = 1 << 20
PIECES = 20
RESET = struct.pack("ii", 1, 0)


class App:
    """One handler around one sandbox. Serve it with its lifespan on: that runs the delivery and the timers."""

    def __init__(self, handler: Handler, sandbox: Sandbox) -> None:
        self._handler, self.sandbox = handler, sandbox
        self.page = Page(sandbox)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self._lifespan(receive, send)
        if scope["type"] != "http":
            return None
        try:
            if self.sandbox.door.is_shut:
                raise Lost
            request = await _read(scope, receive)
            reply = await self._reply(request)
        except HttpError as error:
            reply = error_reply(error)
        except Lost as lost:
            return await self._lose(lost, receive, send)
        if skew_s := self.sandbox.clock.skew_s:
            reply = _dated(reply, receive, skew_s)
        return await _answer(send, reply)

    async def _reply(self, request: Request) -> Reply:
        """Raises HttpError, Lost."""
        self.sandbox.enter(request)
        is_page = self.page.is_for(request)
        if is_page or request.path.startswith(f"{ROOT}/"):
            guard.check_host(request, self.sandbox.allowed_hosts)
            guard.check_origin(request)
        return await (self.page.handle(request) if is_page else self._handler(request))

    async def _lose(self, lost: Lost, receive: Receive, send: Send) -> None:
        if lost.ending is Ending.REFUSE:
            await self.sandbox.door.shut(lost.for_s)
        if lost.ending is Ending.HOLD:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_left(receive), lost.for_s)
        await _drop(receive, send, reset=lost.ending is Ending.RESET)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self.sandbox.delivery.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.sandbox.door.close()
        await self.sandbox.delivery.stop()
        await send({"type": "lifespan.shutdown.complete"})


async def _read(scope: Scope, receive: Receive) -> Request:
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Lost
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > MAX_BODY_BYTES:
            raise HttpError(413, "too_large", f"a body has at most {MAX_BODY_BYTES} bytes")
    return Request(
        method=scope["method"],
        path=scope["path"],
        query_string=scope["query_string"].decode("latin-1"),
        headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
        body=body,
        reached=(scope.get("server") or ("",))[0],
    )


async def _answer(send: Send, reply: Reply) -> None:
    headers = {"content-length": str(len(reply.body)), **reply.headers}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.pace_s:
        await _drip(send, reply)
    else:
        await send({"type": "http.response.body", "body": reply.body})


async def _drip(send: Send, reply: Reply) -> None:
    size = max(1, -(-len(reply.body) // PIECES))
    pieces = [reply.body[at : at + size] for at in range(0, len(reply.body), size)] or [b""]
    for piece in pieces:
        await asyncio.sleep(reply.pace_s / len(pieces))
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _dated(reply: Reply, receive: Receive, skew_s: int) -> Reply:
    """The answer with the `Date` of a clock that goes wrong, instead of uvicorn's."""
    cycle = _cycle(receive)
    if hasattr(cycle, "default_headers"):
        cycle.default_headers = [pair for pair in cycle.default_headers if pair[0].lower() != b"date"]
    date = formatdate(time.time() + skew_s, usegmt=True)
    return Reply(reply.status, reply.body, {**reply.headers, "date": date}, reply.pace_s)


async def _left(receive: Receive) -> None:
    """Returns when the caller has closed the connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _drop(receive: Receive, send: Send, *, reset: bool) -> None:
    """Cut the connection; under another server than uvicorn a body that breaks off does the same to a client."""
    # Not by its type: uvloop's transports are no asyncio.Transport.
    transport: Any = getattr(_cycle(receive), "transport", None)
    if not hasattr(transport, "abort"):
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})
        raise ConnectionResetError("the sandbox was told to lose this answer")
    if reset and not transport.is_closing():
        # A socket that does not linger says RST instead of FIN.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
    for _ in range(3):  # lets uvicorn see the loss, so that it doesn't answer 500 into a closed socket
        await asyncio.sleep(0)


def _cycle(receive: Receive) -> Any:
    """Uvicorn's object of this request, through whatever wraps its `receive`; None under another server."""
    inner: Any = receive
    while not hasattr(inner, "__self__") and hasattr(inner, "__wrapped__"):
        inner = inner.__wrapped__
    return getattr(inner, "__self__", None)
