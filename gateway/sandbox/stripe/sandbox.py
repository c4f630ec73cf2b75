"""The sandbox: its accounts, beside the clock, calls, faults and delivery that every sandbox server has."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from gateway.sandbox.kit.idempotency import Replies
from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.stripe.drafts import webhooks_delivered
from gateway.sandbox.stripe.events import EventRow
from gateway.sandbox.stripe.keys import ApiKey, KeyRing
from gateway.sandbox.stripe.portal import default_configuration
from gateway.sandbox.stripe.rates import Rates
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.thin_events import ThinEvent
from gateway.sandbox.stripe.webhooks import Webhooks

KEYS_KEPT_S = 24 * 3600
V2_KEYS_KEPT_S = 30 * 86400  # assumed: the documents that could be read name no time


class StripeSandbox(Sandbox):
    """All state, usable without HTTP.

    `advance` sends webhooks afterwards: with `auto` delivery an endpoint that has not refused anything counts as one
    that acknowledges. `deliver_until` sends them on the way.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.webhooks = Webhooks(self.delivery, webhooks_delivered)
        self.keys = KeyRing(self.now)
        self.rates = Rates()
        self.accounts: dict[str, Account] = {}  # by id

    def account(self, key: str) -> Account:
        """The account that a test key opens, made at its first use; raises Refusal for a key that opens none."""
        return self.account_of(self.keys.open(key))

    def account_of(self, key: ApiKey) -> Account:
        found = self.accounts.get(key.account)
        if found is not None:
            return found
        account = Account(key.account, self.clock, self.webhooks, Replies(KEYS_KEPT_S), Replies(V2_KEYS_KEPT_S))
        configuration = default_configuration(account)
        account.portal_configurations.add(configuration["id"], configuration)
        self.accounts[account.id] = account
        return account

    def need_account(self, id: str) -> Account:
        """An account by its id; raises LookupError."""
        if id not in self.accounts:
            raise LookupError(f"there is no account {id}")
        return self.accounts[id]

    def find_event(self, id: str) -> tuple[Account, EventRow | ThinEvent] | None:
        """A snapshot or a thin event."""
        for account in self.accounts.values():
            found = account.events.get(id) or account.thin_events.get(id)
            if found is not None:
                return account, found
        return None

    def resend(self, event_id: str) -> int:
        found = self.find_event(event_id)
        if found is None:
            raise LookupError(f"there is no {event_id}")
        return self.webhooks.resend(*found)

    def reset(self) -> None:
        """Forget everything, accounts too."""
        super().reset()
        self.accounts.clear()
        self.keys.clear()
        self.rates = Rates()
