"""What one job reads once: business time's offset, its account's row, its connections' rows.

A job is short; what changes meanwhile is seen by the next one. Outside a moment (a request, a command) everything is
read anew each time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

T = TypeVar("T")

_read: ContextVar[dict[Hashable, Any] | None] = ContextVar("moment", default=None)


@contextmanager
def moment() -> Iterator[None]:
    """Inside, `once` remembers."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


async def once(key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
    """What `read` gives, read at most once in a moment."""
    known = _read.get()
    if known is None:
        return await read()
    if key not in known:
        known[key] = await read()
    return cast("T", known[key])


def note(key: Hashable, value: object) -> None:
    """It is known: within a moment `once` need not read it."""
    known = _read.get()
    if known is not None:
        known[key] = value


def forget(key: Hashable) -> None:
    """It has changed by our own doing: the next `once` reads it."""
    known = _read.get()
    if known is not None:
        known.pop(key, None)
