"""The sandbox: its accounts, beside the clock, calls, faults and delivery that every sandbox server has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.sandbox.kit.delivery import Endpoint, Event
from gateway.sandbox.kit.idempotency import Replies
from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.stripe.drafts import webhooks_delivered
from gateway.sandbox.stripe.errors import Refusal
from gateway.sandbox.stripe.events import EventRow
from gateway.sandbox.stripe.portal import default_configuration
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.webhooks import Webhooks

TEST_KEYS = ("sk_test_", "rk_test_")
KEYS_KEPT_S = 24 * 3600


class StripeSandbox(Sandbox):
    """All state, usable without HTTP.

    `advance` sends webhooks afterwards: with `auto` delivery an endpoint that has not refused anything counts as one
    that acknowledges. `deliver_until` sends them on the way.
    """

    title = "Stripe"

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.webhooks = Webhooks(self.delivery, webhooks_delivered)
        self.accounts: dict[str, Account] = {}

    def account(self, key: str) -> Account:
        """The account of a test key, made at its first use; live keys and anything else are refused with 401."""
        found = self.accounts.get(key)
        if found is not None:
            return found
        if not key.startswith(TEST_KEYS) or len(key) <= len(TEST_KEYS[0]):
            shown = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
            raise Refusal(f"Invalid API Key provided: {shown}", status=401, executed=False)
        account = Account(key, self.clock, self.webhooks, Replies(KEYS_KEPT_S))
        configuration = default_configuration(account)
        account.portal_configurations.add(configuration["id"], configuration)
        self.accounts[key] = account
        return account

    def find_event(self, id: str) -> tuple[Account, EventRow] | None:
        for account in self.accounts.values():
            if id in account.events:
                return account, account.events[id]
        return None

    def resend(self, event_id: str) -> int:
        found = self.find_event(event_id)
        if found is None:
            raise LookupError(f"there is no {event_id}")
        return self.webhooks.resend(*found)

    def receivers(self, event_id: str) -> tuple[Event, Sequence[Endpoint]]:
        found = self.find_event(event_id)
        if found is None:
            raise LookupError(f"there is no {event_id}")
        return found[1], self.webhooks.receivers(*found)

    def reset(self) -> None:
        """Forget everything, accounts too."""
        super().reset()
        self.accounts.clear()
