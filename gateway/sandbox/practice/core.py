"""What every part of the practice processor stands on: its accounts, their manners, their events and their books."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from gateway.sandbox.kit.idempotency import Replies
from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.practice import manner
from gateway.sandbox.practice.account import Account, Charge, Entry, account_id
from gateway.sandbox.practice.events import Endpoint, Event, new_id
from gateway.sandbox.practice.manner import Delays

MAX_BATCH = 250
T = TypeVar("T")


class Core(Sandbox):
    """All accounts of one practice processor."""

    title = "Practice processor"

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now, can_hide=True, max_batch=MAX_BATCH)
        self.settings = Delays()
        self.origin = "http://localhost"  # where payers reach the pages; the server sets it
        self.accounts: dict[str, Account] = {}

    # Accounts

    def account(self, api_key: str) -> Account:
        """The account of this key; opened if there is none yet."""
        if not api_key:
            raise ValueError("an API key is not empty")
        return self.accounts.setdefault(api_key, Account(account_id(api_key), api_key))

    def keys_of(self, account: str) -> list[str]:
        return [found.api_key for found in self.accounts.values() if found.id == account]

    def set_manner(self, api_key: str, **changed: Any) -> Account:
        """How this account is treated from now on: `like` one of MANNERS, and any field besides. Raises ValueError.

        Another `key_window_s` forgets the keys that are kept.
        """
        account = self.account(api_key)
        was, account.manner = account.manner, manner.manner(changed, account.manner)
        if account.manner.key_window_s != was.key_window_s:
            account.replies = Replies(account.manner.key_window_s)
        account.endpoints = [msgspec.structs.replace(one, webhook=account.manner.webhook) for one in account.endpoints]
        return account

    def lock_account(self, api_key: str) -> Account:
        """The processor's risk department stops the merchant's account, and tells of it."""
        return self._lock(api_key, locked=True)

    def unlock_account(self, api_key: str) -> Account:
        """It may go on."""
        return self._lock(api_key, locked=False)

    def _lock(self, api_key: str, *, locked: bool) -> Account:
        account = self.account(api_key)
        if account.locked is not locked:
            account.locked = locked
            self.announce(
                account, f"account.{'locked' if locked else 'unlocked'}", {"object": "account", "id": account.id}
            )
        return account

    def set_delays(self, **changed: Any) -> Delays:
        """How long things take in accounts whose manner has no delays of its own; raises ValueError."""
        self.settings = manner.delays(changed, self.settings)
        return self.settings

    def delays(self, account: Account) -> Delays:
        return account.manner.delays or self.settings

    def set_webhook(self, api_key: str, url: str, secret: str, *, add: bool = False) -> Account:
        """Where the account's events go, instead of or beside (`add`) where they went; an empty `url` means nowhere."""
        account = self.account(api_key)
        if url and not secret:
            raise ValueError("a webhook endpoint has a secret")
        kept = account.endpoints if add else []
        new = Endpoint(new_id("pwe"), url, secret, account.manner.webhook)
        account.endpoints = [*kept, new] if url else []
        return account

    def begin_outage(self, api_key: str, for_s: float, after_s: float = 0) -> Account:
        """Every call of the account is answered 503 for a span of sandbox time; raises ValueError."""
        if for_s <= 0 or after_s < 0:
            raise ValueError("an outage lasts more than nothing, and does not begin in the past")
        account = self.account(api_key)
        start = self.now() + int(after_s)
        account.outages.append((start, start + int(for_s)))
        return account

    def is_out(self, account: Account) -> bool:
        now = self.now()
        return any(start <= now < end for start, end in account.outages)

    def is_too_fast(self, account: Account) -> bool:
        """Count a call; whether it is one too many within a second of machine time."""
        limit, now = account.manner.rate_limit, time.monotonic()
        if limit is None:
            return False
        while account.calls_at and not 0 <= now - account.calls_at[0] < 1:  # another machine's clock is of no use
            account.calls_at.popleft()
        if len(account.calls_at) >= limit:
            return True
        account.calls_at.append(now)
        return False

    def captures(self) -> list[Charge]:
        """The charges that took money, over all accounts."""
        return [charge for account in self.accounts.values() for charge in account.captures()]

    def reset(self) -> None:
        """Forget everything but the accounts' keys, manners and webhook endpoints."""
        super().reset()
        for account in self.accounts.values():
            account.clear()
        self.settings = Delays()

    # Events

    def announce(self, account: Account, kind: str, data: dict[str, Any], receiver: str = "") -> None:
        """Send an event to each of the account's endpoints. `receiver` names another account than its own."""
        id = new_id("pevt")
        named = {"id": id, "type": kind, "account": receiver or account.id, "created": self.clock.stamp(), "data": data}
        about = data.get("id") or data.get("token") or ""
        fetch = data.get("charge") or about
        account.events[id] = event = Event(id, kind, about, msgspec.json.encode(named), fetch)
        for endpoint in account.endpoints:
            if endpoint.webhook == "signed" or fetch in account.charges:  # a ping can't tell of anything else
                self.delivery.put(event, endpoint)

    def resend(self, event_id: str) -> int:
        account, event = self._find(lambda account: account.events, event_id)
        for endpoint in account.endpoints:
            self.delivery.put(event, endpoint)
        return len(account.endpoints)

    def receivers(self, event_id: str) -> tuple[Event, Sequence[Endpoint]]:
        account, event = self._find(lambda account: account.events, event_id)
        return event, account.endpoints

    # Books

    def book(self, account: Account, kind: Any, charge: Charge, amount: int, object_id: str = "") -> Entry:
        """Write down money that moved."""
        entry = Entry(
            id=new_id("pmv"),
            at=self.now(),
            kind=kind,
            object_id=object_id or charge.id,
            charge=charge.id,
            reference=charge.reference,
            amount=amount,
            currency=charge.currency,
        )
        account.entries.append(entry)
        return entry

    def _find(self, held: Callable[[Account], dict[str, T]], key: str) -> tuple[Account, T]:
        for account in self.accounts.values():
            if key in held(account):
                return account, held(account)[key]
        raise LookupError(f"there is no {key}")

    def _charge(self, charge_id: str) -> tuple[Account, Charge]:
        return self._find(_charges, charge_id)


def _charges(account: Account) -> dict[str, Charge]:
    return account.charges
