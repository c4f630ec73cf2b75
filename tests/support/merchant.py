"""The merchant's own server: it verifies what it is told with the library that receivers use, and keeps it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook

Event = dict[str, Any]


@dataclass
class Merchant:
    """An ASGI app. `secret` is what the endpoint was made with; `answers` are given in turn, then 200."""

    secret: str = ""
    answers: list[int] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    """The ids of events that are never taken."""
    deaf: bool = False
    """It takes nothing at all for now."""
    told: list[Event] = field(default_factory=list)
    tries: list[str] = field(default_factory=list)
    """The ids of every request, refused ones too."""
    signatures: list[str] = field(default_factory=list)

    def of(self, kind: str, about: str = "") -> list[Event]:
        """The events of a type (its last part), in the order in which they came."""
        found = [event for event in self.told if event["type"].endswith(f".{kind}")]
        return [event for event in found if not about or event["data"]["id"] == about]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        event = Webhook(self.secret).verify(body, headers)
        assert event == json.loads(body)
        assert event["id"] == headers["webhook-id"]
        self.tries.append(event["id"])
        self.signatures.append(headers["webhook-signature"])
        status = 500 if self.deaf or event["id"] in self.refused else self.answers.pop(0) if self.answers else 200
        if status < 300:
            self.told.append(event)
        location = [(b"location", b"http://127.0.0.1:1/")] if 300 <= status < 400 else []
        await send({"type": "http.response.start", "status": status, "headers": location})
        await send({"type": "http.response.body", "body": b""})
