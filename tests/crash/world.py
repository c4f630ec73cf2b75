"""The scenarios' world with a gateway that may die, and with people who then do what people do: ask again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from unittest import mock

import httpx

from db import sql
from gateway.accounts import connections
from gateway.clock import business_now
from gateway.imports import patience
from gateway.imports.asked import Import
from gateway.imports.rows import Result, Row, Status
from gateway.imports.run import run_import
from gateway.runtime import Runtime
from processors.values import PaymentMethodReference, Secret
from tests.crash.gateway import Gateway
from tests.support.rest import ROUNDS
from tests.support.shop import BY
from tests.support.world import World

TRIES: Final = 12
PATIENCE: Final = 12
SOON_S: Final = 3600

NEXT_AT: Final = " union all ".join(
    f"select min({column}) as at from tollbridge.{table} where {column} > $1"
    for table, column in (
        ("invoice", "due_at"),
        ("subscription", "due_at"),
        ("checkout_session", "due_at"),
        ("payment_method_session", "due_at"),
        ("payment_method", "due_at"),
        ("refund", "due_at"),
        ("dispute", "due_at"),
        ("usage_stream", "due_at"),
        ("delivery", "try_at"),
        ("event_delivery", "due_at"),
        ("webhook_endpoint", "rests_until"),
    )
)

BEHIND: Final = "select not coalesce(bool_and(done_to >= $1), false) from tollbridge.catch_up"


@dataclass
class CrashWorld(World):
    """Nothing waits on real time here: `wait_s` is 0, and what waits for business time gets it."""

    gateway: Gateway = None  # type: ignore[assignment]

    async def work(self) -> bool:
        return await self.gateway.work()

    async def settle(self) -> None:
        """As the scenarios' world comes to rest, but a server that dies leaves webhooks that come again."""
        for _ in range(ROUNDS):
            await self.gateway.alive()
            tried = [*(await self.stripe.flush()).attempts, *(await self.practice.flush()).attempts]
            if not await self.work() and not tried:
                return
        raise AssertionError("the world does not come to rest")

    async def rest(self) -> None:
        """Come to rest by the normal means: what waits a little is waited for, by business time."""
        await self.settle()
        for _ in range(PATIENCE):
            held = await self.gateway.minutes_pass()
            now = await business_now()
            waits_s = [(row["at"] - now).total_seconds() for row in await sql.rows(NEXT_AT, now) if row["at"]]
            soon_s = [wait_s for wait_s in waits_s if wait_s <= SOON_S]
            if not soon_s and not held:
                return
            await self.later(seconds=int(min(soon_s, default=0)) + 1)

    async def caught_up(self) -> None:
        """The worker's timer walks until a walk has come to its end since now, however often the worker dies of it."""
        now = await business_now()
        for _ in range(TRIES):
            await self.gateway.catch_up()
            if not await sql.value(BEHIND, now):
                return
        raise AssertionError("the walks come to no end")

    async def asked_for_refund(self, invoice: str, amount: int) -> None:
        """Staff ask for it, again and again under one key until they have an answer."""
        body = {"invoice": invoice, "amount": amount, "wait_s": 0}
        answer = await self.call("POST", "/v1/refunds", body, headers={"idempotency-key": "refund-made-up"})
        assert answer.status_code in (200, 202), answer.text

    async def imported(self, customer: str, *tokens: str) -> None:
        """Somebody runs an import, again and again until every row is stored; each time the same file."""
        known = {one.name: one for one in await connections.listed(self.shop.account)}
        rows = [
            Row(line, customer, "practice-eu", PaymentMethodReference(Secret(token)))
            for line, token in enumerate(tokens, start=2)
        ]
        for _ in range(TRIES):
            found: list[Result] = []

            async def command(runtime: Runtime, told: list[Result] = found) -> None:
                await run_import(Import(runtime, BY, self.shop.account, known, apply=True), rows, told.append)

            with mock.patch.object(patience, "UNANSWERED_S", (0.0, 0.0)):
                ended = await self.gateway.command(command)
            if ended and {one.status for one in found} <= {Status.STORED, Status.UNCHANGED}:
                return
        raise AssertionError(f"the import comes to no end: {found}")

    async def announced(self) -> int:
        """How many events are to be told to the merchant's server."""
        return int(await sql.value("select count(distinct event) from tollbridge.event_delivery"))

    async def untold(self) -> int:
        """How many of them it hasn't taken; they come again."""
        return int(await sql.value("select count(*) from tollbridge.event_delivery where state = 'pending'"))

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """The same request, under the same key where it has one, until it is answered for good."""
        headers = {"authorization": f"Bearer {key or self.shop.api_key}", **(headers or {})}
        for _ in range(TRIES):
            try:
                answer = await self.http.request(method, self.gateway_url + path, json=body, headers=headers)
            except httpx.TransportError:
                await self.settle()
                continue
            if answer.status_code < 500 and "urn:tollbridge:error:in_progress" not in answer.text:
                return answer
            await self.rest()
        raise AssertionError(f"{method} {path} is never answered: {answer.status_code} {answer.text[:300]}")
