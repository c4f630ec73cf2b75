"""Several ASGI servers in one process and one loop, until a signal comes."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from typing import Any, Final

import click
import uvicorn

from gateway.sandbox.kit import door
from gateway.sandbox.kit.app import App
from gateway.workers.run import stop_on_signals

DRAIN_S: Final = 3
LASTING: Final = range(20_000, 32_000)
"""Ports that no system gives to connections that go out (Linux: from 32768; RFC 6335: from 49152), so that a server
that ended finds its own free when it starts again."""


async def serve_all(
    servers: Sequence[tuple[Any, str, int]], started: Callable[[], None], stop: asyncio.Event | None = None
) -> None:
    """Serve each (app, host, port) until SIGINT, SIGTERM or `stop`; `started` is called once all of them answer."""
    stop = stop or asyncio.Event()
    stop_on_signals(stop)
    listening = [(app, listen(host, port)) for app, host, port in servers]
    running = [_Server(app) for app, _ in listening]
    for (app, _), server in zip(listening, running, strict=True):
        if isinstance(app, App):
            app.sandbox.door.attach(server)
    tasks = [
        asyncio.create_task(server.serve_on(listener)) for server, (_, listener) in zip(running, listening, strict=True)
    ]
    try:
        while not all(server.started for server in running):
            if any(task.done() for task in tasks):
                raise click.ClickException("a server ended before it had started")
            await asyncio.sleep(0.01)
        started()
        await stop.wait()
    finally:
        for server in running:
            server.should_exit = True
        await asyncio.gather(*tasks)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises click.ClickException with the reason where there can be none."""
    try:
        return door.listen(host, port)
    except OSError as error:
        raise click.ClickException(f"can't listen on {host}:{port}: {error.strerror}") from None


class _Server(uvicorn.Server):
    """One of several: signals are taken by the process as a whole."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
        super().__init__(config)

    async def serve_on(self, listener: socket.socket) -> None:
        await self._serve([listener])


def free_ports(count: int) -> list[int]:
    """Ports that are free now; all are held while they are chosen, so that they differ."""
    with ExitStack() as held:
        tried = random.SystemRandom().sample(LASTING, len(LASTING))
        return list(islice((port for port in tried if _is_free(port, held)), count))


def _is_free(port: int, held: ExitStack) -> bool:
    try:
        held.enter_context(socket.socket()).bind(("127.0.0.1", port))
    except OSError:
        return False
    return True
