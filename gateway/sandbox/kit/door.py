"""The listening socket, and how it goes away for a while: to a caller there is then no server at all.

Whoever serves the sandbox hands its uvicorn server over (`attach`). Without that the socket is not ours to close: then
a connection is still accepted, but broken off before anything is answered.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from typing import Any

log = logging.getLogger(__name__)

REOPEN_EVERY_S = 0.1
REOPEN_TRIES = 600
BACKLOG = 2048


class Door:
    """Open until it is shut, which ends by itself. Not part of what is kept in a file."""

    def __init__(self) -> None:
        self._server: Any = None
        self._until = 0.0
        self._reopening: asyncio.Task[None] | None = None

    def attach(self, server: Any) -> None:
        """The uvicorn server that serves this sandbox, once it has started or before."""
        self._server = server

    @property
    def is_shut(self) -> bool:
        return self._until > 0 and time.monotonic() < self._until

    async def shut(self, for_s: float, *, lead_s: float = 0) -> None:
        """Refuse connections for so long, from now; those that are open break off after `lead_s`."""
        self._until = max(self._until, time.monotonic() + for_s)
        if self._server is None or self._reopening is not None:
            return
        places = [listener.getsockname() for server in self._server.servers for listener in server.sockets]
        for server in self._server.servers:
            server.close()
        self._server.servers = []
        asyncio.get_running_loop().call_later(lead_s, self._hang_up)
        self._reopening = asyncio.create_task(self._reopen(places))

    def close(self) -> None:
        """The server stops for good: nothing is opened again."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._server = self._reopening = None

    def _hang_up(self) -> None:
        for connection in list(self._server.server_state.connections) if self._server else []:
            connection.transport.abort()

    async def _reopen(self, places: list[Any]) -> None:
        while (left_s := self._until - time.monotonic()) > 0:  # noqa: ASYNC110  it may be put off meanwhile
            await asyncio.sleep(left_s)
        for place in places:
            await self._listen(place)
        self._reopening = None

    async def _listen(self, place: Any) -> None:
        """Somebody else may have taken the port meanwhile: wait for it."""
        uvicorn = self._server
        for _ in range(REOPEN_TRIES):
            try:
                listener = listen(place[0], place[1])
                break
            except OSError:
                await asyncio.sleep(REOPEN_EVERY_S)
        else:
            log.error("can't listen on %s again: somebody else does", place)
            return
        loop = asyncio.get_running_loop()
        uvicorn.servers.append(await loop.create_server(lambda: _protocol(uvicorn), sock=listener, backlog=BACKLOG))


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it every answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    return listener


def _protocol(server: Any) -> asyncio.Protocol:
    """As uvicorn makes them for the sockets that it opens itself."""
    made: asyncio.Protocol = server.config.http_protocol_class(
        config=server.config, server_state=server.server_state, app_state=server.lifespan.state
    )
    return made
