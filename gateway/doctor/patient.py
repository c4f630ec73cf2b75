"""What every check is handed: the account, the time, and the way to its Stripe."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import msgspec

from db import sql
from gateway.accounts import accounts
from gateway.accounts.accounts import Account
from gateway.billing.client import StripeClient
from gateway.clock import business_now, stood_for
from gateway.runtime import Runtime

CHARGED: Final = """
    select exists (
        select 1 from tollbridge.subscription s
        where s.account = $1 and s.ended_at is null and s.collection_method = 'send_invoice'
          and tollbridge.collection(s.account, s.customer, s.id) = 'processor')
"""


class Patient(msgspec.Struct, frozen=True):
    """One account that is examined at `now`, business time, which runs by itself since `stood` (None: since ever)."""

    runtime: Runtime
    account: Account
    now: datetime
    stood: timedelta | None = None

    @property
    def id(self) -> str:
        return self.account.id

    @property
    def webhook_url(self) -> str:
        """Where Stripe should send this account's events."""
        return f"{self.runtime.settings.base_url}/webhooks/stripe/{self.account.name}"

    @property
    def is_public(self) -> bool:
        """Whether somebody has said where the world reaches us."""
        return bool(self.runtime.settings.public_url)

    def waited(self, at: datetime) -> timedelta:
        """How long what was due at `at` has waited. What the clock control made due at once has waited since then:
        nobody had a turn before."""
        late = max(self.now - at, timedelta())
        return late if self.stood is None else min(late, self.stood)

    async def charges(self) -> bool:
        """Whether we charge anybody: payers of an account may all pay on Stripe's page."""
        by_default = self.account.policy.collection == "processor"
        return by_default or bool(await sql.value(CHARGED, self.id))

    async def stripe(self) -> StripeClient:
        """Raises UnknownAccountError where the account is disabled."""
        return await self.runtime.stripe(self.id)


async def patient(runtime: Runtime, account: str) -> Patient:
    """Raises NotThereError."""
    return Patient(runtime, await accounts.show(account), await business_now(), await stood_for())
