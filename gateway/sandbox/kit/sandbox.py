"""What every sandbox server is: a clock, the calls it was sent, its faults and its delivery, usable without HTTP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from gateway.sandbox.kit.asgi import Request
from gateway.sandbox.kit.calls import CallLog
from gateway.sandbox.kit.clock import Clock
from gateway.sandbox.kit.delivery import Attempt, Delivery, Endpoint, Event, Flushed
from gateway.sandbox.kit.door import Door
from gateway.sandbox.kit.faults import FaultBook
from gateway.sandbox.kit.forgery import Forgery


class Sandbox(ABC):
    """One server's state. `now` injects the clock beneath the sandbox's own offset (default: the system's).

    `title` is its name on the page, `allowed_hosts` the names beside localhost that it answers for there.
    """

    title: ClassVar[str] = "Sandbox"

    def __init__(
        self, now: Callable[[], datetime] | None = None, *, can_hide: bool = False, max_batch: int = 1
    ) -> None:
        self.clock = Clock(now)
        self.calls = CallLog()
        self.faults = FaultBook(can_hide=can_hide)
        self.delivery = Delivery(self.clock, max_batch=max_batch)
        self.door = Door()
        self.accounts: dict[str, Any] = {}
        self.allowed_hosts: frozenset[str] = frozenset()
        self.writes = 0

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the listening socket can be kept in a file."""
        return {**self.__dict__, "door": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= {**state, "door": Door()}

    def enter(self, request: Request) -> None:
        """Every request begins here: what is due rings first."""
        self.writes += request.method != "GET"
        self.clock.run_due()

    @property
    def version(self) -> tuple[int, ...]:
        """Another one after every change."""
        return (self.writes, self.calls.total, self.clock.rung, self.clock.offset_s, *self.delivery.version)

    def now(self) -> int:
        """Sandbox time in Unix seconds."""
        return self.clock.now()

    def advance(self, seconds: float | timedelta) -> None:
        """Move time forward, ringing every timer on the way; events go out afterwards. Raises ValueError."""
        self.clock.advance(seconds)
        self.delivery.wake()

    def move_to(self, when: float | datetime) -> None:
        """As `advance`, to a moment."""
        self.clock.move_to(when)
        self.delivery.wake()

    async def deliver_until(self, when: float | datetime) -> None:
        """As `move_to`, but what is announced before a timer gets its first try before that timer rings."""
        moment = int(when.timestamp() if isinstance(when, datetime) else when)
        if moment < self.now():
            raise ValueError("the sandbox clock only moves forward")
        while (ring := self.clock.next_at()) is not None and ring <= moment:
            self.move_to(max(self.now(), ring - 1))
            if self.delivery.busy:
                await self.delivery.settle()
            self.move_to(max(self.now(), ring))
        # A receiver that is slow or away may have taken longer, in real time, than there was to go.
        self.move_to(max(self.now(), moment))

    async def flush(self) -> Flushed:
        """Send everything that waits, once; returns when all tries have ended."""
        return await self.delivery.flush()

    @abstractmethod
    def keys_of(self, account: str) -> list[str]:
        """The API keys that open an account."""

    @abstractmethod
    def resend(self, event_id: str) -> int:
        """Send an event once more to every endpoint that wants it; how many do. Raises LookupError."""

    @abstractmethod
    def receivers(self, event_id: str) -> tuple[Event, Sequence[Endpoint]]:
        """An event, and the endpoints that want it. Raises LookupError."""

    async def forge(self, event_id: str, how: Forgery) -> list[Attempt]:
        """Send an event once to every endpoint that wants it, so that each must refuse it. Raises LookupError."""
        return await self.delivery.forge(*self.receivers(event_id), how)

    def reset(self) -> None:
        """Forget calls, faults, deliveries and the clock's offset."""
        self.calls.clear()
        self.faults.clear()
        self.delivery.reset()
        self.clock.reset()
