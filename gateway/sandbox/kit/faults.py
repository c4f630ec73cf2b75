"""Faults on demand: what goes wrong with the calls that match.

An answer fault takes the place of the normal answer or spoils it, `before` or `after` the call had its effect. A
`latency` slows calls down, a `hidden` fault lets the call through, but what it makes stays invisible to look-ups. One
call meets at most one of each of these three kinds, the oldest first, so that a list of faults plays as a sequence; and
chance is drawn from a seed, so that it plays again.
"""

from __future__ import annotations

import asyncio
import random
import re
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec

from gateway.sandbox.kit.asgi import Ending, Lost, Reply
from gateway.sandbox.kit.latency import MAX_DELAY_S, Latency

MAX_FAULTS = 1000


class Effect(StrEnum):
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    RESET_BEFORE = "reset_before"
    RESET_AFTER = "reset_after"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    REFUSED = "refused"
    BROKEN_BODY = "broken_body"
    SLOW_BODY = "slow_body"
    LATENCY = "latency"
    HIDDEN = "hidden"


class Broken(StrEnum):
    """What becomes of a body."""

    TRUNCATED = "truncated"
    WRONG_TYPE = "wrong_type"
    HTML = "html"
    EMPTY = "empty"


ERRORS = (Effect.ERROR_BEFORE, Effect.ERROR_AFTER)
ANSWERS = frozenset(Effect) - {Effect.LATENCY, Effect.HIDDEN}
LOSSES = {
    Effect.LOST_BEFORE: (Ending.CUT, True),
    Effect.LOST_AFTER: (Ending.CUT, False),
    Effect.RESET_BEFORE: (Ending.RESET, True),
    Effect.RESET_AFTER: (Ending.RESET, False),
    Effect.TIMEOUT_BEFORE: (Ending.HOLD, True),
    Effect.TIMEOUT_AFTER: (Ending.HOLD, False),
    Effect.REFUSED: (Ending.REFUSE, True),
}
"""How the connection ends, and whether that is before the call's effect."""
HTML = b"<!doctype html>\n<html><head><title>Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>\n"


