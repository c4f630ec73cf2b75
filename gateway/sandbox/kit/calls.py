"""The calls that a sandbox server was sent, on record for tests and for its user."""

from __future__ import annotations

from collections import deque
from typing import Any

import msgspec

MAX_CALLS = 100_000


class Call(msgspec.Struct, kw_only=True):
    """One request, without its credentials. `status` is what was answered; 0 where the answer was lost."""

    at: float
    method: str
    path: str
    query: dict[str, str]
    account: str
    idempotency_key: str
    body: bytes
    status: int = 0
    fault: str = ""

    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    def shown(self) -> dict[str, Any]:
        """The call as the control API shows it."""
        fields = msgspec.structs.asdict(self)
        return fields | {"body": self.body.decode("utf-8", "replace"), "at": int(self.at)}


class CallLog(deque[Call]):
    """The last calls, oldest first."""

    def __init__(self) -> None:
        super().__init__(maxlen=MAX_CALLS)

    def to(self, method: str, path: str) -> list[Call]:
        """The calls of one method to exactly this path."""
        return [call for call in self if call.method == method and call.path == path]
