"""Answers that wait: a row is read again and again until it rests, or the caller's patience is over. Machine time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

POLL_S: Final = (0.02, 0.05, 0.1, 0.2, 0.25)
"""Pauses between two looks; the last one repeats."""


async def until(rests: Callable[[T], Awaitable[bool]], read: Callable[[], Awaitable[T]], wait_s: float) -> T:
    """What `read` gives as soon as that `rests`, or after `wait_s` seconds as it is then."""
    deadline, looks = time.monotonic() + wait_s, 0
    while True:  # bounded by the deadline
        found = await read()
        left = deadline - time.monotonic()
        if left <= 0 or await rests(found):
            return found
        await asyncio.sleep(min(POLL_S[min(looks, len(POLL_S) - 1)], left))
        looks += 1
