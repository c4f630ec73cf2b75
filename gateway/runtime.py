"""What every story is handed: the settings, the keys, the clients. One per process, made inside its loop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg
import httpx
import msgspec

from db import sql
from db.encryption import Keyring
from db.engine import assert_no_transaction
from gateway.billing.binding import bind
from gateway.billing.client import StripeClient
from gateway.billing.pace import Pace, Rates, stripes_own
from gateway.connections import Connections
from gateway.domain.policy import Policy
from gateway.moment import once
from gateway.settings import Settings

ACCOUNT = """
    select api_key, api_base, livemode, policies, stripe_account from tollbridge.account where id = $1 and enabled
"""


class UnknownAccountError(Exception):
    """There is no such account, or it is disabled."""


class Runtime:
    """The clients of one process."""

    def __init__(self, settings: Settings, keyring: Keyring, http: httpx.AsyncClient) -> None:
        self.settings = settings
        self.keyring = keyring
        self.http = http
        self.connections = Connections(keyring, http)
        self.failing: set[str] = set()
        """Connections whose processor did not answer this process's last charge call."""
        self._stripe: dict[str, tuple[bytes, StripeClient]] = {}

    async def stripe(self, account: str) -> StripeClient:
        """The client of an account; raises UnknownAccountError. A changed key is used from the next job on."""
        row = await once(("account", account), partial(sql.row, ACCOUNT, account))
        if row is None:
            raise UnknownAccountError(f"there is no account {account}, or it is disabled")
        version = bytes(row["api_key"]) + row["api_base"].encode() + row["policies"].encode()
        built = self._stripe.get(account)
        if built is None or built[0] != version:
            built = (version, self._client(account, self._key(account, row), row))
            self._stripe[account] = built
        return built[1]

    def _key(self, account: str, row: asyncpg.Record) -> str:
        return self.keyring.decrypt(row["api_key"], table="account", column="api_key", row=account).decode()

    async def _key_now(self, account: str) -> str:
        """The key as it stands now, whatever this job has read before; empty for an account that is disabled by now."""
        row = await sql.row(ACCOUNT, account)
        return "" if row is None else self._key(account, row)

    def _client(self, account: str, key: str, row: asyncpg.Record) -> StripeClient:
        rates = _rates(msgspec.json.decode(row["policies"], type=Policy), row["livemode"], row["api_base"])
        pace = None if rates is None else Pace(account, rates)
        return StripeClient(
            key,
            base=row["api_base"],
            timeout_s=self.settings.stripe_timeout_s,
            pace=pace,
            key_now=partial(self._key_now, account),
            bind=None if row["stripe_account"] else partial(bind, account),
        )

    async def close(self) -> None:
        for _, client in self._stripe.values():
            await client.close()
        self._stripe.clear()


def _rates(policy: Policy, livemode: bool, base: str) -> Rates | None:
    """The account's own choice, else what Stripe allows by itself; a stand-in at another address limits nothing."""
    chosen = (policy.stripe_calls_per_operation, policy.stripe_calls_per_second)
    if base and chosen == (None, None):
        return None
    allowed = stripes_own(livemode=livemode)
    return Rates(chosen[0] or allowed.operation, chosen[1] or allowed.account, allowed.meter_events)


async def _outside_transactions(request: httpx.Request) -> None:
    """No network call inside a transaction: it would hold locks for as long as a stranger's server likes."""
    assert_no_transaction(f"{request.method} to a processor")


@asynccontextmanager
async def running(settings: Settings, keyring: Keyring) -> AsyncIterator[Runtime]:
    """A runtime that closes its clients in the end. The database's pool is the caller's."""
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=50)
    timeout = httpx.Timeout(settings.processor_timeout_s, connect=5.0)
    hooks = {"request": [_outside_transactions]}
    async with httpx.AsyncClient(limits=limits, timeout=timeout, follow_redirects=False, event_hooks=hooks) as http:
        runtime = Runtime(settings, keyring, http)
        try:
            yield runtime
        finally:
            await runtime.close()
