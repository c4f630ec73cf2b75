"""Faults on demand: what goes wrong with the next calls that match.

An answer fault takes the place of the normal answer, `before` or `after` the call had its effect. A `hidden` fault lets
the call through, but what it makes stays invisible to look-ups. One call meets at most one of each kind, the oldest
first, so that a list of faults plays as a sequence.
"""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

MAX_DELAY_S = 300
MAX_FAULTS = 1000


class Effect(StrEnum):
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    DELAY = "delay"
    HIDDEN = "hidden"


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls: `method` in capitals or `*`; `path` with `*` for anything, without the query."""

    method: str = "*"
    path: str = "*"

    def takes(self, method: str, path: str) -> bool:
        return fnmatchcase(method, self.method) and fnmatchcase(path, self.path)


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What goes wrong, and how often: `times` counts down.

    `delay_s` is real seconds for `delay`, sandbox seconds for `hidden`, and the `Retry-After` of a 429.
    """

    effect: Effect
    match: Match = Match()
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    times: Annotated[int, msgspec.Meta(ge=1)] = 1


class FaultBook:
    """The faults that are still to come, oldest first."""

    def __init__(self) -> None:
        self.pending: list[Fault] = []

    def add(self, fault: Fault) -> Fault:
        """Raises ValueError for a delay that no test can want, or for too many faults."""
        if fault.effect is Effect.DELAY and fault.delay_s > MAX_DELAY_S:
            raise ValueError(f"delay_s is at most {MAX_DELAY_S} for a delay")
        if len(self.pending) >= MAX_FAULTS:
            raise ValueError(f"at most {MAX_FAULTS} faults may wait")
        self.pending.append(fault)
        return fault

    def clear(self) -> None:
        self.pending.clear()

    def take(self, method: str, path: str) -> tuple[Fault | None, Fault | None]:
        """The answer fault and the hidden fault of this call, each used up by one."""
        return self._next(method, path, hidden=False), self._next(method, path, hidden=True)

    def _next(self, method: str, path: str, *, hidden: bool) -> Fault | None:
        for fault in self.pending:
            if (fault.effect is Effect.HIDDEN) is hidden and fault.match.takes(method, path):
                fault.times -= 1
                if fault.times == 0:
                    self.pending.remove(fault)
                return fault
        return None
