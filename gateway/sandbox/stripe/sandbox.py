"""The sandbox: its accounts, its clock, its faults, and what was asked of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Any

from gateway.sandbox.stripe.clock import Clock
from gateway.sandbox.stripe.delivery import Delivery
from gateway.sandbox.stripe.errors import Refusal
from gateway.sandbox.stripe.events import EventRow
from gateway.sandbox.stripe.faults import Faults
from gateway.sandbox.stripe.idempotency import Replies
from gateway.sandbox.stripe.invoices import webhooks_delivered
from gateway.sandbox.stripe.portal import default_configuration
from gateway.sandbox.stripe.store import Account

MAX_CALLS = 200_000
TEST_KEYS = ("sk_test_", "rk_test_")


class StripeSandbox:
    """All state, usable without HTTP: `advance`, `flush`, `calls`, `faults`, `delivery`, `account(key)`.

    `now` injects the source of real time (default: the system's); the sandbox's time is that plus an offset.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self.clock = Clock(now)
        self.delivery = Delivery(on_acknowledged=webhooks_delivered)
        self.faults = Faults()
        self.calls: deque[dict[str, Any]] = deque(maxlen=MAX_CALLS)
        self.accounts: dict[str, Account] = {}

    def now(self) -> int:
        """Sandbox time in Unix seconds."""
        return self.clock.now()

    def account(self, key: str) -> Account:
        """The account of a test key, made at its first use; live keys and anything else are refused with 401."""
        found = self.accounts.get(key)
        if found is not None:
            return found
        if not key.startswith(TEST_KEYS) or len(key) <= len(TEST_KEYS[0]):
            shown = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
            raise Refusal(f"Invalid API Key provided: {shown}", status=401, executed=False)
        account = Account(key, self.clock, self.delivery, Replies())
        configuration = default_configuration(account)
        account.portal_configurations.add(configuration["id"], configuration)
        self.accounts[key] = account
        return account

    def advance(self, seconds: int) -> int:
        """Move time forward, ringing every timer on the way. Returns the new time.

        Webhooks go out afterwards: with `auto` delivery an endpoint that has not refused anything counts as one that
        acknowledges. `advance_and_deliver` sends them on the way.
        """
        self.clock.move_to(self.now() + seconds)
        return self.now()

    def advance_to(self, when: int) -> int:
        self.clock.move_to(when)
        return self.now()

    async def advance_and_deliver(self, when: int) -> int:
        """As `advance_to`; before each timer, what was announced before it gets its first delivery attempt."""
        if when < self.now():
            raise ValueError("the sandbox clock only moves forward")
        while (ring := self.clock.next_at()) is not None and ring <= when:
            if self.delivery.busy:
                self.clock.move_to(max(self.now(), ring - 1))
                await self.delivery.settle()
            self.clock.move_to(max(self.now(), ring))
        self.clock.move_to(max(self.now(), when))
        return self.now()

    async def flush(self) -> dict[str, Any]:
        """Send everything queued; returns ``{"sent", "failed", "results"}`` when all attempts have ended."""
        return await self.delivery.flush()

    def find_event(self, id: str) -> tuple[Account, EventRow] | None:
        for account in self.accounts.values():
            if id in account.events:
                return account, account.events[id]
        return None

    def resend(self, event_id: str) -> int:
        """Deliver an event once more, to every endpoint that wants it. Returns how many do."""
        found = self.find_event(event_id)
        if found is None:
            raise KeyError(event_id)
        return self.delivery.resend(*found)

    def reset(self) -> None:
        """Forget accounts, calls, faults, deliveries and the clock's offset."""
        self.accounts.clear()
        self.calls.clear()
        self.faults.clear()
        self.delivery.reset()
        self.clock.reset()
