"""A practice processor with one account, called as a merchant's server would call it, without a socket."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import httpx

from gateway.sandbox.practice import PracticeProcessor, create_app
from gateway.sandbox.practice.account import Account

KEY = "practice_key_made_up"
START = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)
DAY = 86400


def start() -> datetime:
    return START


@dataclass
class Merchant:
    """`keys` are the idempotency keys that calls get unless they bring one."""

    processor: PracticeProcessor = field(default_factory=lambda: PracticeProcessor(start))
    keys: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(create_app(self.processor))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://practice")
        self.processor.account(KEY)

    @property
    def account(self) -> Account:
        return self.processor.account(KEY)

    def manner(self, **changed: Any) -> None:
        self.processor.set_manner(KEY, **changed)

    def token(self, kind: str = "ok") -> str:
        return self.processor.create_method(KEY, kind).token

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.http.get(f"/v1{path}", headers={"authorization": f"Bearer {KEY}"})
        assert answer.status_code == status, answer.text
        return answer.json() if "json" in answer.headers["content-type"] else answer.text

    async def post(self, path: str, body: Any, status: int = 201, key: str = "") -> Any:
        headers = {"authorization": f"Bearer {KEY}"}
        key = key or f"key-{next(self.keys)}"
        if self.account.manner.key_place == "body":
            body = body | {"idempotency_key": key}
        else:
            headers["idempotency-key"] = key
        answer = await self.http.post(f"/v1{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def charge(self, kind: str = "ok", amount: int = 1000, *, status: int = 201, **more: Any) -> Any:
        key = more.pop("key", "")
        method = more.pop("method", None) or self.token(kind)
        body = {"amount": amount, "currency": "EUR", "method": method, "reference": f"in_1.{next(self.keys)}"} | more
        return await self.post("/charges", body, status, key)

    async def refund(self, charge: Any, amount: int | None = None, *, status: int = 201, key: str = "") -> Any:
        body: dict[str, Any] = {"reference": f"rfd_{next(self.keys)}"} | ({} if amount is None else {"amount": amount})
        return await self.post(f"/charges/{charge['id']}/refunds", body, status, key)

    async def control(self, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.http.post(f"/_sandbox{path}", json=body or {})
        assert answer.status_code == status, answer.text
        return answer.json()

    def told(self) -> list[str]:
        """The types of the events so far."""
        return [event.type for event in self.account.events.values()]

    def status(self, charge: Any) -> str:
        return self.account.charges[charge["id"]].status
