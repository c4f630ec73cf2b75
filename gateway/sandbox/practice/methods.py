"""Set-ups, and the payment methods that come of them: revoked, replaced, reinstated, expired, suspended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from gateway.sandbox.practice.account import SETUP_LIFE_S, Account, Method, Setup
from gateway.sandbox.practice.core import Core
from gateway.sandbox.practice.events import new_id
from gateway.sandbox.practice.kinds import LOOKS, Refusal, TokenKind

MethodStatus = Literal["active", "suspended", "revoked", "expired", "replaced"]


class Methods(Core):
    def open_setup(self, account: Account, reference: str, currency: str, return_url: str, customer: str = "") -> Setup:
        setup = Setup(
            id=new_id("pset"),
            client_token=new_id("pct"),
            reference=reference,
            customer=customer or new_id("pcus"),
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

    def complete_setup(
        self, setup_id: str, kind: TokenKind | None, declines: int = 1, address: Mapping[str, str] | None = None
    ) -> Setup:
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
            method = self.create_method(account.api_key, kind, declines, setup.customer)
            method.address, setup.method = address, method.token
        setup.status = "failed" if setup.failure else "completed"
        self.announce(account, f"setup.{setup.status}", {"object": "setup", "id": setup.id, "status": setup.status})
        return setup

    def create_method(
        self, api_key: str, kind: TokenKind | str, declines: int = 1, customer: str = "", fingerprint: str = ""
    ) -> Method:
        """A stored payment method without its set-up: for tests. `fingerprint` names a card that exists already."""
        account, kind = self.account(api_key), TokenKind(kind)
        in_manner = {"wallet": "wallet", "debit": "bank_debit"}.get(account.manner.collection, LOOKS[kind].brand)
        method = Method(
            token=new_id("ptok"),
            agreement=new_id("pagr"),
            customer=customer or new_id("pcus"),
            kind=kind,
            created_at=self.now(),
            brand=in_manner,
            fingerprint=fingerprint or new_id("pfp"),
            status="expired" if kind is TokenKind.DECLINE_EXPIRED else "active",
            declines_left=declines,
        )
        account.methods[method.token] = method
        return method

    def revoke_method(self, token: str) -> Method:
        """The payer withdraws the method at the processor or at the bank; raises LookupError."""
        return self._become(token, "revoked", ("active", "suspended", "expired"), "revoked")

    def reinstate_method(self, token: str) -> Method:
        """A revoked, expired or suspended method may be charged again; raises LookupError, ValueError."""
        return self._become(token, "active", ("revoked", "expired", "suspended"), "reinstated")

    def expire_method(self, token: str) -> Method:
        """Raises LookupError, ValueError."""
        return self._become(token, "expired", ("active", "suspended"), "expired")

    def suspend_method(self, token: str) -> Method:
        """The payer's account at the processor is locked: nothing can be charged for now. Raises as the others."""
        return self._become(token, "suspended", ("active",), "suspended")

    def replace_method(self, token: str) -> Method:
        """The payer's bank or the scheme has moved the method to a new token, which this returns; raises as above."""
        account, old = self._find(_methods, token)
        if old.status == "replaced":
            raise ValueError("the method was replaced already")
        new = self.create_method(account.api_key, old.kind, old.declines_left, old.customer)
        new.brand, new.address = old.brand, old.address
        old.status, old.replaced_by = "replaced", new.token
        self.announce(account, "method.replaced", old.shown() | {"replacement": new.shown()})
        return new

    def find_agreement(self, agreement: str) -> Method | None:
        """A method by the id that its page knows."""
        methods = (one for account in self.accounts.values() for one in account.methods.values())
        return next((one for one in methods if one.agreement == agreement), None)

    def _become(self, token: str, status: MethodStatus, possible: tuple[str, ...], event: str) -> Method:
        account, method = self._find(_methods, token)
        if method.status == status:
            return method
        if method.status not in possible:
            raise ValueError(f"the method is {method.status}")
        method.status = status
        # A wallet is an agreement between the payer and the processor, and is told of as such when it ends.
        agreement = method.brand == "wallet" and event == "revoked"
        self.announce(account, "agreement.cancelled" if agreement else f"method.{event}", method.shown())
        return method


def _methods(account: Account) -> dict[str, Method]:
    return account.methods
