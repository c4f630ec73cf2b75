"""Faults on demand: what goes wrong with the next calls that match.

An answer fault takes the place of the normal answer or holds it up, `before` or `after` the call had its effect. A
`hidden` fault lets the call through, but what it makes stays invisible to look-ups. One call meets at most one of each
kind, the oldest first, so that a list of faults plays as a sequence.
"""

from __future__ import annotations

import asyncio
import re
from enum import StrEnum
from typing import Annotated

import msgspec

from gateway.sandbox.kit.asgi import Lost

MAX_DELAY_S = 300
MAX_FAULTS = 1000


class Effect(StrEnum):
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    HIDDEN = "hidden"


ERRORS = (Effect.ERROR_BEFORE, Effect.ERROR_AFTER)
DELAYS = (Effect.DELAY_BEFORE, Effect.DELAY_AFTER)


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls: a `method` or `*`; a `path` with `{…}` for one segment and `*` for anything; an account's id."""

    method: str = "*"
    path: str = "*"
    account: str | None = None

    def takes(self, method: str, path: str, account: str | None) -> bool:
        return (
            self.method.upper() in ("*", method)
            and self.account in (None, account)
            and re.fullmatch(_pattern(self.path), path) is not None
        )


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What goes wrong, and how often: `times` counts down.

    `delay_s` is real seconds for a delay, sandbox seconds for `hidden`, and the `Retry-After` of a 429.
    """

    effect: Effect
    match: Match = Match()
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    times: Annotated[int, msgspec.Meta(ge=1)] = 1

    @property
    def headers(self) -> dict[str, str]:
        """What an error of this fault is answered with."""
        return {"retry-after": str(int(self.delay_s))} if self.status == 429 and self.delay_s else {}

    async def before(self) -> None:
        """To be awaited before the call's effect; raises Lost."""
        await self._meet(Effect.DELAY_BEFORE, Effect.LOST_BEFORE)

    async def after(self) -> None:
        """To be awaited after the call's effect; raises Lost."""
        await self._meet(Effect.DELAY_AFTER, Effect.LOST_AFTER)

    async def _meet(self, delay: Effect, lost: Effect) -> None:
        if self.effect is delay:
            await asyncio.sleep(self.delay_s)
        if self.effect is lost:
            raise Lost


class FaultBook:
    """The faults that are still to come, oldest first. `can_hide`: whether this server knows `hidden`."""

    def __init__(self, *, can_hide: bool = False) -> None:
        self.pending: list[Fault] = []
        self._can_hide = can_hide

    def add(
        self,
        effect: str,
        *,
        method: str = "*",
        path: str = "*",
        account: str | None = None,
        status: int = 500,
        delay_s: float = 0,
        times: int = 1,
    ) -> Fault:
        """Raises ValueError as `put` does."""
        return self.put(Fault(Effect(effect), Match(method, path, account), status, delay_s, times))

    def put(self, fault: Fault) -> Fault:
        """Raises ValueError for what this server can't do, a delay that no test can want, or too many faults."""
        if fault.effect is Effect.HIDDEN and not self._can_hide:
            raise ValueError("this server hides nothing")
        if fault.effect in DELAYS and fault.delay_s > MAX_DELAY_S:
            raise ValueError(f"delay_s is at most {MAX_DELAY_S} for a delay")
        if len(self.pending) >= MAX_FAULTS:
            raise ValueError(f"at most {MAX_FAULTS} faults may wait")
        self.pending.append(fault)
        return fault

    def clear(self) -> None:
        self.pending.clear()

    def take(self, method: str, path: str, account: str | None, *, replayed: bool = False) -> Fault | None:
        """The answer fault of this call. A `replayed` answer meets no errors, but can still be lost."""
        skipped = (Effect.HIDDEN, *ERRORS) if replayed else (Effect.HIDDEN,)
        return self._next(method, path, account, [effect for effect in Effect if effect not in skipped])

    def take_hidden(self, method: str, path: str, account: str | None) -> Fault | None:
        return self._next(method, path, account, [Effect.HIDDEN])

    def _next(self, method: str, path: str, account: str | None, effects: list[Effect]) -> Fault | None:
        """The oldest that fits, used up by one."""
        for fault in self.pending:
            if fault.effect in effects and fault.match.takes(method, path, account):
                fault.times -= 1
                if fault.times == 0:
                    self.pending.remove(fault)
                return fault
        return None


def _pattern(path: str) -> str:
    parts = re.split(r"(\{[^}]*\}|\*)", path)
    return "".join("[^/]+" if part.startswith("{") else ".*" if part == "*" else re.escape(part) for part in parts)
