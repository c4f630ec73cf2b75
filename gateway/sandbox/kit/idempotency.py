"""Idempotency keys of one account: the first answer, kept for a while of the sandbox's time."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

from gateway.sandbox.kit.asgi import Reply


class KeyInUse(Exception):  # noqa: N818 - an answer, not a defect
    """The first request with this key is still under way."""


class KeyReused(Exception):  # noqa: N818 - an answer, not a defect
    """The key was used with another request; `first` is the method and path of that one."""

    def __init__(self, first: str) -> None:
        super().__init__(first)
        self.first = first


class Entry(msgspec.Struct):
    """What a key was sent with, and its answer once there is one."""

    request: str
    content: Any
    at: int
    reply: Reply | None = None


class Replies:
    """The keys of one account, and the answers to them."""

    def __init__(self, keep_s: int) -> None:
        self._keep_s = keep_s
        self._entries: dict[str, Entry] = {}
        self._ages: deque[tuple[int, str]] = deque()

    def begin(self, key: str, request: str, content: Any, now: int) -> Reply | None:
        """The kept answer, or None after marking the key as under way; raises KeyReused, KeyInUse."""
        self._prune(now)
        entry = self._entries.get(key)
        if entry is None:
            self._entries[key] = Entry(request, content, now)
            self._ages.append((now, key))
            return None
        if (entry.request, entry.content) != (request, content):
            raise KeyReused(entry.request)
        if entry.reply is None:
            raise KeyInUse
        return entry.reply

    def end(self, key: str, reply: Reply | None) -> None:
        """Keep the answer; None forgets the key."""
        if reply is None:
            self._entries.pop(key, None)
        elif key in self._entries:
            self._entries[key].reply = reply

    def clear(self) -> None:
        self._entries.clear()
        self._ages.clear()

    def _prune(self, now: int) -> None:
        while self._ages and now - self._ages[0][0] >= self._keep_s:
            at, key = self._ages.popleft()
            if key in self._entries and self._entries[key].at == at:
                del self._entries[key]
