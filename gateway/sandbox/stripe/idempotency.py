"""Idempotency keys as API v1 keeps them: the first answer, errors and 500s included, for 24 hours of sandbox time.

Not stored: parameter errors, 409 and 429 (nothing was executed). Stripe's documents do not say whether a
"no such object" counts as executed; here it does.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.stripe.errors import Refusal

KEEP_S = 24 * 3600
MAX_KEY_LENGTH = 255


@dataclass(slots=True)
class Reply:
    status: int
    body: bytes
    request_id: str


@dataclass(slots=True)
class Entry:
    method_path: str
    params: dict[str, Any]
    at: int
    reply: Reply | None = None


@dataclass(slots=True)
class Replies:
    """The keys of one account."""

    entries: dict[str, Entry] = field(default_factory=dict)
    _ages: deque[tuple[int, str]] = field(default_factory=deque)

    def begin(self, key: str, method_path: str, params: dict[str, Any], now: int) -> Reply | None:
        """The stored answer, or None after marking the key as in flight. Raises for another request or one running."""
        if len(key) > MAX_KEY_LENGTH:
            raise Refusal(
                "Idempotency keys can be at most 255 characters long.", kind="idempotency_error", executed=False
            )
        self._prune(now)
        entry = self.entries.get(key)
        if entry is None:
            self.entries[key] = Entry(method_path, params, now)
            self._ages.append((now, key))
            return None
        if entry.method_path != method_path:
            raise _conflict(
                f"Keys for idempotent requests can only be used for the same endpoint they were first used for "
                f"('{method_path}' vs. '{entry.method_path}'). Try using a key other than '{key}' if you meant to "
                "execute a different request."
            )
        if entry.params != params:
            raise _conflict(
                f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
                f"Try using a key other than '{key}' if you meant to execute a different request."
            )
        if entry.reply is None:
            raise Refusal(
                "There is currently another in-progress request using this Idempotent Key (that probably means you "
                "submitted twice, and the other request is still going through). Please try again later.",
                status=409,
                code="idempotency_key_in_use",
                executed=False,
            )
        return entry.reply

    def end(self, key: str, reply: Reply | None) -> None:
        """Keep the answer; None forgets the key, because nothing was executed."""
        if reply is None:
            self.entries.pop(key, None)
        elif key in self.entries:
            self.entries[key].reply = reply

    def _prune(self, now: int) -> None:
        while self._ages and now - self._ages[0][0] >= KEEP_S:
            at, key = self._ages.popleft()
            if key in self.entries and self.entries[key].at == at:
                del self.entries[key]


def _conflict(message: str) -> Refusal:
    return Refusal(message, kind="idempotency_error", executed=False)
