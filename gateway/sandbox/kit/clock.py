"""The sandbox's time: another clock, by default the system's, plus an offset that only moves forward."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Business time of one sandbox server, in whole-second steps as the gateway's own clock control moves it."""

    def __init__(self, source: Callable[[], datetime] | None = None) -> None:
        self._source = source or (lambda: datetime.now(UTC))
        self.offset_s = 0.0

    def now(self) -> float:
        """Unix seconds."""
        return self._source().timestamp() + self.offset_s

    def advance(self, seconds: float | timedelta) -> None:
        """Move forward; raises ValueError for a step back."""
        step = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
        if not math.isfinite(step) or step < 0:
            raise ValueError("the sandbox clock only moves forward")
        self.offset_s += step

    def move_to(self, when: float | datetime) -> None:
        """Move forward to a moment, in Unix seconds or aware; raises ValueError for the past."""
        self.advance((when.timestamp() if isinstance(when, datetime) else when) - self.now())

    def reset(self) -> None:
        self.offset_s = 0.0