class Match(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls: a `method` or `*`; a `path` with `{…}` for one segment and `*` for anything; an account's id."""

    method: str = "*"
    path: str = "*"
    account: str | None = None

    def takes(self, method: str, path: str, account: str | None) -> bool:
        return (
            self.method.upper() in ("*", method)
            and self.account in (None, account)
            and _pattern(self.path).fullmatch(path) is not None
        )


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """What goes wrong, and how often.

    `times` counts down, null is for ever; left out it is once, or for ever with a `probability` or a `latency`.
    `delay_s` is real seconds for a delay, a timeout (0: as long as the caller waits), a slow body and a refusal;
    sandbox seconds for `hidden`; and the `Retry-After` of a 429 or 503. `body` is for broken bodies, and errors too.
    `id` and `hits` (the calls that have met it) are given, not taken.
    """

    effect: Effect
    match: Match = Match()
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    delay_s: Annotated[float, msgspec.Meta(ge=0)] = 0
    times: Annotated[int, msgspec.Meta(ge=1)] | msgspec.UnsetType | None = msgspec.UNSET
    probability: Annotated[float, msgspec.Meta(gt=0, le=1)] = 1
    seed: int = 0
    latency: Latency | None = None
    body: Broken | None = None
    id: str = ""
    hits: int = 0

    def __post_init__(self) -> None:
        if self.times is msgspec.UNSET:
            self.times = None if self.probability < 1 or self.effect is Effect.LATENCY else 1
        if self.effect is Effect.BROKEN_BODY and self.body is None:
            self.body = Broken.TRUNCATED

    @property
    def headers(self) -> dict[str, str]:
        """What an error of this fault is answered with."""
        return {"retry-after": str(int(self.delay_s))} if self.status in (429, 503) and self.delay_s else {}

    async def before(self) -> None:
        """To be awaited before the call's effect; raises Lost."""
        await self._meet(Effect.DELAY_BEFORE, before=True)

    async def after(self, reply: Reply) -> Reply:
        """To be awaited after the call's effect, with its answer: what is left of that. Raises Lost."""
        await self._meet(Effect.DELAY_AFTER, before=False)
        if self.body is not None and self.effect in (Effect.BROKEN_BODY, *ERRORS):
            reply = broken(reply, self.body)
        if self.effect is Effect.SLOW_BODY:
            reply = msgspec.structs.replace(reply, pace_s=self.delay_s)
        return reply

    async def _meet(self, delay: Effect, *, before: bool) -> None:
        if self.effect is delay:
            await asyncio.sleep(self.delay_s)
        ending, early = LOSSES.get(self.effect, (None, None))
        if ending is not None and early is before:
            raise Lost(ending, self.delay_s or MAX_DELAY_S)


class FaultBook:
    """The faults that are still to come, oldest first. `can_hide`: whether this server knows `hidden`."""

    def __init__(self, *, can_hide: bool = False) -> None:
        self.pending: list[Fault] = []
        self.can_hide = can_hide
        self._dice: dict[str, random.Random] = {}
        self._made = 0

    def add(
        self,
        effect: str,
        *,
        method: str = "*",
        path: str = "*",
        account: str | None = None,
        status: int = 500,
        delay_s: float = 0,
        times: int | msgspec.UnsetType | None = msgspec.UNSET,
        probability: float = 1,
        seed: int = 0,
        latency: Latency | None = None,
        body: str | None = None,
    ) -> Fault:
        """Raises ValueError as `put` does."""
        match, spoiled = Match(method, path, account), Broken(body) if body else None
        return self.put(Fault(Effect(effect), match, status, delay_s, times, probability, seed, latency, spoiled))

    def put(self, fault: Fault) -> Fault:
        """Raises ValueError for what this server can't do, a delay that no test can want, or too many faults."""
        self._check(fault)
        self._made += 1
        fault.id, fault.hits = f"fault_{self._made}", 0
        self._dice[fault.id] = random.Random(fault.seed)
        self.pending.append(fault)
        return fault

    def _check(self, fault: Fault) -> None:
        if fault.effect is Effect.HIDDEN and not self.can_hide:
            raise ValueError("this server hides nothing")
        if fault.effect is not Effect.HIDDEN and fault.effect not in ERRORS and fault.delay_s > MAX_DELAY_S:
            raise ValueError(f"delay_s is at most {MAX_DELAY_S} for a delay")
        if fault.effect is Effect.REFUSED and not fault.delay_s:
            raise ValueError("refused needs delay_s: for how long")
        if (fault.effect is Effect.LATENCY) is not (fault.latency is not None):
            raise ValueError("the effect latency, and no other, has a latency")
        if len(self.pending) >= MAX_FAULTS:
            raise ValueError(f"at most {MAX_FAULTS} faults may wait")

    def remove(self, id: str) -> None:
        """Raises LookupError."""
        found = next((fault for fault in self.pending if fault.id == id), None)
        if found is None:
            raise LookupError(f"there is no fault {id}")
        self._drop(found)

    def clear(self) -> None:
        self.pending.clear()
        self._dice.clear()

    def take(self, method: str, path: str, account: str | None, *, replayed: bool = False) -> Fault | None:
        """The answer fault of this call. A `replayed` answer meets no errors, but can still be lost."""
        if not self.pending:
            return None
        return self._next(method, path, account, ANSWERS.difference(ERRORS) if replayed else ANSWERS)

    def take_hidden(self, method: str, path: str, account: str | None) -> Fault | None:
        return self._next(method, path, account, frozenset({Effect.HIDDEN})) if self.pending else None

    def take_wait_s(self, method: str, path: str, account: str | None) -> float:
        """How much longer this call takes before its effect."""
        if not self.pending:
            return 0
        met = self._next(method, path, account, frozenset({Effect.LATENCY}))
        return 0 if met is None or met.latency is None else met.latency.draw_s(self._dice_of(met))

    def _next(self, method: str, path: str, account: str | None, effects: frozenset[Effect]) -> Fault | None:
        """The oldest that fits and is drawn, used up by one."""
        for fault in self.pending:
            if fault.effect not in effects or not fault.match.takes(method, path, account):
                continue
            if fault.probability < 1 and self._dice_of(fault).random() >= fault.probability:
                continue
            fault.hits += 1
            if isinstance(fault.times, int):
                fault.times -= 1
                if fault.times == 0:
                    self._drop(fault)
            return fault
        return None

    def _dice_of(self, fault: Fault) -> random.Random:
        return self._dice.get(fault.id) or random.Random(fault.seed)

    def _drop(self, fault: Fault) -> None:
        self.pending.remove(fault)
        self._dice.pop(fault.id, None)


def broken(reply: Reply, how: Broken) -> Reply:
    """The same answer with a body that no client expects. The lengths are right: nothing else gives it away."""
    headers = {name: value for name, value in reply.headers.items() if name.lower() != "content-type"}
    match how:
        case Broken.TRUNCATED:
            return msgspec.structs.replace(reply, body=reply.body[: len(reply.body) // 2])
        case Broken.EMPTY:
            return msgspec.structs.replace(reply, body=b"")
        case Broken.WRONG_TYPE:
            return msgspec.structs.replace(reply, headers={**headers, "content-type": "text/plain; charset=utf-8"})
        case Broken.HTML:
            return msgspec.structs.replace(reply, body=HTML, headers={**headers, "content-type": "text/html"})


@lru_cache(maxsize=1024)
def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\}|\*)", path)
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else ".*" if part == "*" else re.escape(part) for part in parts)
    )
