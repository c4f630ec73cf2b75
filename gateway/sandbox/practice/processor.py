"""The state of the practice processor, and every control over it as a method.

Events are announced to each endpoint of the account that they happened in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import msgspec

from gateway.sandbox.kit.sandbox import Sandbox
from gateway.sandbox.practice.account import Account, Charge, Method, Setup, account_id
from gateway.sandbox.practice.events import Endpoint, Event, new_id
from gateway.sandbox.practice.kinds import (
    AUTHENTICATION_FAILED,
    DECLINES,
    INSUFFICIENT_FUNDS,
    METHOD_REVOKED,
    Refusal,
    TokenKind,
)

SETUP_LIFE_S = 86400
MAX_BATCH = 250
T = TypeVar("T")


class Settings(msgspec.Struct, forbid_unknown_fields=True):
    """How long a pending charge takes to settle, in sandbox seconds."""

    pending_delay_s: float = 86400


class PracticeProcessor(Sandbox):
    """All accounts of one practice processor."""

    title = "Practice processor"

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        super().__init__(now, can_hide=True, max_batch=MAX_BATCH)
        self.settings = Settings()
        self.origin = "http://localhost"  # where payers reach the pages; the server sets it
        self.accounts: dict[str, Account] = {}

    # Accounts and webhook endpoints

    def account(self, api_key: str) -> Account:
        """The account of this key; opened if there is none yet."""
        if not api_key:
            raise ValueError("an API key is not empty")
        return self.accounts.setdefault(api_key, Account(account_id(api_key), api_key))

    def keys_of(self, account: str) -> list[str]:
        return [found.api_key for found in self.accounts.values() if found.id == account]

    def set_webhook(self, api_key: str, url: str, secret: str, *, add: bool = False) -> Account:
        """Where the account's events go, instead of or beside (`add`) where they went; an empty `url` means nowhere."""
        account = self.account(api_key)
        if url and not secret:
            raise ValueError("a webhook endpoint has a secret")
        kept = account.endpoints if add else []
        account.endpoints = [*kept, Endpoint(new_id("pwe"), url, secret)] if url else []
        return account

    def captures(self) -> list[Charge]:
        """The charges that took money, over all accounts."""
        return [charge for account in self.accounts.values() for charge in account.captures()]

    def resend(self, event_id: str) -> int:
        account, event = self._find(lambda account: account.events, event_id)
        for endpoint in account.endpoints:
            self.delivery.put(event, endpoint)
        return len(account.endpoints)

    def receivers(self, event_id: str) -> tuple[Event, Sequence[Endpoint]]:
        account, event = self._find(lambda account: account.events, event_id)
        return event, account.endpoints

    def reset(self) -> None:
        """Forget everything but the accounts' keys and webhook endpoints."""
        super().reset()
        for account in self.accounts.values():
            account.clear()
        self.settings = Settings()

    # Set-ups and payment methods

    def open_setup(self, account: Account, reference: str, currency: str, return_url: str) -> Setup:
        setup = Setup(
            id=new_id("pset"),
            client_token=new_id("pct"),
            reference=reference,
            currency=currency,
            return_url=return_url,
            created_at=self.now(),
            expires_at=self.now() + SETUP_LIFE_S,
        )
        account.setups[setup.id] = setup
        return setup

    def find_setup(self, setup_id: str) -> tuple[Account, Setup] | None:
        """A set-up by its id alone, which is what its page knows; expired here once its time is over."""
        for account in self.accounts.values():
            if setup := account.setups.get(setup_id):
                if setup.status == "open" and self.now() >= setup.expires_at:
                    setup.status = "expired"
                return account, setup
        return None

    def complete_setup(self, setup_id: str, kind: TokenKind | None, declines: int = 1) -> Setup:
        """The payer chose this card, or none and left; raises LookupError, or ValueError once it's no longer open."""
        found = self.find_setup(setup_id)
        if found is None:
            raise LookupError(f"there is no set-up {setup_id}")
        account, setup = found
        if setup.status != "open":
            raise ValueError(f"the set-up is {setup.status} already")
        if kind is None:
            setup.failure = Refusal("payer_canceled", "The payer left without a payment method.")
        elif kind is TokenKind.SETUP_FAILS:
            setup.failure = Refusal("card_not_supported", "This card can't be stored.")
        else:
            setup.method = self.create_method(account.api_key, kind, declines).token
        setup.status = "failed" if setup.failure else "completed"
        self.announce(account, f"setup.{setup.status}", {"object": "setup", "id": setup.id, "status": setup.status})
        return setup

    def create_method(self, api_key: str, kind: TokenKind | str, declines: int = 1) -> Method:
        """A stored payment method without its set-up: for tests."""
        method = Method(token=new_id("ptok"), kind=TokenKind(kind), created_at=self.now(), declines_left=declines)
        self.account(api_key).methods[method.token] = method
        return method

    def revoke_method(self, token: str) -> Method:
        """The payer withdraws the method at the processor; raises LookupError."""
        account, method = self._find(lambda account: account.methods, token)
        if not method.revoked:
            method.revoked = True
            self.announce(account, "method.revoked", method.shown())
        return method

    # Charges

    def make_charge(
        self, account: Account, reference: str, amount: int, currency: str, method: Method, **rest: Any
    ) -> Charge:
        """A charge, with the outcome of its method's kind."""
        charge = Charge(
            id=new_id("pch"),
            reference=reference,
            amount=amount,
            currency=currency,
            method=method.token,
            created_at=self.now(),
            **rest,
        )
        account.charges[charge.id] = account.by_reference[reference] = charge
        self._decide(account, charge, method)
        return charge

    def settle(self, charge_id: str, outcome: str = "") -> Charge:
        """End a pending charge now, as its kind says or as `succeeded` or `failed`; raises LookupError, ValueError."""
        account, charge = self._find(lambda account: account.charges, charge_id)
        if charge.status != "pending":
            raise ValueError(f"the charge is {charge.status}")
        if outcome not in ("", "succeeded", "failed"):
            raise ValueError("a charge settles as succeeded or failed")
        self._settle(account, charge, outcome or charge.settles_as)
        return charge

    def act(self, charge_id: str, result: str) -> Charge:
        """The payer confirms or fails an action; raises LookupError, ValueError."""
        account, charge = self._find(lambda account: account.charges, charge_id)
        if charge.status != "requires_action":
            raise ValueError(f"the charge is {charge.status}")
        if result not in ("confirm", "fail"):
            raise ValueError("an action is confirmed or failed")
        if result == "confirm":
            self._succeed(account, charge)
        else:
            self._fail(account, charge, AUTHENTICATION_FAILED)
        return charge

    def cancel(self, account: Account, charge: Charge) -> Charge:
        """Withdraw a charge that is still open; a canceled one stays so. Raises ValueError for another."""
        if charge.status == "canceled":
            return charge
        if not charge.is_open:
            raise ValueError(f"the charge is {charge.status}")
        self._close(account, charge, "canceled")
        return charge

    def _decide(self, account: Account, charge: Charge, method: Method) -> None:
        kind = method.kind
        if method.revoked:
            self._fail(account, charge, METHOD_REVOKED)
        elif kind in DECLINES:
            self._fail(account, charge, DECLINES[kind])
        elif kind is TokenKind.SOFT_THEN_OK and method.declines_left > 0:
            method.declines_left -= 1
            self._fail(account, charge, INSUFFICIENT_FUNDS)
        elif kind in (TokenKind.PENDING_THEN_OK, TokenKind.PENDING_THEN_FAIL):
            charge.settles_at = charge.created_at + self.settings.pending_delay_s
            charge.settles_as = "succeeded" if kind is TokenKind.PENDING_THEN_OK else "failed"
            self.clock.at(charge.settles_at, partial(self._settle_due, account, charge))
            self._announce_charge(account, charge)
        elif kind is TokenKind.REQUIRES_ACTION:
            charge.status = "requires_action"
            charge.action_url = f"{self.origin}/action/{charge.id}"
            self._announce_charge(account, charge)
        else:
            self._succeed(account, charge)

    def _settle_due(self, account: Account, charge: Charge) -> None:
        if charge.status == "pending":
            self._settle(account, charge, charge.settles_as)

    def _settle(self, account: Account, charge: Charge, outcome: str) -> None:
        if outcome == "succeeded":
            self._succeed(account, charge)
        else:
            self._fail(account, charge, INSUFFICIENT_FUNDS)

    def _succeed(self, account: Account, charge: Charge) -> None:
        charge.captured = charge.amount
        self._close(account, charge, "succeeded")

    def _fail(self, account: Account, charge: Charge, refusal: Refusal) -> None:
        charge.decline = refusal
        self._close(account, charge, "failed")

    def _close(self, account: Account, charge: Charge, status: str) -> None:
        charge.status, charge.closed_at = status, self.now()
        charge.settles_at, charge.action_url = None, ""
        self._announce_charge(account, charge)

    # Events

    def announce(self, account: Account, kind: str, data: dict[str, Any], receiver: str = "") -> None:
        """Send an event to each of the account's endpoints. `receiver` names another account than its own."""
        id = new_id("pevt")
        named = {"id": id, "type": kind, "account": receiver or account.id, "created": self.clock.stamp(), "data": data}
        about = data.get("id") or data.get("token") or ""
        account.events[id] = event = Event(id, kind, about, msgspec.json.encode(named))
        for endpoint in account.endpoints:
            self.delivery.put(event, endpoint)

    def _announce_charge(self, account: Account, charge: Charge) -> None:
        self.announce(account, f"charge.{charge.status}", charge.shown(account.id))

    def _find(self, held: Callable[[Account], dict[str, T]], key: str) -> tuple[Account, T]:
        for account in self.accounts.values():
            if key in held(account):
                return account, held(account)[key]
        raise LookupError(f"there is no {key}")
