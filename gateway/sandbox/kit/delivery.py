"""Webhooks out: signed, in order within a lane, retried with backoff, and made worse on demand.

`auto` sends at once in the background; `manual` keeps everything until `flush`. Sandbox time decides when an event
is due (`delay_s`); machine time, which nobody moves, paces the retries and stamps the signatures.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, groupby, islice
from typing import Any

import httpx
import msgspec

from gateway.sandbox.kit.clock import Clock
from gateway.sandbox.kit.forgery import Forgery, forged
from gateway.sandbox.kit.letters import Answered, Attempt, Endpoint, Event, Flushed, Letter, Settings, nobody

__all__ = ["Attempt", "Delivery", "Endpoint", "Event", "Flushed", "Letter"]

log = logging.getLogger(__name__)

MAX_QUEUED = 200_000
LOG_LENGTH = 200_000
PARALLEL = 16
TIMEOUT_S = 10.0
TICK_S = 0.05
MAX_BACKOFF_S = 60.0


class Delivery:
    """Letters waiting (`queue`), under way and on record (`log`)."""

    def __init__(self, clock: Clock, *, max_batch: int = 1) -> None:
        self._clock, self._max_batch = clock, max_batch
        self.settings = Settings()
        self.queue: deque[Letter] = deque()
        self.log: deque[Attempt] = deque(maxlen=LOG_LENGTH)
        self.sent = self.given_up = self.dropped = 0
        self._tries = self._put = 0
        self._random = random.Random(0)
        self._begin()

    def _begin(self) -> None:
        """What belongs to the loop that serves the sandbox."""
        self._lanes: dict[str, deque[list[Letter]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._wake = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._http: httpx.AsyncClient | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For a file: what is under way waits again, and machine time becomes the rest of it."""
        now = time.monotonic()
        letters = [replace(one, not_before=max(0, one.not_before - now)) for one in (*self._under_way(), *self.queue)]
        kept = ("_clock", "_max_batch", "settings", "log", "sent", "given_up", "dropped", "_tries", "_put", "_random")
        return {name: getattr(self, name) for name in kept} | {"queue": letters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        now = time.monotonic()
        self.__dict__ |= state
        self.queue = deque(replace(one, not_before=one.not_before + now) for one in state["queue"])
        self._begin()

    @property
    def version(self) -> tuple[int, ...]:
        """Another one after every change."""
        return (self._put, self._tries, self.given_up, self.dropped)

    def put(self, event: Event, endpoint: Endpoint, answered: Answered = nobody) -> None:
        """Queue one event for one endpoint; raises RuntimeError where too many wait."""
        if len(self.queue) >= MAX_QUEUED:
            raise RuntimeError("the sandbox holds too many undelivered events")
        self._put += 1
        self.queue.append(Letter(event, endpoint, answered, self._clock.now() + self.settings.delay_s))
        self.wake()

    def set(self, **changed: Any) -> None:
        """Change some of the settings; raises ValueError for what is none, or what this server can't do."""
        try:
            settings = msgspec.convert(msgspec.to_builtins(msgspec.structs.asdict(self.settings) | changed), Settings)
        except msgspec.ValidationError as error:
            raise ValueError(str(error)) from None
        if settings.batch > self._max_batch:
            raise ValueError(f"this server sends at most {self._max_batch} events in one request")
        self.settings = settings
        self.wake()

    def wake(self) -> None:
        """Look now for what is to be sent."""
        self._wake.set()

    @property
    def waiting(self) -> int:
        """The letters that no endpoint has accepted yet."""
        return len(self.queue) + sum(len(packet) for lane in self._lanes.values() for packet in lane)

    @property
    def busy(self) -> bool:
        """Whether something is under way, or would be at the next look."""
        return bool(self._lanes) or (self.settings.mode == "auto" and any(map(self._is_ready, self.queue)))

    async def start(self) -> None:
        """Begin to deliver, and to ring the timers of real time; to be called in the loop that serves the sandbox."""
        if self._pump is None:
            self._pump = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End all tries; what was under way waits again, so that it may arrive twice but is not lost."""
        left = list(self._under_way())
        tasks = [task for task in (self._pump, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.aclose()
        self.queue.extendleft(reversed(left))
        self._begin()

    def reset(self) -> None:
        """Forget everything queued, under way and on record; the settings are those of the beginning."""
        for task in list(self._tasks):
            task.cancel()
        for kept in (self.queue, self._lanes, self.log):
            kept.clear()
        self.settings = Settings()
        self.sent = self.given_up = self.dropped = 0
        self._random = random.Random(0)

    async def forge(self, event: Event, endpoints: Iterable[Endpoint], how: Forgery) -> list[Attempt]:
        """Post an event once, in a way that a receiver must refuse: not retried, and nobody is told of the answer."""
        made = []
        for endpoint in endpoints:
            await self._post([Letter(event, endpoint, nobody, self._clock.now())], how)
            made.append(self.log[-1])
        return made

    async def flush(self) -> Flushed:
        """Try once all that is due by the sandbox's clock, retries too; returns when every try has ended."""
        self._clock.run_due()
        before = self._tries
        self._dispatch(at_once=True)
        while self._tasks:
            await asyncio.gather(*list(self._tasks), return_exceptions=True)
            if self.settings.mode == "auto":
                self._dispatch()
        attempts = list(islice(reversed(self.log), self._tries - before))[::-1]
        sent = sum(one.ok for one in attempts)
        return Flushed(sent, len(attempts) - sent, attempts)

    async def settle(self, timeout_s: float = TIMEOUT_S + 1) -> None:
        """Wait until everything under way (auto mode) had its first try."""
        end = time.monotonic() + timeout_s
        while self.busy and self._pump is not None and time.monotonic() < end:  # noqa: ASYNC110  one rare waiter
            await asyncio.sleep(0.002)

    async def _run(self) -> None:
        while True:  # bounded by the task's life; every round is bounded by what is queued
            try:
                async with asyncio.timeout(TICK_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                self._clock.run_due()
                if self.settings.mode == "auto" and self.queue:
                    self._dispatch()
            except Exception:
                log.exception("the sandbox could not deliver")

    def _is_ready(self, letter: Letter, *, at_once: bool = False) -> bool:
        return letter.due_at <= self._clock.now() and (at_once or letter.not_before <= time.monotonic())

    def _dispatch(self, *, at_once: bool = False) -> None:
        ready: list[Letter] = []
        for _ in range(len(self.queue)):
            letter = self.queue.popleft()
            (ready if self._is_ready(letter, at_once=at_once) else self.queue).append(letter)
        if self.settings.shuffle:
            self._random.shuffle(ready)
        for number, packet in enumerate(self._packets(ready)):
            self._send_in(self._lane(packet[0], number), packet)

    def _packets(self, letters: list[Letter]) -> Iterator[list[Letter]]:
        size = self.settings.batch
        if size == 1:
            yield from ([letter] for letter in letters)
            return
        for _, group in groupby(sorted(letters, key=_endpoint), _endpoint):
            while packet := list(islice(group, size)):
                yield packet

    def _lane(self, first: Letter, number: int) -> str:
        """Letters of one lane leave one after another; shuffled ones leave by themselves."""
        if self.settings.shuffle:
            return f"{number} {first.event.id}"
        return f"{_endpoint(first)} {first.event.lane if self.settings.batch == 1 else ''}"

    def _send_in(self, lane: str, packet: list[Letter]) -> None:
        if lane in self._lanes:
            self._lanes[lane].append(packet)
            return
        self._lanes[lane] = deque([packet])
        task = asyncio.get_running_loop().create_task(self._run_lane(lane))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, lane: str) -> None:
        packets = self._lanes[lane]
        # A receiver that hangs must not hold up the others.
        slots = self._slots.setdefault(_endpoint(packets[0][0]), asyncio.Semaphore(PARALLEL))
        try:
            while packets:
                async with slots:
                    await self._deliver(packets[0])
                packets.popleft()
        finally:
            if self._lanes.get(lane) is packets:
                del self._lanes[lane]

    async def _deliver(self, packet: list[Letter]) -> None:
        if not packet[0].endpoint.is_open:
            for letter in packet:
                letter.answered(None)
            return
        kept = [letter for letter in packet if not self._lose(letter)]
        if not kept:
            return
        accepted = await self._post(kept)
        if self.settings.double:
            accepted = await self._post(kept) or accepted
        for letter in kept:
            letter.answered(accepted)
            if not accepted:
                self._again(letter)

    def _lose(self, letter: Letter) -> bool:
        drop = self.settings.drop
        if isinstance(drop, frozenset) and letter.event.type not in drop:
            return False
        if not drop:
            return False
        if isinstance(drop, int) and drop is not True:
            self.settings.drop = drop - 1
        self.dropped += 1
        self._note(letter, letter.endpoint.url, None, "dropped")
        letter.answered(False)
        return True

    async def _post(self, letters: list[Letter], how: Forgery | None = None) -> bool:
        if self._http is None:
            limits = httpx.Limits(max_connections=4 * PARALLEL, max_keepalive_connections=PARALLEL)
            self._http = httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False)
        endpoint = letters[0].endpoint
        url = endpoint.url
        body, headers = forged(endpoint, [one.event for one in letters], int(time.time()) + self._clock.skew_s, how)
        if self.settings.latency is not None:
            await asyncio.sleep(self.settings.latency.draw_s(self._random))
        status, problem = None, None
        try:
            status = (await self._http.post(url, content=body, headers=headers)).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = f"{type(error).__name__}: {error}"
        for letter in letters:
            self._note(letter, url, status, problem, how)
        return _is_ok(status)

    def _again(self, letter: Letter) -> None:
        if letter.attempt >= self.settings.max_attempts:
            self.given_up += 1
            return
        wait_s = min(MAX_BACKOFF_S, self.settings.retry_base_s * 2 ** (letter.attempt - 1))
        self.queue.append(replace(letter, attempt=letter.attempt + 1, not_before=time.monotonic() + wait_s))

    def _under_way(self) -> Iterator[Letter]:
        return chain.from_iterable(chain.from_iterable(self._lanes.values()))

    def _note(
        self, letter: Letter, url: str, status: int | None, problem: str | None, how: Forgery | None = None
    ) -> None:
        event, ok = letter.event, _is_ok(status)
        self._tries += 1
        self.sent += ok
        self.log.append(
            Attempt(
                event=event.id,
                type=event.type,
                object=event.object_id,
                endpoint=letter.endpoint.id,
                url=url,
                attempt=letter.attempt,
                status=status,
                ok=ok,
                error=problem,
                at=int(time.time()),
                forged=how,
            )
        )


def _endpoint(letter: Letter) -> str:
    return letter.endpoint.id


def _is_ok(status: int | None) -> bool:
    return status is not None and 200 <= status < 300
