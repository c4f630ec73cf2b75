"""Load on a loopback address: HTTP/1.1 over kept-alive connections, written by hand so that it costs little itself.

Closed: so many senders, each with its next request as soon as it has its answer. Open: requests at moments that do not
depend on the answers, so that a stalled server meets a queue (and the wait counts).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

TIMEOUT_S: Final = 30.0
MOST_CONNECTIONS: Final = 5_000
READY_CONNECTIONS: Final = 32

Make = Callable[[], bytes]
"""The next request, whole."""


@dataclass
class Result:
    """What a run came to; latencies in seconds, one for each answer."""

    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    most_waiting: int = 0

    @property
    def per_s(self) -> float:
        return len(self.latencies) / self.seconds

    def add(self, other: Result) -> None:
        """What another run came to, too."""
        self.seconds += other.seconds
        self.latencies += other.latencies
        self.statuses += other.statuses


class _Connection(asyncio.Protocol):
    """One request at a time; the answer's status, once it is there whole."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None
        self.lost = False
        """The server closes what was idle for some seconds."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, rest = self._buffer.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(rest) >= length and self._answer is not None and not self._answer.done():
            self._buffer = b""
            self._answer.set_result(int(head[9:12]))

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, request: bytes) -> int:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(TIMEOUT_S):
            return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


async def closed(port: int, senders: int, seconds: float, make: Make) -> Result:
    """Each sender asks again as soon as it is answered, for so long."""
    result = Result()
    end = time.perf_counter() + seconds

    async def send() -> None:
        connection = await _connect(port)
        try:
            while time.perf_counter() < end:
                await _timed(connection, make(), time.perf_counter(), result)
        finally:
            connection.close()

    began = time.perf_counter()
    await asyncio.gather(*(send() for _ in range(senders)))
    result.seconds = time.perf_counter() - began
    return result


async def asked(port: int, times: int, make: Make) -> Result:
    """One sender asks so many times."""
    result = Result()
    connection = await _connect(port)
    began = time.perf_counter()
    try:
        for _ in range(times):
            await _timed(connection, make(), time.perf_counter(), result)
    finally:
        connection.close()
    result.seconds = time.perf_counter() - began
    return result


async def opened(port: int, per_s: float, seconds: float, make: Make) -> Result:
    """Requests at even distances, whatever becomes of them; each latency counts from the moment it was due."""
    result = Result()
    free = [await _connect(port) for _ in range(READY_CONNECTIONS)]
    tasks: set[asyncio.Task[None]] = set()

    async def send(due: float) -> None:
        while free and free[-1].lost:
            free.pop()
        connection = free.pop() if free else await _connect(port)
        await _timed(connection, make(), due, result)
        free.append(connection)

    began = time.perf_counter()
    for due in _moments(began, per_s, seconds):
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        if len(tasks) >= MOST_CONNECTIONS:
            raise RuntimeError(f"{MOST_CONNECTIONS} requests are under way: the server can't keep up")
        task = asyncio.create_task(send(due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        result.most_waiting = max(result.most_waiting, len(tasks))
    await asyncio.gather(*tasks)
    result.seconds = time.perf_counter() - began
    for connection in free:
        connection.close()
    return result


def _moments(began: float, per_s: float, seconds: float) -> Iterator[float]:
    return (began + n / per_s for n in range(int(per_s * seconds)))


async def _timed(connection: _Connection, request: bytes, since: float, result: Result) -> None:
    status = await connection.ask(request)
    result.latencies.append(time.perf_counter() - since)
    result.statuses[status] += 1


async def _connect(port: int) -> _Connection:
    _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return connection
