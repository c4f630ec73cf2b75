"""The sandbox's time: another clock, by default the system's, plus an offset; and the timers that hang on it.

A jump forward rings every timer in order, each at its own moment, so that a jump of a year leaves the same trail as a
year of waiting.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

MAX_RINGS = 5_000_000
Ring = Callable[[], None]


class Clock:
    """Business time of one sandbox server, in whole seconds.

    `skew_s` is how far the server's clock goes wrong as others see it: in `Date` headers, in the signatures of webhooks
    and in the time of their making. Nothing is due earlier or later for it.
    """

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or system
        self.offset_s = self.skew_s = 0
        self.rung = 0
        self._pinned: int | None = None
        self._heap: list[tuple[int, int, Ring]] = []
        self._order = 0

    def __getstate__(self) -> dict[str, Any]:
        """What is kept in a file goes on by the system's time."""
        return {**self.__dict__, "_source": system, "_pinned": None}

    def now(self) -> int:
        """Unix seconds; while a timer rings, its moment."""
        return self._pinned if self._pinned is not None else int(self._source().timestamp()) + self.offset_s

    def stamp(self) -> int:
        """The time that others are told: `now`, skewed."""
        return self.now() + self.skew_s

    def at(self, when: float, ring: Ring) -> None:
        """Ring at a moment. So that it can be kept, a `ring` is a module's function, a method, or a partial of one."""
        self._order += 1
        heapq.heappush(self._heap, (math.ceil(when), self._order, ring))

    def next_at(self) -> int | None:
        """When the next timer rings."""
        return self._heap[0][0] if self._heap else None

    def run_due(self, until: int | None = None) -> None:
        """Ring what is due up to `until` (default: now), oldest first, with the clock standing at each."""
        if self._pinned is not None:
            return
        limit = self.now() if until is None else until
        try:
            for _ in range(MAX_RINGS):
                if not self._heap or self._heap[0][0] > limit:
                    return
                when, _, ring = heapq.heappop(self._heap)
                self._pinned = max(when, self._pinned or 0)
                self.rung += 1
                ring()
        finally:
            self._pinned = None
        raise RuntimeError("the sandbox clock rings without end")

    def advance(self, seconds: float | timedelta) -> None:
        """Move forward by whole seconds; raises ValueError for a step back or a part of a second."""
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if not step.is_integer():
            raise ValueError("the sandbox clock moves by whole seconds")
        self.move_to(self.now() + int(step))

    def move_to(self, when: float | datetime) -> None:
        """Move forward to a moment, in Unix seconds or aware; raises ValueError for the past."""
        moment = int(when.timestamp() if isinstance(when, datetime) else when)
        if moment < self.now():
            raise ValueError("the sandbox clock only moves forward")
        self.run_due(moment)
        self.offset_s += max(0, moment - self.now())

    def reset(self) -> None:
        self.offset_s = self.skew_s = 0
        self._heap.clear()


def system() -> datetime:
    return datetime.now(UTC)
