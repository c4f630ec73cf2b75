"""Webhooks out: signed, in order per customer, retried, and disturbed on demand.

`auto` sends at once in the background; `manual` keeps everything until `flush`. Attempts, back-off and signatures
live in machine time, which the sandbox's clock never moves.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from gateway.sandbox.stripe.events import EventRow

if TYPE_CHECKING:
    from gateway.sandbox.stripe.store import Account

CONCURRENCY = 16
LOG_LENGTH = 200_000
TIMEOUT_S = 10.0


@dataclass(slots=True)
class Shipment:
    """One event on its way to one endpoint."""

    account: Account
    event: EventRow
    endpoint: str
    attempt: int = 1


@dataclass(slots=True)
class Delivery:
    """The sender and its disturbances. `drop` names event types that are lost for good."""

    mode: str = "auto"
    double: bool = False
    shuffle: bool = False
    drop: set[str] = field(default_factory=set)
    delay_s: float = 0.0
    retry_base_s: float = 0.5
    max_attempts: int = 6
    log: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))
    on_acknowledged: Callable[[Account, EventRow], None] = lambda account, event: None
    queue: deque[Shipment] = field(default_factory=deque)
    _lanes: dict[str, deque[Shipment]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _timers: set[asyncio.TimerHandle] = field(default_factory=set)
    _wake: asyncio.Event | None = None
    _pump: asyncio.Task[None] | None = None
    _client: httpx.AsyncClient | None = None
    _slots: asyncio.Semaphore | None = None
    _count: Any = field(default_factory=count)

    def enqueue(self, account: Account, event: EventRow, endpoint: str) -> None:
        self._put(Shipment(account, event, endpoint))

    def _put(self, shipment: Shipment) -> None:
        self.queue.append(shipment)
        if self._wake is not None and self.mode == "auto":
            self._wake.set()

    def set(self, **changes: Any) -> None:
        """Change mode, double, shuffle, drop, delay_s, retry_base_s or max_attempts."""
        for name, value in changes.items():
            if name not in SETTINGS:
                raise ValueError(f"no such delivery setting: {name}")
            setattr(self, name, set(value) if name == "drop" else value)
        if self._wake is not None and self.mode == "auto":
            self._wake.set()

    def shown(self) -> dict[str, Any]:
        shown = {name: getattr(self, name) for name in SETTINGS}
        return {**shown, "drop": sorted(self.drop), "queued": len(self.queue)}

    @property
    def busy(self) -> bool:
        return bool(self._lanes) or (self.mode == "auto" and bool(self.queue))

    async def start(self) -> None:
        self._wake = asyncio.Event()
        self._pump = asyncio.create_task(self._run())
        if self.queue:
            self._wake.set()

    async def stop(self) -> None:
        tasks = [task for task in (self._pump, *self._tasks) if task is not None]
        for timer in self._timers:
            timer.cancel()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._client is not None:
            await self._client.aclose()
        self._timers.clear()
        self._lanes.clear()
        self._client = self._slots = self._pump = self._wake = None

    def reset(self) -> None:
        """Forget everything queued, under way, scheduled and logged; the settings are those of the beginning."""
        for timer in self._timers:
            timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        for kept in (self.queue, self._lanes, self._timers, self.log):
            kept.clear()
        fresh = Delivery()
        for name in SETTINGS:
            setattr(self, name, getattr(fresh, name))

    async def _run(self) -> None:
        while self._wake is not None:
            await self._wake.wait()
            self._wake.clear()
            if self.mode == "auto":
                self._dispatch()

    async def flush(self) -> dict[str, Any]:
        """Send all that is queued now; returns when every attempt of it has ended."""
        first = next(self._count)
        self._dispatch()
        while self._tasks:
            await asyncio.gather(*list(self._tasks), return_exceptions=True)
            if self.mode == "auto":
                self._dispatch()
        results = []
        for entry in reversed(self.log):
            if entry["n"] < first:
                break
            results.append(entry)
        results.reverse()
        sent = sum(1 for entry in results if entry["ok"])
        return {"sent": sent, "failed": len(results) - sent, "results": results}

    async def settle(self, timeout_s: float = TIMEOUT_S + 1) -> None:
        """Wait until everything under way (auto mode) had its first attempt."""
        end = time.monotonic() + timeout_s
        while self.busy and self._pump is not None and time.monotonic() < end:  # noqa: ASYNC110  one rare waiter
            await asyncio.sleep(0.002)

    def resend(self, account: Account, event: EventRow) -> int:
        """As the Dashboard's button: to every enabled endpoint that wants the type, whatever happened before."""
        endpoints = [e for e in account.webhook_endpoints.values() if e["status"] == "enabled"]
        wanted = [e["id"] for e in endpoints if "*" in e["enabled_events"] or event.type in e["enabled_events"]]
        for endpoint in wanted:
            self.enqueue(account, event, endpoint)
        return len(wanted)

    def _dispatch(self) -> None:
        batch = list(self.queue)
        self.queue.clear()
        if self.shuffle:
            random.shuffle(batch)
        for number, shipment in enumerate(batch):
            lane = f"{number}-{shipment.event.id}" if self.shuffle else f"{shipment.endpoint}/{shipment.event.lane}"
            if lane in self._lanes:
                self._lanes[lane].append(shipment)
                continue
            self._lanes[lane] = deque([shipment])
            task = asyncio.get_running_loop().create_task(self._run_lane(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, lane: str) -> None:
        if self._slots is None:
            self._slots = asyncio.Semaphore(CONCURRENCY)
        shipments = self._lanes[lane]
        try:
            while shipments:
                async with self._slots:
                    await self._deliver(shipments[0])
                shipments.popleft()
        finally:
            if self._lanes.get(lane) is shipments:
                del self._lanes[lane]

    async def _deliver(self, shipment: Shipment) -> None:
        endpoint = shipment.account.webhook_endpoints.get(shipment.endpoint)
        if endpoint is None or endpoint["status"] != "enabled":
            shipment.event.waiting.discard(shipment.endpoint)
            return
        if shipment.event.type in self.drop:
            shipment.event.tried.add(shipment.endpoint)
            self._log(shipment, endpoint["url"], None, "dropped")
            return
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        ok = await self._send(shipment, endpoint)
        if self.double:
            ok = await self._send(shipment, endpoint) or ok
        shipment.event.tried.add(shipment.endpoint)
        if ok:
            shipment.event.waiting.discard(shipment.endpoint)
            self.on_acknowledged(shipment.account, shipment.event)
        else:
            self._retry(shipment)

    async def _send(self, shipment: Shipment, endpoint: dict[str, Any]) -> bool:
        if self._client is None:
            limits = httpx.Limits(max_connections=2 * CONCURRENCY, max_keepalive_connections=CONCURRENCY)
            self._client = httpx.AsyncClient(timeout=TIMEOUT_S, limits=limits, trust_env=False)
        body = shipment.event.body(endpoint["api_version"])
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, endpoint["_secret"], int(time.time())),
        }
        status, problem = None, None
        try:
            status = (await self._client.post(endpoint["url"], content=body, headers=headers)).status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = f"{type(error).__name__}: {error}"
        self._log(shipment, endpoint["url"], status, problem)
        return status is not None and 200 <= status < 300

    def _retry(self, shipment: Shipment) -> None:
        if shipment.attempt >= self.max_attempts:
            return
        again = Shipment(shipment.account, shipment.event, shipment.endpoint, shipment.attempt + 1)
        if self.mode == "manual" or self._pump is None:
            self.queue.append(again)
            return
        wait_s = min(60.0, self.retry_base_s * 4 ** (shipment.attempt - 1))
        timer = asyncio.get_running_loop().call_later(wait_s, lambda: self._put(again))
        self._timers = {old for old in self._timers if old.when() > time.monotonic() - 1} | {timer}

    def _log(self, shipment: Shipment, url: str, status: int | None, problem: str | None) -> None:
        self.log.append(
            {
                "n": next(self._count),
                "event": shipment.event.id,
                "type": shipment.event.type,
                "object": shipment.event.object_id,
                "endpoint": shipment.endpoint,
                "url": url,
                "attempt": shipment.attempt,
                "status": status,
                "ok": status is not None and 200 <= status < 300,
                "error": problem,
                "at": int(time.time()),
            }
        )


SETTINGS = ("mode", "double", "shuffle", "drop", "delay_s", "retry_base_s", "max_attempts")


def signature(body: bytes, secret: str, at: int) -> str:
    """``Stripe-Signature``: HMAC-SHA256 over ``t.body`` with the whole ``whsec_…`` string (docs: webhooks)."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"
