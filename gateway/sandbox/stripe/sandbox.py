"""The sandbox: its accounts, beside the clock, calls, faults and delivery that every sandbox server has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from gateway.sandbox.kit.delivery import Endpoint, Event
from gateway.sandbox.kit.idempotency import Replies
from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.stripe.closed_lists import EVENT_TYPES, THIN_EVENT_TYPES
from gateway.sandbox.stripe.drafts import webhooks_delivered
from gateway.sandbox.stripe.events import EventRow, record
from gateway.sandbox.stripe.keys import ApiKey, KeyRing
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.portal import default_configuration
from gateway.sandbox.stripe.rates import Rates
from gateway.sandbox.stripe.receivers import Receiver
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.thin_events import ThinEvent, announce
from gateway.sandbox.stripe.times import clock_of, in_time
from gateway.sandbox.stripe.webhooks import Webhooks

DAY_S = 24 * 3600
KEYS_KEPT_S = DAY_S
V2_KEYS_KEPT_S = 30 * 86400  # assumed: the documents that could be read name no time


class StripeSandbox(Sandbox):
    """All state, usable without HTTP.

    `advance` sends webhooks afterwards: with `auto` delivery an endpoint that has not refused anything counts as one
    that acknowledges. `deliver_until` sends them on the way.
    """

    title = "Stripe"

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now)
        self.webhooks = Webhooks(self.delivery, webhooks_delivered)
        self.keys = KeyRing(self.now)
        self.rates = Rates()
        self.public_url = ""  # where a browser reaches this server, if not where the API is called
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

    def keys_of(self, account: str) -> list[str]:
        return [key.key for key in self.keys if key.account == account]

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

    def send_events(
        self, account: str, type: str, object: str, previous: Obj | None = None, copies: int = 1
    ) -> list[EventRow | ThinEvent]:
        """Make and deliver an event of any of Stripe's types about a stored object, snapshot or (`v1.…`) thin.

        `copies` are events of their own about one change, as Stripe says may happen. Raises LookupError for an unknown
        account or object, ValueError for what is no type.
        """
        owner = self.need_account(account)
        obj = owner.find(object)
        if obj is None:
            raise LookupError(f"there is no {object}")
        if type not in EVENT_TYPES | THIN_EVENT_TYPES:
            raise ValueError(f"{type} is no event type")
        with in_time(owner, clock_of(owner, obj)):
            made = [_made(owner, type, obj, previous) for _ in range(copies)]
        return [event for event in made if event is not None]

    def roll_secret(self, receiver: str, expires_in_s: int = DAY_S) -> str:
        """The new secret of a webhook endpoint or event destination, as the Dashboard rolls it; both sign until then.
        Raises LookupError, and ValueError for more than a day."""
        if not 0 <= expires_in_s <= DAY_S:
            raise ValueError(f"expires_in_s is at most {DAY_S}")
        for account in self.accounts.values():
            if receiver in account.webhook_endpoints or receiver in account.event_destinations:
                return Receiver(account, receiver).roll_secret(expires_in_s)
        raise LookupError(f"there is no {receiver}")

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
        self.keys.clear()
        self.rates = Rates()


def _made(account: Account, type: str, obj: Obj, previous: Obj | None) -> EventRow | ThinEvent | None:
    if type in THIN_EVENT_TYPES:
        return announce(account, type, obj)
    return record(account, type, obj, previous)
