"""Signed webhook delivery: prompt, retried with backoff, bounded, and made worse on demand.

Sandbox time decides *when* an event is due (`delay_s`); machine time paces the retries and stamps the signature, as the
receiver checks that against its own machine's time.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from itertools import count
from typing import Annotated, Any, Literal

import httpx
import msgspec

log = logging.getLogger(__name__)

MAX_WAITING = 100_000
MAX_TRIES = 20
FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 60.0
TICK_S = 0.02
PARALLEL = 16

Sign = Callable[[str, int, bytes], dict[str, str]]
"""The signature headers for (secret, machine Unix seconds, body)."""

Wrap = Callable[[list[dict[str, Any]]], bytes]
"""The body that carries these events."""


class Endpoint(msgspec.Struct, frozen=True):
    url: str
    secret: str


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """How events leave. `manual`: only by `flush`. `drop`: so many coming events are never sent; true means all."""

    mode: Literal["auto", "manual"] = "auto"
    double: bool = False
    shuffle: bool = False
    drop: Annotated[int, msgspec.Meta(ge=0)] | bool = 0
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    batch: Annotated[int, msgspec.Meta(ge=1, le=250)] = 1


class Letter(msgspec.Struct):
    """One event on its way to one endpoint. `due_at` is sandbox time, `not_before` machine time for a retry."""

    number: int
    event: dict[str, Any]
    endpoint: Endpoint
    due_at: float
    not_before: float = 0.0
    tries: int = 0
    status: int = 0


class Delivery:
    """Letters waiting, and the loop that sends them."""

    def __init__(self, now: Callable[[], float], sign: Sign, wrap: Wrap, tick: Callable[[], None]) -> None:
        """`tick` makes what is due by the sandbox's clock happen; it's called before each look at the letters."""
        self._now, self._sign, self._wrap, self._tick = now, sign, wrap, tick
        self.settings = Settings()
        self.waiting: dict[int, Letter] = {}
        self.sent = 0
        self.given_up = 0
        self.dropped = 0
        self._numbers = count()
        self._random = random.Random(0)
        self._sending = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None

    def put(self, event: dict[str, Any], endpoint: Endpoint) -> None:
        """Queue one event, doubled or dropped as the settings say."""
        if self.settings.drop:
            if self.settings.drop is not True:
                self.settings.drop -= 1
            self.dropped += 1
            return
        if len(self.waiting) >= MAX_WAITING:
            raise RuntimeError("the sandbox holds too many undelivered events")
        for _ in range(2 if self.settings.double else 1):
            number = next(self._numbers)
            self.waiting[number] = Letter(number, event, endpoint, self._now() + self.settings.delay_s)

    async def start(self) -> None:
        """Begin to deliver by itself; to be called in the loop that serves the sandbox."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def flush(self) -> int:
        """Try all letters that are due by sandbox time once, retries at once too; the number that was accepted."""
        self._tick()
        return await self._send(lambda letter: letter.due_at <= self._now())

    def reset(self) -> None:
        self.settings = Settings()
        self.waiting.clear()
        self.sent = self.given_up = self.dropped = 0
        self._random = random.Random(0)

    async def _run(self) -> None:
        while True:  # bounded by the task's life; every round is bounded by what waits
            await asyncio.sleep(TICK_S)
            try:
                await self._round()
            except Exception:
                log.exception("the sandbox could not deliver")

    async def _round(self) -> None:
        self._tick()
        if self.settings.mode == "auto" and self.waiting:
            now, machine = self._now(), time.monotonic()
            await self._send(lambda letter: letter.due_at <= now and letter.not_before <= machine)

    async def _send(self, ready: Callable[[Letter], bool]) -> int:
        async with self._sending:
            letters = [letter for letter in self.waiting.values() if ready(letter)]
            if self.settings.shuffle:
                self._random.shuffle(letters)
            by_endpoint: dict[Endpoint, list[Letter]] = {}
            for letter in letters:
                by_endpoint.setdefault(letter.endpoint, []).append(letter)
            # A receiver that hangs must not hold up the others.
            return sum(await asyncio.gather(*map(self._send_to, by_endpoint, by_endpoint.values())))

    async def _send_to(self, endpoint: Endpoint, letters: list[Letter]) -> int:
        size = self.settings.batch
        batches = [letters[i : i + size] for i in range(0, len(letters), size)]
        # Few letters keep their order; a burst goes out in parallel, as no receiver may rely on order anyway.
        step = PARALLEL if len(batches) > PARALLEL else 1
        accepted = 0
        for i in range(0, len(batches), step):
            accepted += sum(await asyncio.gather(*(self._post(endpoint, one) for one in batches[i : i + step])))
        return accepted

    async def _post(self, endpoint: Endpoint, letters: list[Letter]) -> int:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=10)
        body = self._wrap([letter.event for letter in letters])
        headers = {"content-type": "application/json", **self._sign(endpoint.secret, int(time.time()), body)}
        try:
            answer = await self._http.post(endpoint.url, content=body, headers=headers, follow_redirects=False)
            status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL):
            status = 0
        for letter in letters:
            self._book(letter, status)
        return len(letters) if 200 <= status < 300 else 0

    def _book(self, letter: Letter, status: int) -> None:
        letter.tries += 1
        letter.status = status
        accepted = 200 <= status < 300
        if not accepted and letter.tries < MAX_TRIES:
            letter.not_before = time.monotonic() + min(FIRST_BACKOFF_S * 2 ** (letter.tries - 1), MAX_BACKOFF_S)
            return
        self.sent += accepted
        self.given_up += not accepted
        self.waiting.pop(letter.number, None)
