"""The sandbox's time: real time plus an offset, and the timers that hang on it.

A jump forward rings every timer in order, each at its own moment, so that an invoice made during the jump carries
the second at which Stripe would have made it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count

MAX_RINGS = 5_000_000
Ring = Callable[[], None]


class Clock:
    """Unix seconds, UTC. `source` is real time unless a test injects one."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self.offset_s = 0
        self._pinned: int | None = None
        self._heap: list[tuple[int, int, Ring]] = []
        self._order = count()

    def now(self) -> int:
        return self._pinned if self._pinned is not None else int(self._source().timestamp()) + self.offset_s

    def at(self, when: int, ring: Ring) -> None:
        heapq.heappush(self._heap, (when, next(self._order), ring))

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
                ring()
        finally:
            self._pinned = None
        raise RuntimeError("the sandbox clock rings without end")

    def move_to(self, when: int) -> None:
        """Move forward; backward is refused, as Stripe's test clocks refuse it."""
        if when < self.now():
            raise ValueError("the sandbox clock only moves forward")
        self.run_due(when)
        self.offset_s += when - self.now()

    def reset(self) -> None:
        self.offset_s = 0
        self._heap.clear()
