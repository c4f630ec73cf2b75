"""The calls that a sandbox server was sent, on record for tests and for its user."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

import msgspec

MAX_CALLS = 100_000


class Call(msgspec.Struct, kw_only=True):
    """One request, without its credentials. `status` is what was answered, None where nothing was.

    `params` is what was sent, of query and body together, as far as it could be read; `body` the bytes themselves.
    """

    at: int
    method: str
    path: str
    params: dict[str, Any] = {}
    account: str | None = None
    idempotency_key: str | None = None
    body: bytes = b""
    status: int | None = None
    fault: str | None = None

    def shown(self) -> dict[str, Any]:
        """The call as the control API shows it."""
        return msgspec.structs.asdict(self) | {"body": self.body.decode("utf-8", "replace")}


class CallLog(deque[Call]):
    """The last calls, oldest first. `total` counts those that are forgotten, too."""

    def __init__(self, calls: Iterable[Call] = (), total: int = 0) -> None:
        super().__init__(calls, maxlen=MAX_CALLS)
        self.total = total

    def append(self, call: Call) -> None:
        self.total += 1
        super().append(call)

    def __reduce__(self) -> tuple[Any, ...]:
        return CallLog, (list(self), self.total)

    def to(self, method: str, path: str) -> list[Call]:
        """The calls of one method to exactly this path."""
        return [call for call in self if call.method == method and call.path == path]
